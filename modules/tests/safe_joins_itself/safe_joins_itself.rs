// SPDX-License-Identifier: GPL-2.0

//! A thread that is the last to own its own handle.

use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: Test,
    name: "safe_joins_itself",
    authors: ["kmodlab"],
    description: "A thread that is the last to own its own handle",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    thread: Mutex<Option<KThread<()>>>,
    #[pin]
    go: Completion,
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(pin_init!(Shared {
            thread <- new_mutex!(None),
            go <- Completion::new(),
        }), GFP_KERNEL)?;
        let for_thread = shared.clone();
        let thread = KThread::run(c_str!("last owner"), move |_ctx| {
            for_thread.go.wait_for_completion();
            // Until `init` has dropped what it owns.
            msleep(100);
            pr_info!("the thread has done its work\n");
        })?;
        *shared.thread.lock() = Some(thread);
        shared.go.complete();
        Ok(Test)
    }
}
