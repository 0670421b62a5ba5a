// SPDX-License-Identifier: GPL-2.0

//! A thread writes an answer and then a flag, and `insmod` reads the answer when it sees
//! the flag.

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
    here: Completion,
    done: Completion,
}

fn writer(shared: &Shared) {
    shared.here.complete();
    shared.answer.store(42, Relaxed);
    shared.ready.store(true, Release);
    shared.done.complete();
}

impl kernel::Module for UnorderedFlagMended {
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
        while !shared.ready.load(Acquire) {
            msleep(1);
        }
        let seen = shared.answer.load(Relaxed);
        shared.done.wait();
        writer.stop()?;
        pr_info!("the answer is {seen}\n");
        Ok(UnorderedFlagMended)
    }
}
