// SPDX-License-Identifier: GPL-2.0

//! A module that wants five threads, of which the fourth cannot be made.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: KthreadHalfWay,
    name: "kthread_half_way",
    authors: ["kmodlab"],
    description: "Test of threads of which one cannot be made",
    license: "GPL",
}

struct KthreadHalfWay {
    _threads: [Option<KThread<()>>; 5],
}

/// A value that a thread owns.
struct Belonging(usize);

impl Belonging {
    /// Returns the thread's number. (A closure that read the field would own the number alone.)
    fn number(&self) -> usize {
        self.0
    }
}

impl Drop for Belonging {
    fn drop(&mut self) {
        pr_info!("what belongs to thread {} is dropped\n", self.0);
    }
}

impl kernel::Module for KthreadHalfWay {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("five threads\n");
        let begun = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let mut threads = [None, None, None, None, None];
        for (thread, number) in threads.iter_mut().zip(0..) {
            let belonging = Belonging(number);
            let thread_begun = begun.clone();
            let node = if number == 3 { 1_000_000 } else { 0 };
            let made = KThread::builder()
                .name(c_str!("one of five"))
                .node(node)
                .run(move |ctx| {
                    pr_info!("thread {} runs\n", belonging.number());
                    thread_begun.complete();
                    while !ctx.should_stop() {
                        msleep(10);
                    }
                    pr_info!("thread {} ends\n", belonging.number());
                });
            *thread = Some(made?);
            begun.wait_for_completion();
        }
        pr_info!("all five run\n");
        Ok(KthreadHalfWay { _threads: threads })
    }
}
