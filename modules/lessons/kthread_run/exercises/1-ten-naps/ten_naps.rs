// SPDX-License-Identifier: GPL-2.0

//! A thread that says once a second that it is there, and leaves within a tenth of one.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
};

module! {
    type: TenNaps,
    name: "ten_naps",
    authors: ["You"],
    description: "A thread that leaves soon",
    license: "GPL",
}

struct TenNaps {
    thread: KThread<()>,
}

impl kernel::Module for TenNaps {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let thread = KThread::run(c_str!("ten_naps"), beats)?;
        Ok(TenNaps { thread })
    }
}

fn beats(ctx: &Ctx) {
    while !ctx.should_stop() {
        pr_info!("beat\n");
        // TODO 1: sleep for a second in ten naps of 100 ms each, and end the second early if the thread
        // should stop.
        //@ 1 {
        for _ in 0..10 {
            if ctx.should_stop() {
                break;
            }
            msleep(100);
        }
        //@ 1 } instead: msleep(1000);
    }
    // TODO 2: write `last words` to the log.
    //@ 2 {
    pr_info!("last words\n");
    //@ 2 }
}

impl Drop for TenNaps {
    fn drop(&mut self) {
        pr_info!("stopping\n");
        let _ = self.thread.stop();
        pr_info!("stopped\n");
    }
}
