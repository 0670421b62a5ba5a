// SPDX-License-Identifier: GPL-2.0

//! Tests of `kernel_ext::completion`, all of them made while the module is loaded.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: TestCompletion,
    name: "test_completion",
    authors: ["kmodlab"],
    description: "Tests of kernel_ext::completion",
    license: "GPL",
}

struct TestCompletion;

impl kernel::Module for TestCompletion {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        complete_before_wait()?;
        time_outs()?;
        three_waiters()?;
        last_owner_is_the_thread()?;
        Ok(TestCompletion)
    }
}

fn check(what: &str, holds: bool) {
    pr_info!("{} {}\n", if holds { "ok" } else { "FAILED" }, what);
}

fn complete_before_wait() -> Result {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    check("nothing is done at first", !done.try_wait_for_completion());
    done.complete();
    done.wait_for_completion();
    check(
        "complete before wait, and taken once",
        !done.try_wait_for_completion(),
    );
    done.complete();
    done.complete();
    done.wait_for_completion();
    check("two completes are two", done.try_wait_for_completion());
    check("and not three", !done.try_wait_for_completion());
    done.complete();
    done.reinit_completion();
    check("reinit forgets", !done.try_wait_for_completion());
    done.complete();
    check(
        "and the completion is of use again",
        done.wait_for_completion_timeout(1000),
    );
    Ok(())
}

fn time_outs() -> Result {
    let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    check("no time, not done", !done.wait_for_completion_timeout(0));
    pr_info!("waiting for 500 ms\n");
    check(
        "a time-out that expires",
        !done.wait_for_completion_timeout(500),
    );
    let (begun, of_thread) = (Arc::pin_init(Completion::new(), GFP_KERNEL)?, done.clone());
    let thread_begun = begun.clone();
    let thread = KThread::run(c_str!("completer"), move |_ctx| {
        thread_begun.complete();
        msleep(300);
        of_thread.complete();
    })?;
    begun.wait_for_completion();
    pr_info!("waiting for 300 of 5000 ms\n");
    check(
        "a time-out that does not expire",
        done.wait_for_completion_timeout(5000),
    );
    drop(thread);
    done.complete();
    check("no time, but done", done.wait_for_completion_timeout(0));
    Ok(())
}

/// The state that waiters share.
#[pin_data]
struct Gate {
    #[pin]
    begun: Completion,
    #[pin]
    open: Completion,
    through: AtomicU32,
    #[pin]
    done: Completion,
}

fn waiter(gate: &Arc<Gate>) -> Result<KThread<()>> {
    let gate = gate.clone();
    KThread::run(c_str!("waiter"), move |_ctx| {
        gate.begun.complete();
        gate.open.wait_for_completion();
        gate.through.fetch_add(1, Relaxed);
        gate.done.complete();
    })
}

fn three_waiters() -> Result {
    let gate = Arc::pin_init(
        pin_init!(Gate {
            begun <- Completion::new(),
            open <- Completion::new(),
            through: AtomicU32::new(0),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let waiters = [waiter(&gate), waiter(&gate), waiter(&gate)];
    for waiter in &waiters {
        if waiter.is_ok() {
            gate.begun.wait_for_completion();
        }
    }
    gate.open.complete();
    gate.done.wait_for_completion();
    let more = gate.done.wait_for_completion_timeout(200);
    check(
        "complete lets one of three through",
        !more && gate.through.load(Relaxed) == 1,
    );
    gate.open.complete_all();
    gate.done.wait_for_completion();
    gate.done.wait_for_completion();
    check(
        "complete_all lets all through",
        gate.through.load(Relaxed) == 3,
    );
    gate.open.wait_for_completion();
    check("and those to come", gate.open.try_wait_for_completion());
    drop(waiters);
    gate.open.reinit_completion();
    check("until reinit", !gate.open.try_wait_for_completion());
    Ok(())
}

fn last_owner_is_the_thread() -> Result {
    for _ in 0..200 {
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let of_thread = done.clone();
        let thread = KThread::run(c_str!("last owner"), move |_ctx| of_thread.complete())?;
        done.wait_for_completion();
        drop(done);
        drop(thread);
    }
    pr_info!("200 completions freed by whoever was last\n");
    Ok(())
}
