// SPDX-License-Identifier: GPL-2.0

//! Sleeps while it holds a spinlock, under which nothing may sleep.

use kernel::{new_spinlock, prelude::*, sync::Arc};
use kernel_ext::delay::msleep;

module! {
    type: Test,
    name: "fails_sleep_in_atomic",
    authors: ["kmodlab"],
    description: "Sleeps while it holds a spinlock",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let lock = Arc::pin_init(new_spinlock!(1), GFP_KERNEL)?;
        let guard = lock.lock();
        // marker: sleep
        msleep(10);
        pr_info!("slept with {}\n", *guard);
        Ok(Test)
    }
}
