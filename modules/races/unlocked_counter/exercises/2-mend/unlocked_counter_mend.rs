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
    type: UnlockedCounterMend,
    name: "unlocked_counter_mend",
    authors: ["kmodlab"],
    description: "Two draw from a counter, with no lock",
    license: "GPL",
}

struct UnlockedCounterMend;

#[pin_data]
struct Shared {
    next: AtomicI32,
    draws: AtomicI32,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn draw(shared: &Shared) {
    // TODO 1: two tasks that draw at the same time must never get the same ticket.
    //@ 1 {
    shared.draws.fetch_add(1, Relaxed);
    shared.next.fetch_add(1, Relaxed);
    //@ 1 } instead: let ticket = shared.next.load(Relaxed);\nshared.draws.fetch_add(1, Relaxed);
    //@ 1 {
    //@ 1 } instead: shared.next.store(ticket + 1, Relaxed);
}

impl kernel::Module for UnlockedCounterMend {
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
        Ok(UnlockedCounterMend)
    }
}
