// SPDX-License-Identifier: GPL-2.0

//! Leaves an entry in `/proc` behind.

use core::fmt::Write;

use kernel::{c_str, prelude::*};
use kernel_ext::proc::{ProcEntry, ProcFile, SeqFile};

module! {
    type: Test,
    name: "fails_proc_left",
    author: "kmodlab",
    description: "Leaves an entry in /proc behind",
    license: "GPL",
}

struct Test;

struct Left;

#[vtable]
impl ProcFile for Left {
    fn show(&self, out: &mut SeqFile) -> Result {
        writeln!(out, "left")?;
        Ok(())
    }
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        core::mem::forget(ProcEntry::new(c_str!("left_behind"), 0o444, None, Left)?);
        Ok(Test)
    }
}
