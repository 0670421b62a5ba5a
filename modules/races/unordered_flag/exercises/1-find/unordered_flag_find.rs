// SPDX-License-Identifier: GPL-2.0

//! `insmod` writes a date and a flag, and a thread reads the date when it sees the flag: nothing
//! orders the two.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: UnorderedFlagFind,
    name: "unordered_flag_find",
    authors: ["kmodlab"],
    description: "A flag and what it stands for, in no order",
    license: "GPL",
}

struct UnorderedFlagFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that
// the reader sees the date 1991-08-00.

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
    // `insmod` begins to write in this time.
    msleep(50);
    while !shared.ready.load(Relaxed) {
        msleep(1);
    }
    let year = shared.year.load(Relaxed);
    let month = shared.month.load(Relaxed);
    let day = shared.day.load(Relaxed);
    shared.done.complete();
    (year, month, day)
}

fn write_date(shared: &Shared) {
    shared.ready.store(true, Relaxed);
    shared.year.store(1991, Relaxed);
    shared.month.store(8, Relaxed);
    //@ 1 {
    kernel_ext::delay::msleep(100);
    //@ 1 }
    shared.day.store(25, Relaxed);
}

impl kernel::Module for UnorderedFlagFind {
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
        Ok(UnorderedFlagFind)
    }
}
