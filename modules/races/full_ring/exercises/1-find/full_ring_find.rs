// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` put a value each into a ring with room for one more.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: FullRingFind,
    name: "full_ring_find",
    authors: ["kmodlab"],
    description: "A ring that gets more than it has room for",
    license: "GPL",
}

struct FullRingFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that both values are
// accepted in every run.

const SLOTS: usize = 4;

#[pin_data]
struct Shared {
    ring: [AtomicI32; SLOTS],
    used: AtomicUsize,
    refused: AtomicUsize,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn put(shared: &Shared, value: i32) {
    if shared.used.load(Relaxed) == SLOTS {
        shared.refused.fetch_add(1, Relaxed);
        return;
    }
    //@ 1 {
    kernel_ext::delay::msleep(100);
    //@ 1 }
    let index = shared.used.fetch_add(1, Relaxed);
    // `ring[index]` would panic behind the ring.
    if let Some(slot) = shared.ring.get(index) {
        slot.store(value, Relaxed);
    }
}

fn producer(shared: &Shared) {
    // `insmod` begins to put its value in this time.
    msleep(50);
    put(shared, 2);
    shared.done.complete();
}

impl kernel::Module for FullRingFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                ring: [const { AtomicI32::new(0) }; SLOTS],
                // Three slots are in use from the beginning.
                used: AtomicUsize::new(3),
                refused: AtomicUsize::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_producer = shared.clone();
        let _producer = KThread::run(c_str!("producer"), move |_ctx| producer(&for_producer))?;
        put(&shared, 1);
        shared.done.wait_for_completion();
        let (used, refused) = (shared.used.load(Relaxed), shared.refused.load(Relaxed));
        pr_info!("{used} of {SLOTS} slots used, {refused} refused\n");
        Ok(FullRingFind)
    }
}
