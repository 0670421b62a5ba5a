// SPDX-License-Identifier: GPL-2.0

//! A closure that captures nothing, with an alignment for which the kernel's stacks have no room.

use core::hint::black_box;

use kernel::{c_str, prelude::*};
use kernel_ext::kthread::KThread;

module! {
    type: Test,
    name: "safe_aligned_closure",
    authors: ["kmodlab"],
    description: "A closure that captures a value with a large alignment",
    license: "GPL",
}

#[repr(align(32768))]
struct Empty;

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let data = Empty;
        let mut thread = KThread::run(c_str!("aligned"), move |_ctx| {
            black_box(&data);
        })?;
        thread.stop()?;
        Ok(Test)
    }
}
