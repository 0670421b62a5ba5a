// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` draw a ticket each, in one step.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*};
use kernel_ext::{
    completion::Completion,
    kthread::KThread,
    sync::{shared, Arc},
};

module! {
    type: UnlockedCounterMended,
    name: "unlocked_counter_mended",
    author: "kmodlab",
    description: "Two draw from a counter in one step",
    license: "GPL",
}

struct UnlockedCounterMended;

struct Shared {
    next: AtomicI32,
    here: Completion,
    done: Completion,
}

fn draw(shared: &Shared) -> i32 {
    shared.next.fetch_add(1, Relaxed)
}

fn drawer(shared: &Shared) -> i32 {
    shared.here.complete();
    let ticket = draw(shared);
    shared.done.complete();
    ticket
}

impl kernel::Module for UnlockedCounterMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            next: AtomicI32::new(0),
            here: Completion::new()?,
            done: Completion::new()?,
        })?;
        let for_drawer = shared.clone();
        let drawer = KThread::run(c_str!("drawer"), move |_ctx| drawer(&for_drawer))?;
        shared.here.wait();
        let own = draw(&shared);
        shared.done.wait();
        let drawn = drawer.stop()?;
        pr_info!(
            "the tickets are {} and {}\n",
            drawn.min(own),
            drawn.max(own)
        );
        Ok(UnlockedCounterMended)
    }
}
