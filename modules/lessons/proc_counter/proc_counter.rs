// SPDX-License-Identifier: GPL-2.0

//! Simple module featuring proc read: `/proc/counter` says for how many seconds it has been there.

use core::{
    fmt::Write,
    sync::atomic::{AtomicI32, Ordering},
};
use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    delay::ssleep,
    kthread::{Ctx, KThread},
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: ProcCounter,
    name: "proc_counter",
    authors: ["Britton"],
    description: "Simple module featuring proc read",
    license: "GPL",
}

struct ProcCounter {
    entry: ProcEntry<CounterFile>,
    kthread: KThread<i32>,
}

struct CounterFile {
    counter: Arc<AtomicI32>,
}

#[vtable]
impl ProcFile for CounterFile {
    fn open(&self) {
        pr_info!("proc called open\n");
    }

    fn show(&self, out: &mut SeqFile) -> Result {
        pr_info!("proc called read\n");
        let counter = self.counter.load(Ordering::Relaxed);
        writeln!(out, "The counter is now at: {counter}")?;
        Ok(())
    }

    fn release(&self) {
        pr_info!("proc called release\n");
    }
}

fn counter_run(ctx: &Ctx, counter: &AtomicI32) -> i32 {
    while !ctx.should_stop() {
        ssleep(1);
        counter.fetch_add(1, Ordering::Relaxed);
    }
    pr_info!("The counter thread has terminated\n");
    counter.load(Ordering::Relaxed)
}

impl kernel::Module for ProcCounter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("/proc/counter create\n");
        let counter = Arc::new(AtomicI32::new(0), GFP_KERNEL)?;
        let file = CounterFile {
            counter: counter.clone(),
        };

        let kthread = KThread::run(c_str!("counter"), move |ctx| counter_run(ctx, &counter))
            .inspect_err(|_| pr_err!("ERROR! kthread_run\n"))?;
        let entry = ProcEntry::new(c_str!("counter"), 0o644, None, file)
            .inspect_err(|_| pr_err!("ERROR! proc_create\n"))?;

        Ok(ProcCounter { entry, kthread })
    }
}

impl Drop for ProcCounter {
    fn drop(&mut self) {
        self.entry.remove();
        pr_info!("Removing /proc/counter.\n");
        if let Ok(last) = self.kthread.stop() {
            pr_info!("Counter thread has stopped\n");
            pr_info!("The counter stopped at: {last}\n");
        }
    }
}
