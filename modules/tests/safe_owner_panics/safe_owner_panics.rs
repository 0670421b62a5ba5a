// SPDX-License-Identifier: GPL-2.0

//! A thread that panics and owned another.

use kernel::{c_str, prelude::*};
use kernel_ext::{delay::msleep, kthread::KThread};

module! {
    type: Test,
    name: "safe_owner_panics",
    authors: ["kmodlab"],
    description: "A thread that panics and owned another",
    license: "GPL",
}

struct Test {
    _outer: KThread<u32>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut inner = KThread::run(c_str!("inner"), |ctx| {
            while !ctx.should_stop() {
                msleep(100);
            }
        })?;
        let table = [1, 2, 3];
        Ok(Test {
            _outer: KThread::run(c_str!("outer"), move |_ctx| {
                let value = table[core::hint::black_box(3)];
                let _ = inner.stop();
                value
            })?,
        })
    }
}
