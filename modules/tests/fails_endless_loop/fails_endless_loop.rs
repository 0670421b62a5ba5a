// SPDX-License-Identifier: GPL-2.0

//! Never ends while it holds a spinlock, under which no other task gets the CPU.

use core::hint::black_box;

use kernel::{new_spinlock, prelude::*, sync::Arc};

module! {
    type: Test,
    name: "fails_endless_loop",
    authors: ["kmodlab"],
    description: "Never ends while it holds a spinlock",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let lock = Arc::pin_init(new_spinlock!(1), GFP_KERNEL)?;
        let guard = lock.lock();
        // marker: loop
        while black_box(*guard) > 0 {}
        Ok(Test)
    }
}
