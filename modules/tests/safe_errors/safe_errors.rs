// SPDX-License-Identifier: GPL-2.0

//! Errors that the kernel's code for files does not take from a module.

use kernel::{c_str, prelude::*, str::CStr};
use kernel_ext::{
    module_param_cb,
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_errors",
    authors: ["kmodlab"],
    description: "Errors that the kernel does not take",
    license: "GPL",
}

module_param_cb! {
    call: call,
    name: "call",
    description: "fails with EIOCBQUEUED",
}

fn call(_value: &CStr) -> Result {
    Err(EIOCBQUEUED)
}

struct Failing(Error);

#[vtable]
impl ProcFile for Failing {
    fn show(&self, _out: &mut SeqFile) -> Result {
        Err(self.0)
    }
}

struct Test {
    _queued: ProcEntry<Failing>,
    _again: ProcEntry<Failing>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let file = |name, error| ProcEntry::new(name, 0o444, None, Failing(error));
        Ok(Test {
            _queued: file(c_str!("safe_queued"), EIOCBQUEUED)?,
            _again: file(c_str!("safe_again"), EAGAIN)?,
        })
    }
}
