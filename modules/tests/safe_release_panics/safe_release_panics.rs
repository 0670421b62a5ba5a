// SPDX-License-Identifier: GPL-2.0

//! A release that panics in a thread which removes the file.

use core::{
    fmt::Write,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_release_panics",
    authors: ["kmodlab"],
    description: "A release that panics while the file is removed",
    license: "GPL",
}

struct File {
    table: [u32; 3],
    released: AtomicUsize,
}

#[vtable]
impl ProcFile for File {
    fn show(&self, out: &mut SeqFile) -> Result {
        writeln!(out, "text")?;
        Ok(())
    }

    fn release(&self) {
        let before = self.released.fetch_add(1, Relaxed);
        if before == 0 {
            pr_info!("{}\n", self.table[core::hint::black_box(3)]);
        }
        pr_info!("released\n");
    }
}

struct Test {
    _thread: KThread<()>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let released = AtomicUsize::new(0);
        let file = File { table: [1, 2, 3], released };
        let entry = ProcEntry::new(c_str!("safe_release_panics"), 0o444, None, file)?;
        Ok(Test {
            _thread: KThread::run(c_str!("removes"), move |_ctx| {
                msleep(1000);
                drop(entry);
            })?,
        })
    }
}
