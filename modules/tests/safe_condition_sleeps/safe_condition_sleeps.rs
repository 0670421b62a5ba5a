// SPDX-License-Identifier: GPL-2.0

//! Conditions that sleep.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: Test,
    name: "safe_condition_sleeps",
    authors: ["kmodlab"],
    description: "Conditions that sleep",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    #[pin]
    begun: Completion,
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(pin_init!(Shared {
            queue <- new_wait_queue!(),
            begun <- Completion::new(),
        }), GFP_KERNEL)?;
        let of_thread = shared.clone();
        let mut waiter = KThread::run(c_str!("waiter"), move |ctx| {
            let mut looks = 0u32;
            of_thread.begun.complete();
            of_thread.queue.wait_event(|| {
                looks += 1;
                if looks > 1 {
                    ctx.sleep_until_stopped();
                }
                looks > 5 || ctx.should_stop()
            });
            looks
        })?;
        shared.begun.wait_for_completion();
        msleep(200);
        pr_info!("looks: {:?}\n", waiter.stop());
        // A handle that is dropped in a condition, and a wait in a wait.
        let mut thread = Some(KThread::run(c_str!("other"), |ctx| ctx.sleep_until_stopped())?);
        let mut looks = 0;
        shared.queue.wait_event(|| {
            looks += 1;
            if looks == 1 {
                drop(thread.take());
            }
            if looks == 2 {
                shared.queue.wait_event_timeout(50, || false);
            }
            looks > 1
        });
        pr_info!("looks: {looks}\n");
        Ok(Test)
    }
}
