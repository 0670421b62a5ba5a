// SPDX-License-Identifier: GPL-2.0

//! A file in `/proc` by a name that is taken.

use kernel::{c_str, prelude::*};
use kernel_ext::proc::{ProcEntry, ProcFile, SeqFile};

module! {
    type: ProcNameTaken,
    name: "proc_name_taken",
    authors: ["kmodlab"],
    description: "Test of a name in /proc that is taken",
    license: "GPL",
}

struct Nothing;

#[vtable]
impl ProcFile for Nothing {
    fn show(&self, _out: &mut SeqFile) -> Result {
        Ok(())
    }

    fn open(&self) {}
}

impl Drop for Nothing {
    fn drop(&mut self) {
        pr_info!("nothing dropped\n");
    }
}

struct ProcNameTaken {
    _entry: ProcEntry<Nothing>,
}

impl kernel::Module for ProcNameTaken {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(ProcNameTaken {
            _entry: ProcEntry::new(c_str!("cmdline"), 0o444, None, Nothing)?,
        })
    }
}
