// SPDX-License-Identifier: GPL-2.0

//! `insmod` moves money between two accounts, one lock after the other, and a thread adds the
//! accounts up.

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: SplitTransferFind,
    name: "split_transfer_find",
    authors: ["kmodlab"],
    description: "A transfer in two critical sections",
    license: "GPL",
}

struct SplitTransferFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that
// the auditor counts 170.

#[pin_data]
struct Shared {
    #[pin]
    left: Mutex<i32>,
    #[pin]
    right: Mutex<i32>,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn transfer(shared: &Shared) {
    *shared.left.lock() -= 30;
    //@ 1 {
    kernel_ext::delay::msleep(100);
    //@ 1 }
    *shared.right.lock() += 30;
}

fn audit(shared: &Shared) -> i32 {
    // `insmod` begins the transfer in this time.
    msleep(50);
    let left = shared.left.lock();
    let right = shared.right.lock();
    *left + *right
}

impl kernel::Module for SplitTransferFind {
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
        Ok(SplitTransferFind)
    }
}
