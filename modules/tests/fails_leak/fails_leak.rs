// SPDX-License-Identifier: GPL-2.0

//! Forgets what it has on the heap.

use kernel::{prelude::*, sync::Arc};

module! {
    type: Test,
    name: "fails_leak",
    authors: ["kmodlab"],
    description: "Forgets what it has on the heap",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for number in 0..10 {
            forget([number; 100])?;
        }
        Ok(Test)
    }
}

#[inline(never)]
fn forget(value: [u32; 100]) -> Result {
    // marker: allocation
    core::mem::forget(Arc::new(value, GFP_KERNEL)?);
    Ok(())
}
