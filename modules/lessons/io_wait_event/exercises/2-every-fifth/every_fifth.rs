// SPDX-License-Identifier: GPL-2.0

//! A thread that wakes once for each fifth number that another one counts to.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: EveryFifth,
    name: "every_fifth",
    authors: ["Linux Usr"],
    description: "A thread that wakes once for each fifth number",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    i: AtomicI32,
}

struct EveryFifth {
    _counter: KThread<()>,
    _waiter: KThread<()>,
}

impl kernel::Module for EveryFifth {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let for_waiter = Arc::pin_init(
            pin_init!(Shared {
                queue <- new_wait_queue!(),
                i: AtomicI32::new(0),
            }),
            GFP_KERNEL,
        )?;
        let for_counter = for_waiter.clone();

        let counter = KThread::run(c_str!("every_fifth count"), move |ctx| {
            count(ctx, &for_counter)
        })?;
        let waiter = KThread::run(c_str!("every_fifth wait"), move |ctx| {
            wait(ctx, &for_waiter)
        })?;
        Ok(EveryFifth {
            _counter: counter,
            _waiter: waiter,
        })
    }
}

fn count(ctx: &Ctx, shared: &Shared) {
    while !ctx.should_stop() {
        msleep(200);
        shared.i.fetch_add(1, Relaxed);
        // TODO 1: wake the waiter.
        //@ 1 {
        shared.queue.wake_up();
        //@ 1 } instead: let _ = &shared.queue;
    }
}

fn wait(ctx: &Ctx, shared: &Shared) {
    let mut seen = 0;
    while !ctx.should_stop() {
        // TODO 2: sleep until `i` has passed the next multiple of {{step}} after `seen`, or the
        // thread has to stop.
        //@ 2 {
        shared.queue.wait_event(|| {
            shared.i.load(Relaxed) / 5 > seen || ctx.should_stop() //@ vary step
        });
        //@ 2 } instead: shared.queue.wait_event(|| seen < 0 || ctx.should_stop());
        if ctx.should_stop() {
            break;
        }
        seen += 1;
        pr_info!("wait thread i = {}\n", shared.i.load(Relaxed));
    }
}
