// SPDX-License-Identifier: GPL-2.0

//! `insmod` waits for news that a thread brings, and looks outside their lock whether they have
//! come.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{
    c_str, new_condvar, new_mutex,
    prelude::*,
    sync::{Arc, CondVar, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: LostWakeupFind,
    name: "lost_wakeup_find",
    authors: ["kmodlab"],
    description: "A wake-up that can be lost",
    license: "GPL",
}

struct LostWakeupFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that
// the news come while `insmod` is not on the queue.

#[pin_data]
struct Shared {
    #[pin]
    lock: Mutex<()>,
    #[pin]
    queue: CondVar,
    news: AtomicBool,
    sleeps: AtomicI32,
    #[pin]
    heard: Completion,
}

/// Number of times that there is news.
const NEWS: usize = 4;

/// Returns whether all news arrived within a second.
fn teller(shared: &Shared) -> bool {
    let mut in_time = true;
    for _ in 0..NEWS {
        shared.news.store(true, Relaxed);
        shared.queue.notify_one();
        if !shared.heard.wait_for_completion_timeout(1000) {
            in_time = false;
            shared.queue.notify_one();
            shared.heard.wait_for_completion();
        }
        // `insmod` looks for the next news in this time.
        kernel_ext::delay::msleep(20);
    }
    in_time
}

fn wait_for_news(shared: &Shared) {
    let mut guard = shared.lock.lock();
    if !shared.news.load(Relaxed) {
        shared.sleeps.fetch_add(1, Relaxed);
        //@ 1 {
        kernel_ext::delay::msleep(100);
        //@ 1 }
        let _ = shared.queue.wait(&mut guard);
    }
}

impl kernel::Module for LostWakeupFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                lock <- new_mutex!(()),
                queue <- new_condvar!(),
                news: AtomicBool::new(false),
                sleeps: AtomicI32::new(0),
                heard <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_teller = shared.clone();
        let mut teller = KThread::run(c_str!("teller"), move |_ctx| teller(&for_teller))?;
        for _ in 0..NEWS {
            wait_for_news(&shared);
            shared.news.store(false, Relaxed);
            shared.heard.complete();
        }
        if teller.stop()? {
            pr_info!("the news have been heard\n");
        } else {
            pr_info!("the news came and nobody was woken for 1 s\n");
        }
        Ok(LostWakeupFind)
    }
}
