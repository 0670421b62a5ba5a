// SPDX-License-Identifier: GPL-2.0

//! `insmod` receives a message from memory that it shares with a thread: it checks the length of
//! the message, and reads the length again to copy.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: DoubleFetchMend,
    name: "double_fetch_mend",
    authors: ["kmodlab"],
    description: "A length that is checked and read again",
    license: "GPL",
}

struct DoubleFetchMend;

/// Size of the receiver's buffer in bytes.
const SIZE: usize = 8;

#[pin_data]
struct Shared {
    /// Length of the message in bytes, which the sender may change at any time.
    message_length: AtomicUsize,
    accepted: AtomicI32,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn sender(shared: &Shared) {
    shared.message_length.store(64, Relaxed);
    shared.done.complete();
}

/// Returns the number of bytes that a driver would copy into its buffer.
#[inline(never)]
fn receive(shared: &Shared) -> Option<usize> {
    // TODO 1: the length that is returned must be the one that was checked.
    //@ 1 {
    let length = shared.message_length.load(Relaxed);
    if length > SIZE {
        return None;
    }
    //@ 1 } instead: if shared.message_length.load(Relaxed) > SIZE {\n    return None;\n}
    shared.accepted.fetch_add(1, Relaxed);
    //@ 1 {
    Some(length)
    //@ 1 } instead: Some(shared.message_length.load(Relaxed))
}

impl kernel::Module for DoubleFetchMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                message_length: AtomicUsize::new(4),
                accepted: AtomicI32::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_sender = shared.clone();
        let _sender = KThread::run(c_str!("sender"), move |_ctx| sender(&for_sender))?;
        let length = receive(&shared);
        shared.done.wait_for_completion();
        match length {
            Some(length) if length > SIZE => pr_info!("a length of {length} passed the check\n"),
            _ => pr_info!("no length above {SIZE} passed the check\n"),
        }
        Ok(DoubleFetchMend)
    }
}
