// SPDX-License-Identifier: GPL-2.0

//! `insmod` receives a message from memory that it shares with a thread: it reads the length of the
//! message once.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: DoubleFetchMended,
    name: "double_fetch_mended",
    authors: ["kmodlab"],
    description: "A length that is read once",
    license: "GPL",
}

struct DoubleFetchMended;

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

/// Returns the number of bytes that a driver would copy into its buffer.
fn receive(shared: &Shared) -> Option<usize> {
    let length = shared.message_length.load(Relaxed);
    if length > SIZE {
        return None;
    }
    shared.accepted.fetch_add(1, Relaxed);
    Some(length)
}

impl kernel::Module for DoubleFetchMended {
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
        let _sender = KThread::run(c_str!("sender"), move |_ctx| {
            for_sender.message_length.store(64, Relaxed);
            for_sender.done.complete();
        })?;
        let length = receive(&shared);
        shared.done.wait_for_completion();
        match length {
            Some(length) if length > SIZE => pr_info!("a length of {length} passed the check\n"),
            _ => pr_info!("no length above {SIZE} passed the check\n"),
        }
        Ok(DoubleFetchMended)
    }
}
