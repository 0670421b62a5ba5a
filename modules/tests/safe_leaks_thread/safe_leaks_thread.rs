// SPDX-License-Identifier: GPL-2.0

//! A handle in what its own thread owns.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::{c_str, new_mutex, prelude::*, sync::Mutex};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
    sync::{shared, shared_in_place, Arc},
};

module! {
    type: Test,
    name: "safe_leaks_thread",
    authors: ["kmodlab"],
    description: "A handle in what its own thread owns",
    license: "GPL",
}

struct Shared {
    beats: AtomicU32,
    thread: Arc<Mutex<Option<KThread<()>>>>,
}

struct Test {
    shared: Arc<Shared>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            beats: AtomicU32::new(0),
            thread: shared_in_place(new_mutex!(None))?,
        })?;
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
