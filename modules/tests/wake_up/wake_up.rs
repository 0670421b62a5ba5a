// SPDX-License-Identifier: GPL-2.0

//! Two threads that wake each other in turns.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    kthread::KThread,
    module_param,
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: WakeUp,
    name: "wake_up",
    authors: ["kmodlab"],
    description: "Two threads that wake each other in turns",
    license: "GPL",
}

module_param! {
    ROUNDS: i32 = 1,
    name: "rounds",
    description: "how often there and back",
}

#[pin_data]
struct Table {
    at_thread: AtomicBool,
    #[pin]
    thread: WaitQueue,
    #[pin]
    loader: WaitQueue,
}

struct WakeUp;

impl kernel::Module for WakeUp {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let table = Arc::pin_init(
            pin_init!(Table {
                at_thread: AtomicBool::new(false),
                thread <- new_wait_queue!(),
                loader <- new_wait_queue!(),
            }),
            GFP_KERNEL,
        )?;
        let of_thread = table.clone();
        let mut thread = KThread::run(c_str!("wake_up"), move |_ctx| {
            let mut rounds = 0;
            while rounds < ROUNDS.value() {
                of_thread
                    .thread
                    .wait_event(|| of_thread.at_thread.load(Relaxed));
                of_thread.at_thread.store(false, Relaxed);
                of_thread.loader.wake_up();
                rounds += 1;
            }
            rounds
        })?;
        for _ in 0..ROUNDS.value() {
            table.at_thread.store(true, Relaxed);
            table.thread.wake_up();
            table.loader.wait_event(|| !table.at_thread.load(Relaxed));
        }
        pr_info!("{} rounds\n", thread.stop()?);
        Ok(WakeUp)
    }
}
