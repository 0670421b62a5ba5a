// SPDX-License-Identifier: GPL-2.0

//! A module with a dash in its file's name, which crashes.

use kernel::prelude::*;

module! {
    type: Hello,
    name: "hello_6",
    authors: ["kmodlab"],
    description: "A dash in the name, and a crash",
    license: "GPL",
}

struct Hello;

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let numbers = core::hint::black_box([1, 2, 3]);
        // marker: index
        let number = numbers[core::hint::black_box(3)];
        pr_info!("the number is {}\n", number);
        Ok(Self)
    }
}
