// SPDX-License-Identifier: GPL-2.0

//! A thread that counts.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
};

module! {
    type: Counts,
    name: "counts",
    authors: ["kmodlab"],
    description: "A thread that counts",
    license: "GPL",
}

struct Counts {
    _thread: KThread<()>,
}

impl kernel::Module for Counts {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let thread = KThread::run(c_str!("counts"), count)?;
        Ok(Counts { _thread: thread })
    }
}

fn count(ctx: &Ctx) {
    let limit = 3; //@ vary limit
    // TODO 1: print `1 of {{limit}}` and so on, once a second.
    //@ 1 {
    for number in 1..=limit {
        pr_info!("{number} of {limit}\n");
        msleep(1000);
    }
    //@ 1 } instead: let _ = limit;
    while !ctx.should_stop() {
        msleep(100);
    }
}
