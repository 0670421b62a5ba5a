// SPDX-License-Identifier: GPL-2.0

//! Two threads draw a ticket each: they read a counter and write back one more, with no lock.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, str::CStr};
use kernel_ext::{
    completion::Completion,
    kthread::KThread,
    sync::{shared, Arc},
};

module! {
    type: UnlockedCounter,
    name: "unlocked_counter",
    author: "kmodlab",
    description: "Two threads draw from a counter without a lock",
    license: "GPL",
}

struct UnlockedCounter;

struct Shared {
    next: AtomicI32,
    done: Completion,
}

fn draw(shared: &Shared) -> i32 {
    let ticket = shared.next.load(Relaxed);
    // Another may draw here, and gets the same.
    shared.next.store(ticket + 1, Relaxed);
    shared.done.complete();
    ticket
}

fn drawer(name: &CStr, shared: &Arc<Shared>) -> Result<KThread<i32>> {
    let shared = shared.clone();
    KThread::create(name, move |_ctx| draw(&shared))
}

impl kernel::Module for UnlockedCounter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            next: AtomicI32::new(0),
            done: Completion::new()?,
        })?;
        let first = drawer(c_str!("draw/0"), &shared)?;
        let second = drawer(c_str!("draw/1"), &shared)?;
        first.start();
        second.start();
        shared.done.wait();
        shared.done.wait();
        let (first, second) = (first.stop()?, second.stop()?);
        pr_info!(
            "the tickets are {} and {}\n",
            first.min(second),
            first.max(second)
        );
        Ok(UnlockedCounter)
    }
}
