// SPDX-License-Identifier: GPL-2.0

//! 24 days.

use kernel::{c_str, prelude::*};
use kernel_ext::{delay::{msleep, ssleep}, kthread::KThread};

module! {
    type: Test,
    name: "safe_long_sleeps",
    authors: ["kmodlab"],
    description: "24 days",
    license: "GPL",
}

struct Test {
    _first: KThread<()>,
    _third: KThread<()>,
    _second: KThread<()>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Test {
            _first: KThread::run(c_str!("first"), |_ctx| {
                ssleep(2_147_483);
                pr_info!("slept for 2147483 s\n");
            })?,
            _third: KThread::run(c_str!("third"), |_ctx| msleep(u32::MAX))?,
            _second: KThread::run(c_str!("second"), |_ctx| {
                ssleep(2_147_484);
                pr_info!("slept for 2147484 s\n");
            })?,
        })
    }
}
