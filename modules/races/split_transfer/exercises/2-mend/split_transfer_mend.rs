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
    type: SplitTransferMend,
    name: "split_transfer_mend",
    authors: ["kmodlab"],
    description: "A transfer in two critical sections",
    license: "GPL",
}

struct SplitTransferMend;

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
    // TODO 1: whoever holds both locks must find 200 in the two accounts.
    //@ 1 {
    let mut left = shared.left.lock();
    let mut right = shared.right.lock();
    *left -= 30;
    *right += 30;
    //@ 1 } instead: *shared.left.lock() -= 30;\n*shared.right.lock() += 30;
}

#[inline(never)]
fn audit(shared: &Shared) -> i32 {
    // `insmod` is nearly always done with the transfer in this time.
    msleep(5);
    let left = shared.left.lock();
    let right = shared.right.lock();
    *left + *right
}

impl kernel::Module for SplitTransferMend {
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
        Ok(SplitTransferMend)
    }
}
