// SPDX-License-Identifier: GPL-2.0

//! Example of io_wait_event: one thread waits until another has counted far enough.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: IoWaitEvent,
    name: "io_wait_event",
    authors: ["Linux Usr"],
    description: "Example of io_wait_event",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    wqueue: WaitQueue,
    i: AtomicI32,
}

struct IoWaitEvent {
    wake_thread: KThread<()>,
    wait_thread: KThread<()>,
}

impl kernel::Module for IoWaitEvent {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("inside kthread init function\n");
        let for_waiter = Arc::pin_init(
            pin_init!(Shared {
                wqueue <- new_wait_queue!(),
                i: AtomicI32::new(0),
            }),
            GFP_KERNEL,
        )?;
        let for_waker = for_waiter.clone();

        let wake_thread = KThread::run(c_str!("io_wait_event wake_thread example"), move |ctx| {
            wake_thread_fn(ctx, &for_waker)
        })
        .inspect_err(|_| pr_err!("error in creating wake thread\n"))?;
        pr_info!("successfully created wake thread\n");

        let wait_thread = KThread::run(c_str!("io_wait_event wait_thread example"), move |ctx| {
            wait_thread_fn(ctx, &for_waiter)
        })
        .inspect_err(|_| pr_err!("error in creating wait thread\n"))?;
        pr_info!("successfully created wait thread\n");

        Ok(IoWaitEvent {
            wake_thread,
            wait_thread,
        })
    }
}

fn wake_thread_fn(ctx: &Ctx, shared: &Shared) {
    while !ctx.should_stop() {
        let i = shared.i.load(Relaxed);
        pr_info!("wake thread execution i value =  {}\n", i);
        shared.i.store(i + 1, Relaxed);
        shared.wqueue.wake_up();
        msleep(1000);
    }
}

fn wait_thread_fn(ctx: &Ctx, shared: &Shared) {
    while !ctx.should_stop() {
        shared
            .wqueue
            .io_wait_event(|| shared.i.load(Relaxed) > 3 || ctx.should_stop());
        if ctx.should_stop() {
            break;
        }
        pr_info!(
            "wait thread execution i value = {}\n",
            shared.i.load(Relaxed)
        );
        msleep(1000);
    }
}

fn thread_stop(thread: &mut KThread<()>, which: &str) {
    if thread.stop() == Err(EINTR) {
        pr_info!("the {which} thread never ran\n");
    }
}

impl Drop for IoWaitEvent {
    fn drop(&mut self) {
        pr_info!("inside kthread exit function\n");
        thread_stop(&mut self.wake_thread, "wake");
        thread_stop(&mut self.wait_thread, "wait");
        pr_info!("destroyed threads and completed tasks\n");
    }
}
