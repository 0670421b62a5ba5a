// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` draw a ticket each: they read a counter and write back one more, with no
//! lock.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: UnlockedCounterFind,
    name: "unlocked_counter_find",
    authors: ["kmodlab"],
    description: "Two draw from a counter, with no lock",
    license: "GPL",
}

struct UnlockedCounterFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that both draw the
// same ticket in every run.

#[pin_data]
struct Shared {
    next: AtomicI32,
    draws: AtomicI32,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn draw(shared: &Shared) {
    let ticket = shared.next.load(Relaxed);
    //@ 1 {
    kernel_ext::delay::msleep(100);
    //@ 1 }
    shared.draws.fetch_add(1, Relaxed);
    shared.next.store(ticket + 1, Relaxed);
}

impl kernel::Module for UnlockedCounterFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                next: AtomicI32::new(0),
                draws: AtomicI32::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_drawer = shared.clone();
        let _drawer = KThread::run(c_str!("drawer"), move |_ctx| {
            draw(&for_drawer);
            for_drawer.done.complete();
        })?;
        draw(&shared);
        shared.done.wait_for_completion();
        let (draws, next) = (shared.draws.load(Relaxed), shared.next.load(Relaxed));
        pr_info!("{draws} draws, and the next ticket is {next}\n");
        Ok(UnlockedCounterFind)
    }
}
