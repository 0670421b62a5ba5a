// SPDX-License-Identifier: GPL-2.0

//! Leaves behind a thread that sleeps, and wakes where its module's code was.

use kernel::{c_str, prelude::*};
use kernel_ext::{delay::msleep, kthread::KThread};

module! {
    type: Test,
    name: "fails_thread_runs_on",
    author: "kmodlab",
    description: "Leaves a running thread behind",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        core::mem::forget(KThread::run(c_str!("runs on"), |ctx| {
            while !ctx.should_stop() {
                // marker: sleep
                msleep(100);
            }
        })?);
        Ok(Test)
    }
}
