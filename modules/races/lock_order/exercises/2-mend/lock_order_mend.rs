// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` move money between two accounts, each in the other direction, and lock the
//! accounts in the order in which they name them.

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
    type: LockOrderMend,
    name: "lock_order_mend",
    authors: ["kmodlab"],
    description: "Two mutexes in opposite order",
    license: "GPL",
}

struct LockOrderMend;

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
fn to_right(shared: &Shared) {
    let mut left = shared.left.lock();
    *left -= 10;
    let mut right = shared.right.lock();
    *right += 10;
}

#[inline(never)]
fn to_left(shared: &Shared) {
    // TODO 1: move the money, and never wait for a task that waits for you.
    //@ 1 {
    let mut left = shared.left.lock();
    let mut right = shared.right.lock();
    *right -= 30;
    *left += 30;
    //@ 1 } instead: let mut right = shared.right.lock();\n*right -= 30;
    //@ 1 {
    //@ 1 } instead: let mut left = shared.left.lock();\n*left += 30;
}

impl kernel::Module for LockOrderMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                left <- new_mutex!(100),
                right <- new_mutex!(100),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_thread = shared.clone();
        let _thread = KThread::run(c_str!("to_left"), move |_ctx| {
            to_left(&for_thread);
            for_thread.done.complete();
        })?;
        to_right(&shared);
        shared.done.wait_for_completion();
        let (left, right) = (*shared.left.lock(), *shared.right.lock());
        pr_info!("left has {left}, right has {right}\n");
        Ok(LockOrderMend)
    }
}
