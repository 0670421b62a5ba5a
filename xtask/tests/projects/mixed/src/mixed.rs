// SPDX-License-Identifier: GPL-2.0

//! A module in Rust that calls a function in C, and one of kernel_ext.

use kernel::prelude::*;
use kernel_ext::delay::msleep;

module! {
    type: Mixed,
    name: "mixed",
    authors: ["kmodlab"],
    description: "Rust and C in one module",
    license: "GPL",
}

extern "C" {
    fn hardware_value() -> i32;
}

struct Mixed;

impl kernel::Module for Mixed {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        msleep(10);
        // SAFETY: the function in hardware.c only returns a number.
        let value = unsafe { hardware_value() };
        pr_info!("the C function returned {value}\n");
        Ok(Mixed)
    }
}
