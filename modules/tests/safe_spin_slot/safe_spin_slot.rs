// SPDX-License-Identifier: GPL-2.0

//! A handle that is dropped under a spinlock.

use kernel::{c_str, new_spinlock, prelude::*, sync::{Arc, SpinLock}};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
};

module! {
    type: Test,
    name: "safe_spin_slot",
    authors: ["kmodlab"],
    description: "A handle that is dropped under a spinlock",
    license: "GPL",
}

struct Test {
    slot: Arc<SpinLock<Option<KThread<()>>>>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let slot = Arc::pin_init(new_spinlock!(None), GFP_KERNEL)?;
        let thread = KThread::run(c_str!("slot"), |ctx| {
            while !ctx.should_stop() {
                msleep(100);
            }
        })?;
        *slot.lock() = Some(thread);
        Ok(Test { slot })
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        // The old value is dropped while the lock is held.
        *self.slot.lock() = None;
    }
}
