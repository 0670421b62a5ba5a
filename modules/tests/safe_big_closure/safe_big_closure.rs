// SPDX-License-Identifier: GPL-2.0

//! A closure that captures more than the kernel's stacks have room for.

use core::hint::black_box;

use kernel::{c_str, prelude::*};
use kernel_ext::kthread::KThread;

module! {
    type: Test,
    name: "safe_big_closure",
    authors: ["kmodlab"],
    description: "A closure that captures much",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let data = black_box([1u8; 5120]);
        let mut thread = KThread::run(c_str!("big"), move |_ctx| black_box(&data).len())?;
        pr_info!("{}\n", thread.stop()?);
        Ok(Test)
    }
}
