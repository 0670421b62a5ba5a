// SPDX-License-Identifier: GPL-2.0

//! A small logger: each opening of `/proc/doorbell` is a visitor, and a thread writes the visitors to the
//! kernel's log, slower than they come.

use core::fmt::Write;

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    module_param,
    proc::{ProcEntry, ProcFile, SeqFile},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: Doorbell,
    name: "doorbell",
    authors: ["kmodlab"],
    description: "A logger with a thread that drains it",
    license: "GPL",
}

module_param! {
    SLOW: u32 = 100,
    name: "slow",
    description: "Milliseconds that the thread needs for a visitor",
}

/// Number of visitors that can wait for the thread.
const SIZE: usize = 8;

/// The visitors that have come, and those of them that wait for the thread.
struct Log {
    waiting: [u32; SIZE],
    /// The place of the oldest visitor.
    first: usize,
    count: usize,
    visitors: u32,
    lost: u32,
    printed: u32,
}

impl Log {
    /// Adds a visitor. Returns false if there is no room.
    fn add(&mut self, visitor: u32) -> bool {
        if self.count == SIZE {
            return false;
        }
        self.waiting[(self.first + self.count) % SIZE] = visitor;
        self.count += 1;
        true
    }

    /// Removes the oldest visitor, if there is one.
    fn remove(&mut self) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let visitor = self.waiting[self.first];
        self.first = (self.first + 1) % SIZE;
        self.count -= 1;
        Some(visitor)
    }
}

#[pin_data]
struct Shared {
    #[pin]
    log: Mutex<Log>,
    #[pin]
    queue: WaitQueue,
}

struct DoorbellFile {
    shared: Arc<Shared>,
}

#[vtable]
impl ProcFile for DoorbellFile {
    fn open(&self) {
        // TODO 1: count a visitor. Add its number (the first one is 1) to those who wait, or count it as
        // lost if there is no room. Then wake the thread. Nobody may wait here.
        //@ 1 {
        let mut log = self.shared.log.lock();
        log.visitors += 1;
        let visitor = log.visitors;
        if !log.add(visitor) {
            log.lost += 1;
        }
        drop(log);
        self.shared.queue.wake_up();
        //@ 1 } instead: let _ = (Log::add, &self.shared.queue);
    }

    fn show(&self, out: &mut SeqFile) -> Result {
        // TODO 3: write "3 visitors, 0 lost" with the numbers of now.
        //@ 3 {
        let log = self.shared.log.lock();
        writeln!(out, "{} visitors, {} lost", log.visitors, log.lost)?;
        //@ 3 } instead: writeln!(out)?;
        Ok(())
    }
}

fn drain(ctx: &Ctx, shared: &Shared) {
    // TODO 2: print "visitor 1" with its number for each visitor, the oldest first; count it as printed;
    // and sleep for `SLOW` milliseconds after it. Sleep while there is none. When the thread must stop,
    // print those who still wait, and return.
    //@ 2 {
    loop {
        shared
            .queue
            .wait_event(|| shared.log.lock().count > 0 || ctx.should_stop());
        let Some(visitor) = shared.log.lock().remove() else {
            return;
        };
        pr_info!("visitor {visitor}\n");
        shared.log.lock().printed += 1;
        msleep(SLOW.value());
    }
    //@ 2 } instead: let _ = (Log::remove, shared, SLOW.value(), msleep as fn(_));\nctx.sleep_until_stopped();
}

struct Doorbell {
    entry: ProcEntry<DoorbellFile>,
    drainer: KThread<()>,
    shared: Arc<Shared>,
}

impl kernel::Module for Doorbell {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                log <- new_mutex!(Log {
                    waiting: [0; SIZE],
                    first: 0,
                    count: 0,
                    visitors: 0,
                    lost: 0,
                    printed: 0,
                }),
                queue <- new_wait_queue!(),
            }),
            GFP_KERNEL,
        )?;
        let for_drainer = shared.clone();
        let drainer = KThread::run(c_str!("drainer"), move |ctx| drain(ctx, &for_drainer))?;
        let file = DoorbellFile {
            shared: shared.clone(),
        };
        let entry = ProcEntry::new(c_str!("doorbell"), 0o444, None, file)?;
        Ok(Doorbell {
            entry,
            drainer,
            shared,
        })
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        // TODO 4: a visitor may still come between these two lines. Whom does the thread then not print?
        //@ 4 {
        self.entry.remove();
        let _ = self.drainer.stop();
        //@ 4 } instead: let _ = self.drainer.stop();\nself.entry.remove();
        let log = self.shared.log.lock();
        let (visitors, printed, lost) = (log.visitors, log.printed, log.lost);
        pr_info!("{visitors} visitors, {printed} printed, {lost} lost\n");
    }
}
