// SPDX-License-Identifier: GPL-2.0

//! An entry in what it shows.

use core::fmt::Write;
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_leaks_file",
    authors: ["kmodlab"],
    description: "An entry in what it shows",
    license: "GPL",
}

/// A file that has its own entry, to remove it one day.
struct File {
    entry: Arc<Mutex<Option<ProcEntry<File>>>>,
}

#[vtable]
impl ProcFile for File {
    fn show(&self, out: &mut SeqFile) -> Result {
        let there = self.entry.lock().is_some();
        writeln!(out, "there: {there}")?;
        Ok(())
    }
}

struct Test {
    _entry: Arc<Mutex<Option<ProcEntry<File>>>>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let slot = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let file = File {
            entry: slot.clone(),
        };
        let entry = ProcEntry::new(c_str!("safe_leaks_file"), 0o444, None, file)?;
        *slot.lock() = Some(entry);
        Ok(Test { _entry: slot })
    }
}
