// SPDX-License-Identifier: GPL-2.0

//! A thread that counts its beats and returns their number.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: CountBeats,
    name: "count_beats",
    authors: ["You"],
    description: "A thread that returns a number",
    license: "GPL",
}

module_param! {
    START: bool = true,
    name: "start",
    description: "Whether the thread may run",
}

struct CountBeats {
    // TODO 1: the thread returns a number of type `i32`.
    //@ 1 {
    thread: KThread<i32>,
    //@ 1 } instead: thread: KThread<()>,
}

impl kernel::Module for CountBeats {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // The two steps of `KThread::run`, so that the second can be left out.
        let thread = KThread::create(c_str!("count_beats"), beats)?;
        if START.value() {
            thread.start();
        }
        Ok(CountBeats { thread })
    }
}

// TODO 1: count the beats, and return their number.
//@ 1 {
fn beats(ctx: &Ctx) -> i32 {
    let mut count = 0;
    while !ctx.should_stop() {
        count += 1;
        msleep(500);
    }
    count
}
//@ 1 } instead: fn beats(ctx: &Ctx) {\n    while !ctx.should_stop() {\n        msleep(500);\n    }\n}

impl Drop for CountBeats {
    fn drop(&mut self) {
        // TODO 2: write `N beats` to the log, with the number that the thread returned, or `the thread
        // never ran` if it was stopped too early for that.
        //@ 2 {
        match self.thread.stop() {
            Ok(count) => pr_info!("{count} beats\n"),
            Err(_) => pr_info!("the thread never ran\n"),
        }
        //@ 2 } instead: let _ = self.thread.stop();
    }
}
