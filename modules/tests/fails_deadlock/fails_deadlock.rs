// SPDX-License-Identifier: GPL-2.0

//! A thread and `rmmod` take two mutexes, each the other one first.

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
    type: Test,
    name: "fails_deadlock",
    authors: ["kmodlab"],
    description: "A thread and rmmod take two mutexes, each the other one first",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    first: Mutex<u32>,
    #[pin]
    second: Mutex<u32>,
    #[pin]
    first_is_taken: Completion,
    #[pin]
    second_is_taken: Completion,
}

struct Test {
    shared: Arc<Shared>,
    _thread: KThread<()>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                first <- new_mutex!(1),
                second <- new_mutex!(2),
                first_is_taken <- Completion::new(),
                second_is_taken <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_thread = shared.clone();
        let thread = KThread::run(c_str!("deadlocked"), move |_ctx| {
            first_then_second(&for_thread)
        })?;
        Ok(Test {
            shared,
            _thread: thread,
        })
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        second_then_first(&self.shared);
    }
}

#[inline(never)]
fn first_then_second(shared: &Shared) {
    let first = shared.first.lock();
    shared.first_is_taken.complete();
    shared.second_is_taken.wait_for_completion();
    // marker: second lock of the thread
    let second = shared.second.lock();
    pr_info!("never printed: {}\n", *first + *second);
}

#[inline(never)]
fn second_then_first(shared: &Shared) {
    shared.first_is_taken.wait_for_completion();
    let second = shared.second.lock();
    shared.second_is_taken.complete();
    // marker: second lock of rmmod
    let first = shared.first.lock();
    pr_info!("never printed: {}\n", *first + *second);
}
