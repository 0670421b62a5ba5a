// SPDX-License-Identifier: GPL-2.0

//! Tests of `kernel_ext::wait`, made while the module is loaded; a file in `/proc` is for those that
//! need a user's process.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
    proc::{ProcEntry, ProcFile, SeqFile},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: TestWait,
    name: "test_wait",
    authors: ["kmodlab"],
    description: "Tests of kernel_ext::wait",
    license: "GPL",
}

struct TestWait {
    _file: ProcEntry<ForEver>,
}

impl kernel::Module for TestWait {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        true_at_once()?;
        between_look_and_sleep()?;
        no_wake_up_is_lost()?;
        time_outs()?;
        interruptible()?;
        uninterruptible()?;
        let file = ForEver {
            queue: Arc::pin_init(new_wait_queue!(), GFP_KERNEL)?,
        };
        Ok(TestWait {
            _file: ProcEntry::new(c_str!("test_wait"), 0o444, None, file)?,
        })
    }
}

fn check(what: &str, holds: bool) {
    pr_info!("{} {}\n", if holds { "ok" } else { "FAILED" }, what);
}

/// A flag, and a queue for those who wait for it.
#[pin_data]
struct Flag {
    set: AtomicBool,
    #[pin]
    queue: WaitQueue,
    #[pin]
    begun: Completion,
}

impl Flag {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Flag {
                set: AtomicBool::new(false),
                queue <- new_wait_queue!(),
                begun <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Starts a thread that sets the flag after a while.
    fn set_after(self: &Arc<Self>, msecs: u32) -> Result<KThread<()>> {
        let flag = self.clone();
        let setter = KThread::run(c_str!("setter"), move |_ctx| {
            flag.begun.complete();
            msleep(msecs);
            flag.set.store(true, Relaxed);
            flag.queue.wake_up_all();
        })?;
        self.begun.wait_for_completion();
        Ok(setter)
    }
}

fn true_at_once() -> Result {
    let queue = Arc::pin_init(new_wait_queue!(), GFP_KERNEL)?;
    let mut looks = 0;
    queue.wait_event(|| {
        looks += 1;
        true
    });
    queue.io_wait_event(|| {
        looks += 1;
        true
    });
    let interruptible = queue.wait_event_interruptible(|| {
        looks += 1;
        true
    });
    check("a condition that is true is looked at once", looks == 3);
    check("and is not an error", interruptible.is_ok());
    queue.wake_up();
    queue.wake_up_all();
    Ok(())
}

/// Changes the flag and wakes during the second evaluation of the condition, which then returns its
/// old value. A waiter that is on the queue by then does not sleep; another one would sleep until
/// its time is up.
fn between_look_and_sleep() -> Result {
    let flag = Flag::new()?;
    let of_thread = flag.clone();
    let looked = Arc::new(AtomicBool::new(false), GFP_KERNEL)?;
    let thread_looked = looked.clone();
    let waker = KThread::run(c_str!("waker"), move |ctx| {
        while !thread_looked.load(Relaxed) && !ctx.should_stop() {
            msleep(1);
        }
        of_thread.set.store(true, Relaxed);
        of_thread.queue.wake_up();
        of_thread.begun.complete();
    })?;
    let mut looks = 0;
    pr_info!("looking while the waker wakes\n");
    let holds = flag.queue.wait_event_timeout(5000, || {
        looks += 1;
        let set = flag.set.load(Relaxed);
        if looks == 2 {
            looked.store(true, Relaxed);
            while !flag.begun.try_wait_for_completion() {
                core::hint::spin_loop();
            }
        }
        set
    });
    check("a wake-up between look and sleep", holds && looks == 3);
    drop(waker);

    let flag = Flag::new()?;
    let of_thread = flag.clone();
    let mut waiter = KThread::run(c_str!("stopped"), move |ctx| {
        let mut looks = 0;
        of_thread.queue.wait_event_timeout(5000, || {
            looks += 1;
            let stop = ctx.should_stop();
            if looks == 2 {
                of_thread.begun.complete();
                while !ctx.should_stop() {
                    core::hint::spin_loop();
                }
            }
            stop
        });
        looks
    })?;
    flag.begun.wait_for_completion();
    pr_info!("stopping while the thread looks\n");
    let looks = waiter.stop()?;
    check("a stop between look and sleep", looks == 3);
    Ok(())
}

/// Two threads hand this one 500 pieces each; each goes on when its piece was taken.
#[pin_data]
struct Trade {
    pieces: [AtomicBool; 2],
    #[pin]
    to_taker: WaitQueue,
    #[pin]
    to_givers: WaitQueue,
    lost: AtomicU32,
}

impl Trade {
    fn give(&self, giver: usize) {
        let piece = &self.pieces[giver];
        for _ in 0..500 {
            piece.store(true, Relaxed);
            self.to_taker.wake_up();
            if !self
                .to_givers
                .wait_event_timeout(2000, || !piece.load(Relaxed))
            {
                self.lost.fetch_add(1, Relaxed);
            }
        }
    }
}

fn no_wake_up_is_lost() -> Result {
    let trade = Arc::pin_init(
        pin_init!(Trade {
            pieces: [AtomicBool::new(false), AtomicBool::new(false)],
            to_taker <- new_wait_queue!(),
            to_givers <- new_wait_queue!(),
            lost: AtomicU32::new(0),
        }),
        GFP_KERNEL,
    )?;
    let (first, second) = (trade.clone(), trade.clone());
    let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let (first_begun, second_begun) = (begun.clone(), begun.clone());
    let givers = [
        KThread::run(c_str!("giver 0"), move |_ctx| {
            first_begun.complete();
            first.give(0)
        })?,
        KThread::run(c_str!("giver 1"), move |_ctx| {
            second_begun.complete();
            second.give(1)
        })?,
    ];
    begun.wait_for_completion();
    begun.wait_for_completion();

    let mut taken = 0;
    while taken < 1000 {
        let any = || trade.pieces.iter().any(|piece| piece.load(Relaxed));
        if !trade.to_taker.wait_event_timeout(10_000, any) {
            break;
        }
        for piece in &trade.pieces {
            taken += u32::from(piece.swap(false, Relaxed));
        }
        trade.to_givers.wake_up();
    }
    drop(givers);
    let lost = trade.lost.load(Relaxed);
    pr_info!("{} taken, {} wake-ups lost\n", taken, lost);
    check("1000 wake-ups from two threads", taken == 1000 && lost == 0);
    Ok(())
}

fn time_outs() -> Result {
    let flag = Flag::new()?;
    let set = || flag.set.load(Relaxed);
    check("no time, not true", !flag.queue.wait_event_timeout(0, set));
    check(
        "no time, but true",
        flag.queue.wait_event_timeout(0, || true),
    );
    pr_info!("waiting for 500 ms\n");
    check(
        "a time-out that expires",
        !flag.queue.wait_event_timeout(500, set),
    );
    let setter = flag.set_after(300)?;
    pr_info!("waiting for 300 of 5000 ms\n");
    check(
        "a time-out that does not expire",
        flag.queue.wait_event_timeout(5000, set),
    );
    drop(setter);

    let flag = Flag::new()?;
    let setter = flag.set_after(300)?;
    check(
        "a time-out of more than 24 days",
        flag.queue
            .wait_event_timeout(u32::MAX, || flag.set.load(Relaxed)),
    );
    drop(setter);
    Ok(())
}

fn interruptible() -> Result {
    let flag = Flag::new()?;
    let of_thread = flag.clone();
    let mut waiter = KThread::run(c_str!("interruptible"), move |_ctx| {
        of_thread.begun.complete();
        let first = of_thread.queue.wait_event_interruptible(|| false);
        let second = of_thread.queue.wait_event_interruptible(|| false);
        (first, second)
    })?;
    flag.begun.wait_for_completion();
    let (first, second) = waiter.stop()?;
    check("a stop interrupts", first == Err(ERESTARTSYS));
    check("and the next wait as well", second == Err(ERESTARTSYS));

    let setter = flag.set_after(100)?;
    let waited = flag
        .queue
        .wait_event_interruptible(|| flag.set.load(Relaxed));
    check("interruptible, and not interrupted", waited.is_ok());
    drop(setter);
    Ok(())
}

fn uninterruptible() -> Result {
    let flag = Flag::new()?;
    let of_thread = flag.clone();
    let mut waiter = KThread::run(c_str!("uninterruptible"), move |ctx| {
        of_thread.begun.complete();
        of_thread.queue.wait_event(|| of_thread.set.load(Relaxed));
        ctx.should_stop()
    })?;
    flag.begun.wait_for_completion();
    let setter = flag.set_after(300)?;
    pr_info!("stopping a thread whose condition is true in 300 ms\n");
    let stopped = waiter.stop()?;
    check("a stop does not end a wait for something else", stopped);
    drop(setter);

    let flag = Flag::new()?;
    let of_thread = flag.clone();
    let mut waiter = KThread::run(c_str!("should_stop"), move |ctx| {
        of_thread.begun.complete();
        of_thread.queue.wait_event(|| ctx.should_stop());
        of_thread.queue.io_wait_event(|| ctx.should_stop());
        of_thread
            .queue
            .wait_event_timeout(5000, || ctx.should_stop())
    })?;
    flag.begun.wait_for_completion();
    msleep(100);
    pr_info!("stopping a thread whose condition asks\n");
    check("a condition that asks sees the stop", waiter.stop()?);
    Ok(())
}

/// A file whose reader waits until there is a signal for it.
struct ForEver {
    queue: Arc<WaitQueue>,
}

#[vtable]
impl ProcFile for ForEver {
    fn show(&self, _out: &mut SeqFile) -> Result {
        pr_info!("a reader waits\n");
        let waited = self.queue.wait_event_interruptible(|| false);
        pr_info!(
            "a reader has waited: {}\n",
            waited.map_or_else(|error| error.to_errno(), |()| 0)
        );
        waited
    }
}
