// SPDX-License-Identifier: GPL-2.0

//! Two threads that wait on one queue, each for a number of its own.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: TwoWaiters,
    name: "two_waiters",
    authors: ["You"],
    description: "Two waiters on one queue",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    i: AtomicI32,
}

struct TwoWaiters {
    _counter: KThread<()>,
    _three: KThread<()>,
    _five: KThread<()>,
}

impl kernel::Module for TwoWaiters {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                queue <- new_wait_queue!(),
                i: AtomicI32::new(0),
            }),
            GFP_KERNEL,
        )?;
        let for_three = shared.clone();
        let for_five = shared.clone();
        let three = KThread::run(c_str!("waits for 3"), move |ctx| wait(ctx, &for_three, 3))?;
        let five = KThread::run(c_str!("waits for 5"), move |ctx| wait(ctx, &for_five, 5))?;
        let counter = KThread::run(c_str!("counter"), move |ctx| count(ctx, &shared))?;
        Ok(TwoWaiters {
            _counter: counter,
            _three: three,
            _five: five,
        })
    }
}

fn count(ctx: &Ctx, shared: &Shared) {
    while !ctx.should_stop() {
        msleep(1000);
        let i = shared.i.fetch_add(1, Relaxed) + 1;
        pr_info!("i = {i}\n");
        // TODO 1: wake those who wait.
        //@ 1 {
        shared.queue.wake_up();
        //@ 1 }
    }
}

fn wait(ctx: &Ctx, shared: &Shared, wanted: i32) {
    // TODO 2: wait until `i` is at least `wanted`, or the thread should stop.
    //@ 2 {
    shared
        .queue
        .wait_event(|| shared.i.load(Relaxed) >= wanted || ctx.should_stop());
    //@ 2 } instead: shared.queue.wait_event(|| ctx.should_stop());
    if !ctx.should_stop() {
        pr_info!("{wanted} is reached\n");
    }
    ctx.sleep_until_stopped();
}
