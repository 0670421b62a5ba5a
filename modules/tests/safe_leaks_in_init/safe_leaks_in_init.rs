// SPDX-License-Identifier: GPL-2.0

//! The same, and init fails.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
};

module! {
    type: Test,
    name: "safe_leaks_in_init",
    authors: ["kmodlab"],
    description: "The same, and init fails",
    license: "GPL",
}

#[pin_data]
struct Shared {
    beats: AtomicU32,
    #[pin]
    thread: Mutex<Option<KThread<()>>>,
}

struct Test;

fn may_fail() -> Result {
    msleep(300);
    Err(ENODEV)
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(pin_init!(Shared {
            beats: AtomicU32::new(0),
            thread <- new_mutex!(None),
        }), GFP_KERNEL)?;
        let for_thread = shared.clone();
        let thread = KThread::run(c_str!("beats"), move |ctx| {
            while !ctx.should_stop() {
                for_thread.beats.fetch_add(1, Relaxed);
                msleep(100);
            }
        })?;
        *shared.thread.lock() = Some(thread);
        may_fail()?;
        Ok(Test)
    }
}
