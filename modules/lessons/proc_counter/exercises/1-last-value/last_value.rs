// SPDX-License-Identifier: GPL-2.0

//! A counter whose last value is one that a reader could have seen.

use core::{
    fmt::Write,
    sync::atomic::{AtomicI32, Ordering::Relaxed},
};
use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::ssleep,
    kthread::{Ctx, KThread},
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: LastValue,
    name: "last_value",
    authors: ["You"],
    description: "A counter whose last value somebody could have read",
    license: "GPL",
}

struct LastValue {
    entry: ProcEntry<Counter>,
    thread: KThread<i32>,
}

struct Counter {
    value: Arc<AtomicI32>,
}

#[vtable]
impl ProcFile for Counter {
    fn show(&self, out: &mut SeqFile) -> Result {
        writeln!(out, "{}", self.value.load(Relaxed))?;
        Ok(())
    }
}

impl kernel::Module for LastValue {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let value = Arc::new(AtomicI32::new(0), GFP_KERNEL)?;
        let file = Counter {
            value: value.clone(),
        };
        let thread = KThread::run(c_str!("last_value"), move |ctx| count(ctx, &value))?;
        let entry = ProcEntry::new(c_str!("last_value"), 0o444, None, file)?;
        Ok(LastValue { entry, thread })
    }
}

fn count(ctx: &Ctx, value: &AtomicI32) -> i32 {
    while !ctx.should_stop() {
        ssleep(1);
        // TODO 1: do not count on when the thread should stop.
        //@ 1 {
        if ctx.should_stop() {
            break;
        }
        //@ 1 }
        value.fetch_add(1, Relaxed);
    }
    value.load(Relaxed)
}

impl Drop for LastValue {
    fn drop(&mut self) {
        // TODO 2: remove the file first, so that nobody reads while the thread is being stopped.
        //@ 2 {
        self.entry.remove();
        let last = self.thread.stop();
        //@ 2 } instead: let last = self.thread.stop();\nself.entry.remove();
        if let Ok(last) = last {
            pr_info!("the last value is {last}\n");
        }
    }
}
