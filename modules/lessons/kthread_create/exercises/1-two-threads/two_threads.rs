// SPDX-License-Identifier: GPL-2.0

//! Two threads that are both made before either of them starts.

use kernel::{c_str, prelude::*};
use kernel_ext::kthread::{Ctx, KThread};

module! {
    type: TwoThreads,
    name: "two_threads",
    authors: ["You"],
    description: "Two threads, made first and started then",
    license: "GPL",
}

struct TwoThreads {
    _first: KThread<()>,
    _second: KThread<()>,
}

fn work(ctx: &Ctx, which: &str) {
    pr_info!("the {which} thread runs\n");
    ctx.sleep_until_stopped();
    pr_info!("the {which} thread ends\n");
}

impl kernel::Module for TwoThreads {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // TODO 1: only make the two threads here.
        //@ 1 {
        let first = KThread::create(c_str!("two_threads/1"), |ctx| work(ctx, "first"))?;
        let second = KThread::create(c_str!("two_threads/2"), |ctx| work(ctx, "second"))?;
        //@ 1 } instead: let first = KThread::run(c_str!("two_threads/1"), |ctx| work(ctx, "first"))?;\nlet second = KThread::run(c_str!("two_threads/2"), |ctx| work(ctx, "second"))?;
        pr_info!("both threads are made\n");
        // TODO 2: start both threads, the second before the first.
        //@ 2 {
        second.start();
        first.start();
        //@ 2 }
        Ok(TwoThreads {
            _first: first,
            _second: second,
        })
    }
}
