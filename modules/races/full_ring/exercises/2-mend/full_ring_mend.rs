// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` put a value each into a ring with room for one more, and `insmod` puts
//! another one when the thread is done.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: FullRingMend,
    name: "full_ring_mend",
    authors: ["kmodlab"],
    description: "A ring that gets more than it has room for",
    license: "GPL",
}

struct FullRingMend;

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
    // TODO 1: the last slot must be taken by one producer only.
    //@ 1 {
    let one_more = |used| (used < SLOTS).then_some(used + 1);
    let Ok(index) = shared.used.fetch_update(Relaxed, Relaxed, one_more) else {
        shared.refused.fetch_add(1, Relaxed);
        return;
    };
    //@ 1 } instead: if shared.used.load(Relaxed) == SLOTS {\n    shared.refused.fetch_add(1, Relaxed);\n    return;\n}
    //@ 1 {
    //@ 1 } instead: let index = shared.used.fetch_add(1, Relaxed);
    // `ring[index]` would panic behind the ring.
    if let Some(slot) = shared.ring.get(index) {
        slot.store(value, Relaxed);
    }
}

impl kernel::Module for FullRingMend {
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
        let _producer = KThread::run(c_str!("producer"), move |_ctx| {
            put(&for_producer, 2);
            for_producer.done.complete();
        })?;
        put(&shared, 1);
        shared.done.wait_for_completion();
        put(&shared, 3);
        let (used, refused) = (shared.used.load(Relaxed), shared.refused.load(Relaxed));
        pr_info!("{used} of {SLOTS} slots used, {refused} refused\n");
        Ok(FullRingMend)
    }
}
