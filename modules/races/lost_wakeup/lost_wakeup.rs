// SPDX-License-Identifier: GPL-2.0

//! A thread waits for news, and looks outside their lock whether they have come.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kernel::{
    c_str, new_condvar, new_mutex,
    prelude::*,
    sync::{CondVar, Mutex},
};
use kernel_ext::{
    completion::Completion,
    kthread::KThread,
    sync::{shared, shared_in_place, Arc},
};

module! {
    type: LostWakeup,
    name: "lost_wakeup",
    author: "kmodlab",
    description: "Two threads and a lost wake-up",
    license: "GPL",
}

struct LostWakeup;

struct Shared {
    lock: Arc<Mutex<()>>,
    queue: Arc<CondVar>,
    news: AtomicBool,
    here: Completion,
    heard: Completion,
}

fn waiter(shared: &Shared) {
    shared.here.complete();
    let mut guard = shared.lock.lock();
    if !shared.news.load(Relaxed) {
        // The news may come here, and wake nobody.
        let _ = shared.queue.wait(&mut guard);
    }
    drop(guard);
    shared.heard.complete();
}

impl kernel::Module for LostWakeup {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            lock: shared_in_place(new_mutex!(()))?,
            queue: shared_in_place(new_condvar!())?,
            news: AtomicBool::new(false),
            here: Completion::new()?,
            heard: Completion::new()?,
        })?;
        let for_waiter = shared.clone();
        let _waiter = KThread::run(c_str!("waiter"), move |_ctx| waiter(&for_waiter))?;
        shared.here.wait();
        shared.news.store(true, Relaxed);
        shared.queue.notify_one();
        if shared.heard.wait_timeout(1000) {
            pr_info!("the waiter has heard the news\n");
        } else {
            pr_info!("the waiter still sleeps after 1 s\n");
            shared.queue.notify_one();
            shared.heard.wait();
        }
        Ok(LostWakeup)
    }
}
