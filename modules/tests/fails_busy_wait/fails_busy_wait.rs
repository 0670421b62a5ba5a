// SPDX-License-Identifier: GPL-2.0

//! Waits busily, and for ever, while other tasks can get the CPU.

use core::hint::spin_loop;

use kernel::prelude::*;

module! {
    type: Test,
    name: "fails_busy_wait",
    authors: ["kmodlab"],
    description: "Waits busily for ever",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        loop {
            // marker: wait
            spin_loop();
        }
    }
}
