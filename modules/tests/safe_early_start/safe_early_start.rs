// SPDX-License-Identifier: GPL-2.0

//! Start() of a thread that waits on a CondVar.

use kernel::{c_str, new_condvar, new_mutex, prelude::*, sync::Arc};
use kernel_ext::{delay::msleep, kthread::KThread};

module! {
    type: Test,
    name: "safe_early_start",
    authors: ["kmodlab"],
    description: "Start of a thread that waits",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let (lock, queue) = (Arc::pin_init(new_mutex!(0), GFP_KERNEL)?, Arc::pin_init(new_condvar!(), GFP_KERNEL)?);
        let thread = KThread::run(c_str!("waits"), move |_ctx| {
            let mut guard = lock.lock();
            let _ = queue.wait(&mut guard);
            pr_info!("nobody has notified, and the wait is over\n");
        })?;
        msleep(100);
        pr_info!("start says {}\n", thread.start());
        msleep(100);
        Ok(Test)
    }
}
