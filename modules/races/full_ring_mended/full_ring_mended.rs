// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` put a value each into a ring with room for one more, and look for room
//! under the lock of the ring.

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: FullRingMended,
    name: "full_ring_mended",
    authors: ["kmodlab"],
    description: "A ring that gets as much as it has room for",
    license: "GPL",
}

struct FullRingMended;

const SLOTS: usize = 4;

struct Ring {
    slots: [i32; SLOTS],
    used: usize,
    refused: usize,
}

#[pin_data]
struct Shared {
    #[pin]
    ring: Mutex<Ring>,
    #[pin]
    done: Completion,
}

fn put(shared: &Shared, value: i32) {
    let mut ring = shared.ring.lock();
    let index = ring.used;
    if let Some(slot) = ring.slots.get_mut(index) {
        *slot = value;
        ring.used += 1;
    } else {
        ring.refused += 1;
    }
}

impl kernel::Module for FullRingMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Three slots are in use from the beginning.
        let ring = Ring {
            slots: [0; SLOTS],
            used: 3,
            refused: 0,
        };
        let shared = Arc::pin_init(
            pin_init!(Shared {
                ring <- new_mutex!(ring),
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
        let ring = shared.ring.lock();
        let (used, refused) = (ring.used, ring.refused);
        pr_info!("{used} of {SLOTS} slots used, {refused} refused\n");
        drop(ring);
        Ok(FullRingMended)
    }
}
