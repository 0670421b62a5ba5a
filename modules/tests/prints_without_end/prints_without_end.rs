// SPDX-License-Identifier: GPL-2.0

//! Prints without end.

use kernel::prelude::*;

module! {
    type: Test,
    name: "prints_without_end",
    authors: ["kmodlab"],
    description: "Prints without end",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        loop {
            pr_info!("again\n");
        }
    }
}
