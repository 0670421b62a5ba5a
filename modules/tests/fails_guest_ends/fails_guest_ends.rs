// SPDX-License-Identifier: GPL-2.0

//! Stays loaded, for its guest ends before it goes.

use kernel::prelude::*;

module! {
    type: Test,
    name: "fails_guest_ends",
    authors: ["kmodlab"],
    description: "Stays loaded",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Test)
    }
}
