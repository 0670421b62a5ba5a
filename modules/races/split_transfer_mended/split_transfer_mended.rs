// SPDX-License-Identifier: GPL-2.0

//! `insmod` moves money between two accounts with both locks held, and a thread adds the accounts
//! up.

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
    type: SplitTransferMended,
    name: "split_transfer_mended",
    authors: ["kmodlab"],
    description: "A transfer under both locks",
    license: "GPL",
}

struct SplitTransferMended;

#[pin_data]
struct Shared {
    #[pin]
    left: Mutex<i32>,
    #[pin]
    right: Mutex<i32>,
    #[pin]
    done: Completion,
}

fn transfer(shared: &Shared) {
    let mut left = shared.left.lock();
    let mut right = shared.right.lock();
    *left -= 30;
    *right += 30;
}

fn audit(shared: &Shared) -> i32 {
    let left = shared.left.lock();
    let right = shared.right.lock();
    *left + *right
}

impl kernel::Module for SplitTransferMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                left <- new_mutex!(100),
                right <- new_mutex!(100),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_auditor = shared.clone();
        let mut auditor = KThread::run(c_str!("auditor"), move |_ctx| {
            let sum = audit(&for_auditor);
            for_auditor.done.complete();
            sum
        })?;
        transfer(&shared);
        shared.done.wait_for_completion();
        pr_info!("the auditor counted {}\n", auditor.stop()?);
        Ok(SplitTransferMended)
    }
}
