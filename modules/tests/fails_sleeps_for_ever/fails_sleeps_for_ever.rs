// SPDX-License-Identifier: GPL-2.0

//! Sleeps again and again, and never ends.

use kernel::prelude::*;
use kernel_ext::delay::msleep;

module! {
    type: Test,
    name: "fails_sleeps_for_ever",
    authors: ["kmodlab"],
    description: "Sleeps for ever",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        loop {
            // marker: sleep
            msleep(1000);
        }
    }
}
