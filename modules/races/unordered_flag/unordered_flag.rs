// SPDX-License-Identifier: GPL-2.0

//! A thread writes an answer and a flag, and `insmod` reads the answer when it sees
//! the flag.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*};
use kernel_ext::{
    completion::Completion,
    delay::msleep,
    kthread::KThread,
    sync::{shared, Arc},
};

module! {
    type: UnorderedFlag,
    name: "unordered_flag",
    author: "kmodlab",
    description: "A flag and what it stands for, without an order",
    license: "GPL",
}

struct UnorderedFlag;

struct Shared {
    ready: AtomicBool,
    answer: AtomicI32,
    here: Completion,
    done: Completion,
}

fn writer(shared: &Shared) {
    shared.here.complete();
    shared.ready.store(true, Relaxed);
    // Who looks here finds the flag and no answer.
    shared.answer.store(42, Relaxed);
    shared.done.complete();
}

impl kernel::Module for UnorderedFlag {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            ready: AtomicBool::new(false),
            answer: AtomicI32::new(0),
            here: Completion::new()?,
            done: Completion::new()?,
        })?;
        let for_writer = shared.clone();
        let writer = KThread::run(c_str!("writer"), move |_ctx| writer(&for_writer))?;
        shared.here.wait();
        while !shared.ready.load(Relaxed) {
            msleep(1);
        }
        let seen = shared.answer.load(Relaxed);
        shared.done.wait();
        writer.stop()?;
        pr_info!("the answer is {seen}\n");
        Ok(UnorderedFlag)
    }
}
