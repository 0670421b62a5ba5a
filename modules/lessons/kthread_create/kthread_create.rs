// SPDX-License-Identifier: GPL-2.0

//! Example of kthread_create: a kernel thread that is made first and started later.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
};

module! {
    type: KthreadCreate,
    name: "kthread_create",
    authors: ["Linux Usr"],
    description: "example of kthread_create",
    license: "GPL",
}

struct KthreadCreate {
    def_thread: KThread<()>,
}

impl kernel::Module for KthreadCreate {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("Inside kthread init function\n");
        let def_thread = KThread::create(c_str!("kthread_create examples"), my_thread_fn)
            .inspect_err(|_| pr_err!("Error in creating thread\n"))?;
        pr_info!("Thread created successfully\n");
        def_thread.start();
        pr_info!("wake up process done successfully\n");
        Ok(KthreadCreate { def_thread })
    }
}

fn my_thread_fn(ctx: &Ctx) {
    while !ctx.should_stop() {
        pr_info!("inside my_thread_fn\n");
        msleep(100);
    }
}

impl Drop for KthreadCreate {
    fn drop(&mut self) {
        pr_info!("Inside kthread exit function\n");
        if self.def_thread.stop() == Err(EINTR) {
            pr_info!("the thread never ran\n");
        }
        pr_info!("Destroyed thread\n");
    }
}
