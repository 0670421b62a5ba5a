// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for news which may never come, and can be stopped all the same.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: StoppableWait,
    name: "stoppable_wait",
    authors: ["You"],
    description: "A wait that can be stopped",
    license: "GPL",
}

module_param! {
    NEWS: bool = false,
    name: "news",
    description: "Whether there is news",
}

struct StoppableWait {
    thread: KThread<()>,
}

impl kernel::Module for StoppableWait {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let news = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let for_thread = news.clone();
        let thread = KThread::run(c_str!("stoppable"), move |ctx| wait(ctx, &for_thread))?;
        if NEWS.value() {
            news.complete();
        }
        Ok(StoppableWait { thread })
    }
}

fn wait(ctx: &Ctx, news: &Completion) {
    // TODO 1: wait for at most 100 ms at a time; in between, look whether the thread should stop, and
    // write `no news` to the log and return if it should.
    //@ 1 {
    while !news.wait_for_completion_timeout(100) {
        if ctx.should_stop() {
            pr_info!("no news\n");
            return;
        }
    }
    //@ 1 } instead: news.wait_for_completion();
    pr_info!("there is news\n");
    ctx.sleep_until_stopped();
}

impl Drop for StoppableWait {
    fn drop(&mut self) {
        pr_info!("stopping\n");
        let _ = self.thread.stop();
        pr_info!("stopped\n");
    }
}
