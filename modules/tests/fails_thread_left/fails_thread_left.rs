// SPDX-License-Identifier: GPL-2.0

//! Leaves behind a thread that was made and never started.

use kernel::{c_str, prelude::*};
use kernel_ext::kthread::KThread;

module! {
    type: Test,
    name: "fails_thread_left",
    author: "kmodlab",
    description: "Leaves a thread behind",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // It waits in the kernel's own code for its start, and so survives the module.
        core::mem::forget(KThread::create(c_str!("left behind"), |_ctx| ())?);
        Ok(Test)
    }
}
