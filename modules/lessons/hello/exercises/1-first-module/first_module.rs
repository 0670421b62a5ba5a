// SPDX-License-Identifier: GPL-2.0

//! A first module of your own.

use kernel::prelude::*;
use kernel_ext::module_param;

module! {
    type: FirstModule,
    name: "first_module",
    authors: ["You"],
    description: "A first module of my own",
    license: "GPL",
}

module_param! {
    TIMES: u8 = 1,
    name: "times",
    description: "How often to greet",
}

struct FirstModule;

fn greet() {
    // TODO 1: write `Hello, kernel` to the log, with `pr_info!`.
    //@ 1 {
    pr_info!("Hello, kernel\n");
    //@ 1 }
}

impl kernel::Module for FirstModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // TODO 3: call `greet` as often as the parameter `times` says.
        //@ 3 {
        for _ in 0..TIMES.value() {
            greet();
        }
        //@ 3 } instead: greet();
        Ok(FirstModule)
    }
}

impl Drop for FirstModule {
    fn drop(&mut self) {
        // TODO 2: write `Goodbye, kernel` to the log.
        //@ 2 {
        pr_info!("Goodbye, kernel\n");
        //@ 2 }
    }
}
