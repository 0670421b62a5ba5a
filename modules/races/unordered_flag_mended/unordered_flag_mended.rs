// SPDX-License-Identifier: GPL-2.0

//! A thread writes an answer and then a flag, and another one reads the answer when it sees the flag.

use core::sync::atomic::{
    AtomicBool, AtomicI32,
    Ordering::{Acquire, Relaxed, Release},
};

use kernel::{c_str, prelude::*};
use kernel_ext::{
    completion::Completion,
    delay::msleep,
    kthread::KThread,
    sync::{shared, Arc},
};

module! {
    type: UnorderedFlagMended,
    name: "unordered_flag_mended",
    author: "kmodlab",
    description: "A flag and what it stands for, in order",
    license: "GPL",
}

struct UnorderedFlagMended;

struct Shared {
    ready: AtomicBool,
    answer: AtomicI32,
    done: Completion,
}

fn writer(shared: &Shared) {
    shared.answer.store(42, Relaxed);
    shared.ready.store(true, Release);
    shared.done.complete();
}

fn reader(shared: &Shared) -> i32 {
    while !shared.ready.load(Acquire) {
        msleep(1);
    }
    let seen = shared.answer.load(Relaxed);
    shared.done.complete();
    seen
}

impl kernel::Module for UnorderedFlagMended {
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
        Ok(UnorderedFlagMended)
    }
}
