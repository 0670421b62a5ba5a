// SPDX-License-Identifier: GPL-2.0

//! A thread that is made always, and started only if the one who loads the module wants it.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: AskedToStart,
    name: "asked_to_start",
    authors: ["You"],
    description: "A thread that may never start",
    license: "GPL",
}

module_param! {
    START: bool = true,
    name: "start",
    description: "Whether to start the thread",
}

struct AskedToStart {
    thread: KThread<()>,
}

fn work(ctx: &Ctx) {
    while !ctx.should_stop() {
        pr_info!("working\n");
        msleep(100);
    }
}

impl kernel::Module for AskedToStart {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let thread = KThread::create(c_str!("asked_to_start"), work)?;
        // TODO 1: start the thread if the parameter `start` says so. Write `it was asleep` to the log if
        // it was.
        //@ 1 {
        if START.value() && thread.start() {
            pr_info!("it was asleep\n");
        }
        //@ 1 } instead: thread.start();
        Ok(AskedToStart { thread })
    }
}

impl Drop for AskedToStart {
    fn drop(&mut self) {
        // TODO 2: write `it never ran` to the log if the thread never ran.
        //@ 2 {
        if self.thread.stop() == Err(EINTR) {
            pr_info!("it never ran\n");
        }
        //@ 2 } instead: let _ = self.thread.stop();
    }
}
