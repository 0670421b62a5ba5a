// SPDX-License-Identifier: GPL-2.0

//! The smallest module that does something: it greets, takes its leave, and fails on request.

use kernel::{error::to_result, prelude::*};
use kernel_ext::module_param;

module! {
    type: Hello,
    name: "hello",
    authors: ["Linux Usr"],
    description: "Example of a first module",
    license: "GPL",
}

module_param! {
    WHOM: str<16> = "world",
    name: "whom",
    description: "Whom to greet",
}

module_param! {
    FAIL: u8 = 0,
    name: "fail",
    description: "The number of the error that init ends with; 0 for none",
}

struct Hello;

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if FAIL.value() != 0 {
            pr_err!("init fails with error {}\n", FAIL.value());
        }
        to_result(-i32::from(FAIL.value()))?;
        pr_info!("Hello, {}\n", WHOM.value());
        Ok(Hello)
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        pr_info!("Goodbye, {}\n", WHOM.value());
    }
}
