// SPDX-License-Identifier: GPL-2.0

//! A thread that may wait for hours, and disturbs nobody's statistics.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: QuietSleeper,
    name: "quiet_sleeper",
    authors: ["You"],
    description: "A thread that waits without a load",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    count: AtomicI32,
}

struct QuietSleeper {
    _counter: KThread<()>,
    _sleeper: KThread<()>,
}

impl kernel::Module for QuietSleeper {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                queue <- new_wait_queue!(),
                count: AtomicI32::new(0),
            }),
            GFP_KERNEL,
        )?;
        let for_counter = shared.clone();
        let counter = KThread::run(c_str!("counter"), move |ctx| count(ctx, &for_counter))?;
        let sleeper = KThread::run(c_str!("sleeper"), move |ctx| wait(ctx, &shared))?;
        Ok(QuietSleeper {
            _counter: counter,
            _sleeper: sleeper,
        })
    }
}

fn count(ctx: &Ctx, shared: &Shared) {
    while !ctx.should_stop() {
        msleep(1000);
        shared.count.fetch_add(1, Relaxed);
        shared.queue.wake_up();
    }
}

fn report() {
    pr_info!("five seconds\n");
}

fn wait(ctx: &Ctx, shared: &Shared) {
    let is_over = || shared.count.load(Relaxed) >= 5 || ctx.should_stop();
    // TODO 1: wait in a way that does not count as waiting for a disk, and that shows the state `S`.
    //@ 1 {
    let _ = shared.queue.wait_event_interruptible(is_over);
    //@ 1 } instead: shared.queue.io_wait_event(is_over);
    // TODO 2: write the line only if the count was reached, and not if the thread is to stop.
    //@ 2 {
    if !ctx.should_stop() {
        report();
    }
    //@ 2 } instead: report();
    ctx.sleep_until_stopped();
}
