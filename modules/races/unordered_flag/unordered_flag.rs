// SPDX-License-Identifier: GPL-2.0

//! A thread writes an answer and a flag, and another one reads the answer when it sees the flag.

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
    done: Completion,
}

fn writer(shared: &Shared) {
    shared.ready.store(true, Relaxed);
    // Who looks here finds the flag and no answer.
    shared.answer.store(42, Relaxed);
    shared.done.complete();
}

fn reader(shared: &Shared) -> i32 {
    while !shared.ready.load(Relaxed) {
        msleep(1);
    }
    let seen = shared.answer.load(Relaxed);
    shared.done.complete();
    seen
}

impl kernel::Module for UnorderedFlag {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            ready: AtomicBool::new(false),
            answer: AtomicI32::new(0),
            done: Completion::new()?,
        })?;
        let (for_writer, for_reader) = (shared.clone(), shared.clone());
        let writer = KThread::create(c_str!("writer"), move |_ctx| writer(&for_writer))?;
        let reader = KThread::create(c_str!("reader"), move |_ctx| reader(&for_reader))?;
        writer.start();
        reader.start();
        shared.done.wait();
        shared.done.wait();
        writer.stop()?;
        let seen = reader.stop()?;
        pr_info!("the reader has seen the answer {seen}\n");
        Ok(UnorderedFlag)
    }
}
