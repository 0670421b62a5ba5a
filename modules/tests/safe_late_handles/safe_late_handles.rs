// SPDX-License-Identifier: GPL-2.0

//! A leaked thread uses the handles of another thread, of a folder and of files to the end.

use core::fmt::Write;
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
    proc::{ProcDir, ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_late_handles",
    authors: ["kmodlab"],
    description: "A leaked thread uses its handles to the end",
    license: "GPL",
}

struct File;

#[vtable]
impl ProcFile for File {
    fn show(&self, out: &mut SeqFile) -> Result {
        writeln!(out, "text")?;
        Ok(())
    }
}

struct Test {
    _slot: Arc<Mutex<Option<KThread<()>>>>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let slot = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let own = slot.clone();
        let thread = KThread::run(c_str!("uses handles"), move |ctx| {
            // The handle of this very thread, so that it is leaked.
            let _own = own;
            let Ok(folder) = ProcDir::new(c_str!("safe_late_handles"), None) else {
                return;
            };
            let Ok(other) = KThread::run(c_str!("other"), |ctx| ctx.sleep_until_stopped()) else {
                return;
            };
            while !ctx.should_stop() {
                msleep(50);
            }
            // The module's end has begun, and goes on only when this thread has ended.
            for _ in 0..20 {
                msleep(20);
                other.start();
                let file = ProcEntry::new(c_str!("file"), 0o444, Some(&folder), File);
                drop(ProcDir::new(c_str!("inner"), Some(&folder)));
                drop(file);
            }
        })?;
        *slot.lock() = Some(thread);
        Ok(Test { _slot: slot })
    }
}
