// SPDX-License-Identifier: GPL-2.0

//! Asks under a spinlock for memory, for which it might have to sleep.

use kernel::{new_spinlock, prelude::*, sync::Arc};

module! {
    type: Test,
    name: "fails_might_sleep",
    authors: ["kmodlab"],
    description: "Asks under a spinlock for memory",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let lock = Arc::pin_init(new_spinlock!(1), GFP_KERNEL)?;
        let guard = lock.lock();
        // marker: allocation
        let copy = Arc::new(*guard, GFP_KERNEL)?;
        pr_info!("has a copy of {}\n", *copy);
        Ok(Test)
    }
}
