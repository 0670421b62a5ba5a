// SPDX-License-Identifier: GPL-2.0

//! Example of kthread_run: a kernel thread that says once a second that it is there.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
};

module! {
    type: KthreadRun,
    name: "kthread_run",
    authors: ["Linux Usr"],
    description: "Example of kthread_run",
    license: "GPL",
}

struct KthreadRun {
    def_thread: KThread<()>,
}

impl kernel::Module for KthreadRun {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("Inside thread_init function\n");
        let def_thread = KThread::run(c_str!("kthread_run examples"), def_thread_task)
            .inspect_err(|_| pr_err!("Error in creating thread\n"))?;
        pr_info!("thread created successfully\n");
        Ok(KthreadRun { def_thread })
    }
}

fn def_thread_task(ctx: &Ctx) {
    while !ctx.should_stop() {
        pr_info!("Executing def_thread_task\n");
        msleep(1000);
    }
}

impl Drop for KthreadRun {
    fn drop(&mut self) {
        pr_info!("Inside kthread exit function\n");
        if self.def_thread.stop() == Err(EINTR) {
            pr_info!("the thread never ran\n");
        }
        pr_info!("Destroyed thread\n");
    }
}
