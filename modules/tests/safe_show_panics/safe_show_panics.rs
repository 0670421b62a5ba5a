// SPDX-License-Identifier: GPL-2.0

//! A show that panics.

use core::fmt::Write;
use kernel::{c_str, prelude::*};
use kernel_ext::proc::{ProcEntry, ProcFile, SeqFile};

module! {
    type: Test,
    name: "safe_show_panics",
    authors: ["kmodlab"],
    description: "A show that panics",
    license: "GPL",
}

struct File([u32; 3]);

#[vtable]
impl ProcFile for File {
    fn show(&self, out: &mut SeqFile) -> Result {
        writeln!(out, "{}", self.0[core::hint::black_box(3)])?;
        Ok(())
    }
}

struct Test {
    _file: ProcEntry<File>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Test { _file: ProcEntry::new(c_str!("safe_show_panics"), 0o444, None, File([1, 2, 3]))? })
    }
}
