// SPDX-License-Identifier: GPL-2.0

//! `insmod` writes a date and then a flag, and a thread reads the date when it sees the flag: the
//! lines are in order, the stores are not.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: RelaxedFlag,
    name: "relaxed_flag",
    authors: ["kmodlab"],
    description: "A flag that says nothing about the data before it",
    license: "GPL",
}

struct RelaxedFlag;

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
    shared.year.store(1991, Relaxed);
    shared.month.store(8, Relaxed);
    shared.day.store(25, Relaxed);
    // Another CPU may see this store before those above.
    shared.ready.store(true, Relaxed);
}

impl kernel::Module for RelaxedFlag {
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
        Ok(RelaxedFlag)
    }
}
