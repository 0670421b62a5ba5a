// SPDX-License-Identifier: GPL-2.0

//! A thread waits for news: the look is repeated under the lock.

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
    type: LostWakeupMended,
    name: "lost_wakeup_mended",
    author: "kmodlab",
    description: "Two threads and no lost wake-up",
    license: "GPL",
}

struct LostWakeupMended;

struct Shared {
    lock: Arc<Mutex<bool>>,
    queue: Arc<CondVar>,
    here: Completion,
    heard: Completion,
}

fn waiter(shared: &Shared) {
    shared.here.complete();
    let mut news = shared.lock.lock();
    while !*news {
        let _ = shared.queue.wait(&mut news);
    }
    drop(news);
    shared.heard.complete();
}

impl kernel::Module for LostWakeupMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            lock: shared_in_place(new_mutex!(false))?,
            queue: shared_in_place(new_condvar!())?,
            here: Completion::new()?,
            heard: Completion::new()?,
        })?;
        let for_waiter = shared.clone();
        let _waiter = KThread::run(c_str!("waiter"), move |_ctx| waiter(&for_waiter))?;
        shared.here.wait();
        *shared.lock.lock() = true;
        shared.queue.notify_one();
        if shared.heard.wait_timeout(1000) {
            pr_info!("the waiter has heard the news\n");
        } else {
            pr_info!("the waiter still sleeps after 1 s\n");
            shared.queue.notify_one();
            shared.heard.wait();
        }
        Ok(LostWakeupMended)
    }
}
