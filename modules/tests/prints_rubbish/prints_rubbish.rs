// SPDX-License-Identifier: GPL-2.0

//! Prints bytes that are not text.

use kernel::prelude::*;

module! {
    type: Test,
    name: "prints_rubbish",
    authors: ["kmodlab"],
    description: "Prints letters that are none",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("before\n");
        // The end of a text in C, a new screen, a bell, half a letter of two bytes, all its bits.
        pr_info!("{}\n", "\0\x1b[2J\x07\u{fffd}\u{10ffff}\r\x08");
        pr_info!("after\n");
        Ok(Test)
    }
}
