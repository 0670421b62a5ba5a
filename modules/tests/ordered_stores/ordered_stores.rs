// SPDX-License-Identifier: GPL-2.0

//! A store that others must not see before earlier ones, in several ways. A relaxed store of `noise`
//! before and behind each is one that may be held back.

use core::sync::atomic::{
    AtomicI32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: OrderedStores,
    name: "ordered_stores",
    authors: ["kmodlab"],
    description: "Stores that are in order",
    license: "GPL",
}

struct OrderedStores;

const WAYS: usize = 4;

#[pin_data]
struct Shared {
    data: [AtomicI32; WAYS],
    flags: [AtomicI32; WAYS],
    noise: AtomicI32,
    mine: AtomicU64,
    copy: AtomicU64,
    #[pin]
    done: Completion,
}

fn write_all(shared: &Shared) {
    shared.data[0].store(1, Relaxed);
    shared.noise.store(1, Relaxed);
    shared.flags[0].store(1, Release);

    shared.data[1].store(1, Relaxed);
    shared.noise.store(2, Relaxed);
    shared.flags[1].store(1, SeqCst);

    shared.data[2].store(1, Relaxed);
    shared.noise.store(3, Relaxed);
    shared.flags[2].fetch_add(1, Release);

    shared.data[3].store(1, Relaxed);
    shared.noise.store(4, Relaxed);
    shared.flags[3].swap(1, AcqRel);

    // The task itself: it finds its own store, and the later one of two wins.
    shared.mine.store(1, Relaxed);
    shared.noise.store(5, Relaxed);
    shared.copy.store(shared.mine.load(Relaxed), Relaxed);
    shared.mine.store(2, Relaxed);
    shared.noise.store(6, Relaxed);
}

fn reader(shared: &Shared) -> i32 {
    // Other tasks use the memory of all these stores.
    let mut seen = shared.mine.load(Relaxed) + shared.copy.load(Relaxed);
    seen += u64::from(shared.noise.load(Relaxed) > 0);
    let mut surprises = i32::from(seen > 5);
    for (data, flag) in shared.data.iter().zip(&shared.flags) {
        while flag.load(Acquire) == 0 {
            msleep(1);
        }
        surprises += 1 - data.load(Relaxed);
    }
    shared.done.complete();
    surprises
}

impl kernel::Module for OrderedStores {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                data: [const { AtomicI32::new(0) }; WAYS],
                flags: [const { AtomicI32::new(0) }; WAYS],
                noise: AtomicI32::new(0),
                mine: AtomicU64::new(0),
                copy: AtomicU64::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_reader = shared.clone();
        let mut reader = KThread::run(c_str!("reader"), move |_ctx| reader(&for_reader))?;
        write_all(&shared);
        shared.done.wait_for_completion();
        let mut surprises = reader.stop()?;
        surprises += i32::from(shared.copy.load(Relaxed) != 1);
        surprises += i32::from(shared.mine.load(Relaxed) != 2);
        pr_info!("{surprises} surprises\n");
        Ok(OrderedStores)
    }
}
