// SPDX-License-Identifier: GPL-2.0

//! A thread that is the last to own its own handle.

use kernel::{c_str, new_mutex, prelude::*, sync::Mutex};
use kernel_ext::{
    completion::Completion,
    delay::msleep,
    kthread::KThread,
    sync::{shared, shared_in_place, Arc},
};

module! {
    type: Test,
    name: "safe_joins_itself",
    authors: ["kmodlab"],
    description: "A thread that is the last to own its own handle",
    license: "GPL",
}

struct Shared {
    thread: Arc<Mutex<Option<KThread<()>>>>,
    go: Completion,
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = shared(Shared {
            thread: shared_in_place(new_mutex!(None))?,
            go: Completion::new()?,
        })?;
        let for_thread = shared.clone();
        let thread = KThread::run(c_str!("last owner"), move |_ctx| {
            for_thread.go.wait();
            // Until `init` has dropped what it owns.
            msleep(100);
            pr_info!("the thread has done its work\n");
        })?;
        *shared.thread.lock() = Some(thread);
        shared.go.complete();
        Ok(Test)
    }
}
