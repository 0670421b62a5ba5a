// SPDX-License-Identifier: GPL-2.0

//! Tests of `kernel_ext::kthread`: most of them made while the module is loaded, the last two while
//! it is removed.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::{Ctx, KThread},
};

module! {
    type: TestKthread,
    name: "test_kthread",
    authors: ["kmodlab"],
    description: "Tests of kernel_ext::kthread",
    license: "GPL",
}

struct TestKthread {
    /// Ends by itself.
    ended: KThread<[u64; 3]>,
    /// Is dropped without having been stopped.
    left: Option<KThread<Counted>>,
    /// Counts what `left` returned.
    count: Arc<AtomicU32>,
}

impl kernel::Module for TestKthread {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        never_started()?;
        stopped_at_once()?;
        values()?;
        dropped_while_it_runs()?;
        nodes()?;
        many()?;
        stopped_by_another_thread()?;
        asleep_until_stopped()?;
        let count = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
        let counted = Counted(count.clone());
        let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let thread_begun = begun.clone();
        let left = KThread::run(c_str!("%s%n%d%p 100% left"), move |ctx| {
            thread_begun.complete();
            ctx.sleep_until_stopped();
            counted
        })?;
        begun.wait_for_completion();
        Ok(TestKthread {
            ended: KThread::run(c_str!("by itself"), |_ctx| [11, 22, 33])?,
            left: Some(left),
            count,
        })
    }
}

impl Drop for TestKthread {
    fn drop(&mut self) {
        check(
            "the value of a thread that has long ended",
            self.ended.stop() == Ok([11, 22, 33]),
        );
        check("a second stop is ESRCH", self.ended.stop() == Err(ESRCH));
        check("and no start", !self.ended.start());
        check("the other still runs", self.count.load(SeqCst) == 0);
        drop(self.left.take());
        check(
            "a handle that is dropped waits, and drops the value",
            self.count.load(SeqCst) == 1,
        );
    }
}

fn check(what: &str, holds: bool) {
    pr_info!("{} {}\n", if holds { "ok" } else { "FAILED" }, what);
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn until_stopped(ctx: &Ctx) {
    while !ctx.should_stop() {
        msleep(10);
    }
}

fn never_started() -> Result {
    let (drops, calls) = (
        Arc::new(AtomicU32::new(0), GFP_KERNEL)?,
        Arc::new(AtomicU32::new(0), GFP_KERNEL)?,
    );
    let closure = || {
        let (counted, calls) = (Counted(drops.clone()), calls.clone());
        move |_ctx: &Ctx| {
            calls.fetch_add(1, SeqCst);
            counted.0.load(SeqCst)
        }
    };
    let mut thread = KThread::create(c_str!("never"), closure())?;
    check("no drop before the stop", drops.load(SeqCst) == 0);
    check("stop before start is EINTR", thread.stop() == Err(EINTR));
    check("and drops the closure", drops.load(SeqCst) == 1);
    drop(KThread::create(c_str!("never"), closure())?);
    check("so does the handle's drop", drops.load(SeqCst) == 2);
    check("no closure was called", calls.load(SeqCst) == 0);
    Ok(())
}

/// Stops threads that may or may not run before. Either a thread has run to its end, or its closure
/// was not called at all; the closure is dropped once in both cases.
fn stopped_at_once() -> Result {
    let (drops, calls) = (
        Arc::new(AtomicU32::new(0), GFP_KERNEL)?,
        Arc::new(AtomicU32::new(0), GFP_KERNEL)?,
    );
    let (mut ended, mut never) = (0, 0);
    for _ in 0..200 {
        let (counted, calls) = (Counted(drops.clone()), calls.clone());
        let mut thread = KThread::run(c_str!("at once"), move |ctx| {
            calls.fetch_add(1, SeqCst);
            until_stopped(ctx);
            counted
        })?;
        match thread.stop() {
            Ok(_counted) => ended += 1,
            Err(error) if error == EINTR => never += 1,
            Err(_) => {}
        }
    }
    check("200 stopped at once", ended + never == 200);
    check("as many values as calls", calls.load(SeqCst) == ended);
    check("and each dropped once", drops.load(SeqCst) == 200);
    Ok(())
}

fn values() -> Result {
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let thread_begun = begun.clone();
    let mut thread = KThread::run(c_str!("minus four"), move |_ctx| {
        thread_begun.complete();
        -4
    })?;
    begun.wait_for_completion();
    check(
        "-4, which is -EINTR, is a value as any other",
        thread.stop() == Ok(-4),
    );

    let thread_begun = begun.clone();
    let mut thread = KThread::create(c_str!("started"), move |ctx| {
        thread_begun.complete();
        until_stopped(ctx);
    })?;
    check("start wakes", thread.start());
    begun.wait_for_completion();
    check("no value is a value", thread.stop() == Ok(()));

    let thread_begun = begun.clone();
    let mut thread = KThread::builder().run(move |_ctx| thread_begun.complete())?;
    begun.wait_for_completion();
    check("a thread without a name", thread.stop() == Ok(()));
    Ok(())
}

fn dropped_while_it_runs() -> Result {
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let ended = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
    let (thread_begun, thread_ended) = (begun.clone(), ended.clone());
    let thread = KThread::run(c_str!("dropped"), move |ctx| {
        thread_begun.complete();
        until_stopped(ctx);
        // Without a wait for the thread, this code is ahead of it now.
        msleep(100);
        thread_ended.store(1, SeqCst);
    })?;
    begun.wait_for_completion();
    drop(thread);
    check("drop waits for the end", ended.load(SeqCst) == 1);
    Ok(())
}

fn nodes() -> Result {
    let drops = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
    let absurd = [-1, -2, 7, 63, 64, 1024, 1 << 20, i32::MAX, i32::MIN];
    let mut refused = 0;
    for node in absurd {
        let counted = Counted(drops.clone());
        let thread = KThread::builder().node(node).run(move |_ctx| counted);
        match thread {
            Err(error) if error == EINVAL => refused += 1,
            _ => pr_err!("node {} is not refused with EINVAL\n", node),
        }
    }
    check("an absurd node is EINVAL", refused == absurd.len());
    check(
        "and drops the closure",
        drops.load(SeqCst) as usize == absurd.len(),
    );
    for node in [0, 1] {
        let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let thread_begun = begun.clone();
        let mut thread = KThread::builder().node(node).run(move |_ctx| {
            thread_begun.complete();
            node
        })?;
        begun.wait_for_completion();
        check("a node that is there", thread.stop() == Ok(node));
    }
    Ok(())
}

fn many() -> Result {
    const NONE: Option<KThread<u32>> = None;
    let mut threads = [NONE; 200];
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let alive = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
    for (thread, value) in threads.iter_mut().zip(0..) {
        let (begun, alive) = (begun.clone(), alive.clone());
        *thread = Some(KThread::run(c_str!("many"), move |ctx| {
            alive.fetch_add(1, SeqCst);
            begun.complete();
            until_stopped(ctx);
            alive.fetch_sub(1, SeqCst);
            value
        })?);
    }
    for _ in &threads {
        begun.wait_for_completion();
    }
    check("200 threads at once", alive.load(SeqCst) == 200);
    let mut sum = 0;
    for thread in threads.iter_mut().flatten() {
        sum += thread.stop()?;
    }
    check("each gives its own value", sum == 199 * 200 / 2);
    check("and none is left", alive.load(SeqCst) == 0);
    Ok(())
}

fn stopped_by_another_thread() -> Result {
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let thread_begun = begun.clone();
    let mut inner = KThread::run(c_str!("inner"), move |ctx| {
        thread_begun.complete();
        until_stopped(ctx);
        9
    })?;
    begun.wait_for_completion();
    let thread_begun = begun.clone();
    let mut outer = KThread::run(c_str!("outer"), move |_ctx| {
        thread_begun.complete();
        inner.stop()
    })?;
    begun.wait_for_completion();
    check("a thread stops another", outer.stop() == Ok(Ok(9)));
    Ok(())
}

fn asleep_until_stopped() -> Result {
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let thread_begun = begun.clone();
    let mut thread = KThread::run(c_str!("asleep"), move |ctx| {
        thread_begun.complete();
        ctx.sleep_until_stopped();
        7
    })?;
    begun.wait_for_completion();
    msleep(300);
    check(
        "a thread sleeps until it is stopped",
        thread.stop() == Ok(7),
    );
    let mut ended = 0;
    for _ in 0..200 {
        let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let thread_begun = begun.clone();
        let mut thread = KThread::run(c_str!("asleep"), move |ctx| {
            thread_begun.complete();
            ctx.sleep_until_stopped();
        })?;
        begun.wait_for_completion();
        ended += u32::from(thread.stop().is_ok());
    }
    check("and is stopped at any moment", ended == 200);
    Ok(())
}
