// SPDX-License-Identifier: GPL-2.0

//! A thread that beats like a heart, and a second one that notices when a beat does not come.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::Completion,
    kthread::{Ctx, KThread},
    module_param,
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: Heartbeat,
    name: "heartbeat",
    authors: ["kmodlab"],
    description: "A heartbeat and its watchdog",
    license: "GPL",
}

module_param! {
    PERIOD: u32 = 200,
    name: "period",
    description: "Milliseconds from beat to beat",
}

module_param! {
    LIMIT: u32 = 500,
    name: "limit",
    description: "Milliseconds after which a missing beat is reported",
}

module_param! {
    WARM_UP: u32 = 0,
    name: "warm_up",
    description: "Milliseconds before the first beat",
}

#[pin_data]
struct Shared {
    beats: AtomicU32,
    late: AtomicU32,
    #[pin]
    queue: WaitQueue,
    #[pin]
    first: Completion,
}

fn heart(ctx: &Ctx, shared: &Shared) {
    let stop = || ctx.should_stop();
    if shared.queue.wait_event_timeout(WARM_UP.value(), stop) {
        return;
    }
    while !ctx.should_stop() {
        // TODO 1: count a beat in `beats`, print "beat 1" with its number, and wake those who wait for
        // it. At the end of the loop, sleep for `PERIOD` milliseconds, or until the thread must stop.
        //@ 1 {
        let beat = shared.beats.fetch_add(1, Relaxed) + 1;
        pr_info!("beat {beat}\n");
        shared.queue.wake_up();
        //@ 1 }
        // TODO 2: report the first beat to `init`. (`complete_all` may be called at each beat.)
        //@ 2 {
        shared.first.complete_all();
        //@ 2 } instead: let _ = &shared.first;
        //@ 1 {
        let _ = shared.queue.wait_event_timeout(PERIOD.value(), stop);
        //@ 1 } instead: ctx.sleep_until_stopped();
    }
}

fn watchdog(ctx: &Ctx, shared: &Shared) {
    let mut seen = 0;
    while !ctx.should_stop() {
        // TODO 3: sleep until the number of beats differs from `seen`, the thread must stop, or `LIMIT`
        // milliseconds have passed. If the time is up, count in `late` and print "no beat for 500 ms"
        // with the limit. Then note the number of beats in `seen`.
        //@ 3 {
        let news = || shared.beats.load(Relaxed) != seen || ctx.should_stop();
        if !shared.queue.wait_event_timeout(LIMIT.value(), news) {
            shared.late.fetch_add(1, Relaxed);
            pr_info!("no beat for {} ms\n", LIMIT.value());
        }
        seen = shared.beats.load(Relaxed);
        //@ 3 } instead: seen += shared.beats.load(Relaxed);\nctx.sleep_until_stopped();
    }
    pr_info!("the last beat was {seen}\n");
}

struct Heartbeat {
    heart: KThread<()>,
    watchdog: KThread<()>,
    shared: Arc<Shared>,
}

impl kernel::Module for Heartbeat {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // TODO 4: refuse a period or a limit of 0 with `EINVAL`.
        //@ 4 {
        if PERIOD.value() == 0 || LIMIT.value() == 0 {
            return Err(EINVAL);
        }
        //@ 4 } instead: let _ = (PERIOD.value(), LIMIT.value());
        let shared = Arc::pin_init(
            pin_init!(Shared {
                beats: AtomicU32::new(0),
                late: AtomicU32::new(0),
                queue <- new_wait_queue!(),
                first <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_heart = shared.clone();
        let heart = KThread::run(c_str!("heart"), move |ctx| heart(ctx, &for_heart))?;
        // TODO 2: sleep until there was a first beat.
        //@ 2 {
        shared.first.wait_for_completion();
        //@ 2 }
        let for_watchdog = shared.clone();
        let watchdog = KThread::run(c_str!("watchdog"), move |ctx| watchdog(ctx, &for_watchdog))?;
        pr_info!("ready\n");
        Ok(Heartbeat {
            heart,
            watchdog,
            shared,
        })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let _ = self.watchdog.stop();
        let _ = self.heart.stop();
        let beats = self.shared.beats.load(Relaxed);
        let late = self.shared.late.load(Relaxed);
        pr_info!("{beats} beats, {late} late\n");
    }
}
