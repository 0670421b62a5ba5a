// SPDX-License-Identifier: GPL-2.0

//! Reads beyond the end of an array, which Rust answers with a panic.

use kernel::prelude::*;

module! {
    type: Test,
    name: "fails_rust_panic",
    authors: ["kmodlab"],
    description: "Reads beyond the end of an array",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let fields = [1, 2, 3];
        pr_info!("the last is {}\n", element(&fields, fields.len()));
        Ok(Test)
    }
}

#[inline(never)]
fn element(of: &[i32], at: usize) -> i32 {
    // marker: index
    of[core::hint::black_box(at)]
}
