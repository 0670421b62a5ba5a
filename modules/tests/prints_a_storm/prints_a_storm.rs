// SPDX-License-Identifier: GPL-2.0

//! Prints 10,000 lines.

use kernel::prelude::*;

module! {
    type: Test,
    name: "prints_a_storm",
    authors: ["kmodlab"],
    description: "Prints 10,000 lines",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for number in 1..=10_000 {
            pr_info!("line {} of the storm\n", number);
        }
        Ok(Test)
    }
}
