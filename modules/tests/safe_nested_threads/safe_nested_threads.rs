// SPDX-License-Identifier: GPL-2.0

//! Threads that never run, each of whose closures owns the handle of the one before.

use kernel::{c_str, prelude::*};
use kernel_ext::kthread::KThread;

module! {
    type: Test,
    name: "safe_nested_threads",
    authors: ["kmodlab"],
    description: "A chain of handles",
    license: "GPL",
}

const THREADS: usize = 400;

struct Test {
    _outermost: KThread<()>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut thread = KThread::create(c_str!("innermost"), |_ctx| ())?;
        for _ in 1..THREADS {
            let inner = thread;
            thread = KThread::create(c_str!("outer"), move |_ctx| drop(inner))?;
        }
        pr_info!("{THREADS} threads\n");
        Ok(Test { _outermost: thread })
    }
}
