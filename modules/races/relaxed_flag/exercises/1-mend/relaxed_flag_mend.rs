// SPDX-License-Identifier: GPL-2.0

//! `insmod` writes a date and then a flag, and a thread reads the date when it sees the flag: the
//! lines are in order, the stores are not.

//@ 1 {
use core::sync::atomic::{
    AtomicBool, AtomicI32,
    Ordering::{Acquire, Relaxed, Release},
};
//@ 1 } instead: use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: RelaxedFlagMend,
    name: "relaxed_flag_mend",
    authors: ["kmodlab"],
    description: "A flag that says nothing about the data before it",
    license: "GPL",
}

struct RelaxedFlagMend;

#[pin_data]
struct Shared {
    ready: AtomicBool,
    year: AtomicI32,
    month: AtomicI32,
    day: AtomicI32,
    #[pin]
    done: Completion,
}

fn reader(shared: &Shared) -> (i32, i32, i32) {
    // TODO 1: this load is the other half of the pair.
    //@ 1 {
    while !shared.ready.load(Acquire) {
        msleep(1);
    }
    //@ 1 } instead: while !shared.ready.load(Relaxed) {\n    msleep(1);\n}
    let year = shared.year.load(Relaxed);
    let month = shared.month.load(Relaxed);
    let day = shared.day.load(Relaxed);
    shared.done.complete();
    (year, month, day)
}

fn write_date(shared: &Shared) {
    shared.year.store(1991, Relaxed);
    shared.month.store(8, Relaxed);
    shared.day.store(25, Relaxed);
    // TODO 1: whoever sees this store must see those above, on every CPU.
    //@ 1 {
    shared.ready.store(true, Release);
    //@ 1 } instead: shared.ready.store(true, Relaxed);
}

impl kernel::Module for RelaxedFlagMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                ready: AtomicBool::new(false),
                year: AtomicI32::new(0),
                month: AtomicI32::new(0),
                day: AtomicI32::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_reader = shared.clone();
        let mut reader = KThread::run(c_str!("reader"), move |_ctx| reader(&for_reader))?;
        write_date(&shared);
        shared.done.wait_for_completion();
        let (year, month, day) = reader.stop()?;
        pr_info!("the date is {year:04}-{month:02}-{day:02}\n");
        Ok(RelaxedFlagMend)
    }
}
