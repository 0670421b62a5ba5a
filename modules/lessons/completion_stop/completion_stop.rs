// SPDX-License-Identifier: GPL-2.0

//! Example of a completion: a thread waits until it is released, and is stopped after that.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::{Ctx, KThread},
};

module! {
    type: CompletionStop,
    name: "completion_stop",
    authors: ["Linux Usr"],
    description: "Example of a completion and kthread_stop",
    license: "GPL",
}

struct CompletionStop {
    thread: KThread<()>,
    my_completion: Arc<Completion>,
}

impl kernel::Module for CompletionStop {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let my_completion = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let for_thread = my_completion.clone();
        let thread = KThread::run(c_str!("my_kthread"), move |ctx| {
            my_kthread(ctx, &for_thread)
        })
        .inspect_err(|_| pr_err!("Failed to create kthread\n"))?;
        Ok(CompletionStop {
            thread,
            my_completion,
        })
    }
}

fn my_kthread(ctx: &Ctx, my_completion: &Completion) {
    pr_info!("the thread waits for the completion\n");
    my_completion.wait_for_completion();
    pr_info!("the thread is released\n");
    ctx.sleep_until_stopped();
    pr_info!("the thread ends\n");
}

impl Drop for CompletionStop {
    fn drop(&mut self) {
        pr_info!("complete first, then kthread_stop\n");
        self.my_completion.complete();
        if self.thread.stop() == Err(EINTR) {
            pr_info!("it never ran\n");
        }
        pr_info!("the thread has ended\n");
    }
}
