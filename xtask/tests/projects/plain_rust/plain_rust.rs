// SPDX-License-Identifier: GPL-2.0

//! A module in Rust without kernel_ext.

use kernel::prelude::*;

module! {
    type: PlainRust,
    name: "plain_rust",
    authors: ["kmodlab"],
    description: "A module in Rust with a Kbuild of its own",
    license: "GPL",
}

struct PlainRust;

impl kernel::Module for PlainRust {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("loaded\n");
        Ok(PlainRust)
    }
}

impl Drop for PlainRust {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}
