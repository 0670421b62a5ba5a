// SPDX-License-Identifier: GPL-2.0

//! A condition that panics.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: Test,
    name: "safe_condition_panics",
    authors: ["kmodlab"],
    description: "A condition that panics",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    #[pin]
    begun: Completion,
    go: AtomicBool,
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(pin_init!(Shared {
            queue <- new_wait_queue!(),
            begun <- Completion::new(),
            go: AtomicBool::new(false),
        }), GFP_KERNEL)?;
        let of_thread = shared.clone();
        let table = [1, 2, 3];
        let mut waiter = KThread::run(c_str!("waiter"), move |_ctx| {
            let mut looks = 0;
            of_thread.begun.complete();
            of_thread.queue.wait_event(|| {
                // A bug: the second look is beyond the table's end.
                looks += 3;
                table[core::hint::black_box(looks) - 3] > 5
            });
        })?;
        shared.begun.wait_for_completion();
        msleep(200);
        pr_info!("the waiter: {:?}\n", waiter.stop());
        // Other threads get what was its stack.
        let mut others = [const { None }; 8];
        for other in &mut others {
            let begun = shared.clone();
            *other = Some(KThread::run(c_str!("other"), move |ctx| {
                begun.begun.complete();
                ctx.sleep_until_stopped();
            })?);
            shared.begun.wait_for_completion();
        }
        pr_info!("now wake up\n");
        shared.go.store(true, Relaxed);
        shared.queue.wake_up();
        pr_info!("woken\n");
        drop(others);
        Ok(Test)
    }
}
