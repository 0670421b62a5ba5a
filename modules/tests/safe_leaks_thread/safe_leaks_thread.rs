// SPDX-License-Identifier: GPL-2.0

//! A handle in what its own thread owns.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
};

module! {
    type: Test,
    name: "safe_leaks_thread",
    authors: ["kmodlab"],
    description: "A handle in what its own thread owns",
    license: "GPL",
}

#[pin_data]
struct Shared {
    beats: AtomicU32,
    #[pin]
    thread: Mutex<Option<KThread<()>>>,
}

struct Test {
    shared: Arc<Shared>,
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
        Ok(Test { shared })
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        pr_info!("{} beats\n", self.shared.beats.load(Relaxed));
    }
}
