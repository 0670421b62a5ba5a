// SPDX-License-Identifier: GPL-2.0

//! `insmod` waits for news that a thread brings, and looks for them under the lock that it sleeps
//! on.

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
    type: LostWakeupMended,
    name: "lost_wakeup_mended",
    authors: ["kmodlab"],
    description: "A wait that cannot miss its wake-up",
    license: "GPL",
}

struct LostWakeupMended;

#[pin_data]
struct Shared {
    #[pin]
    lock: Mutex<bool>,
    #[pin]
    queue: CondVar,
    #[pin]
    heard: Completion,
}

/// Number of times that there is news.
const NEWS: usize = 4;

/// Returns whether all news arrived within a second.
fn teller(shared: &Shared) -> bool {
    let mut in_time = true;
    for _ in 0..NEWS {
        *shared.lock.lock() = true;
        shared.queue.notify_one();
        if !shared.heard.wait_for_completion_timeout(1000) {
            in_time = false;
            shared.queue.notify_one();
            shared.heard.wait_for_completion();
        }
    }
    in_time
}

fn wait_for_news(shared: &Shared) {
    let mut news = shared.lock.lock();
    while !*news {
        let _ = shared.queue.wait(&mut news);
    }
}

impl kernel::Module for LostWakeupMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                lock <- new_mutex!(false),
                queue <- new_condvar!(),
                heard <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_teller = shared.clone();
        let mut teller = KThread::run(c_str!("teller"), move |_ctx| teller(&for_teller))?;
        for _ in 0..NEWS {
            wait_for_news(&shared);
            *shared.lock.lock() = false;
            shared.heard.complete();
        }
        if teller.stop()? {
            pr_info!("the news have been heard\n");
        } else {
            pr_info!("the news came and nobody was woken for 1 s\n");
        }
        Ok(LostWakeupMended)
    }
}
