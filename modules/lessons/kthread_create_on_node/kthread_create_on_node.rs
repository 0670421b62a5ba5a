// SPDX-License-Identifier: GPL-2.0

//! Example of kthread_create_on_node: a kernel thread whose memory is close to certain CPUs.

use kernel::{c_str, prelude::*};
use kernel_ext::{
    delay::msleep,
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: KthreadCreateOnNode,
    name: "kthread_create_on_node",
    authors: ["Linux Usr"],
    description: "example of kthread_create_on_node",
    license: "GPL",
}

module_param! {
    NODE: i32 = 0,
    name: "node",
    description: "The NUMA node that the thread's memory shall be on",
}

struct KthreadCreateOnNode {
    def_thread: KThread<()>,
}

impl kernel::Module for KthreadCreateOnNode {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("Inside kthread init function\n");
        let def_thread = KThread::builder()
            .name(c_str!("kthread_create_on_node example"))
            .node(NODE.value())
            .create(my_thread_fn)
            .inspect_err(|_| pr_err!("Error in creating thread\n"))?;
        pr_info!("Thread created successfully\n");
        def_thread.start();
        pr_info!("wake up process done successfully\n");
        Ok(KthreadCreateOnNode { def_thread })
    }
}

fn my_thread_fn(ctx: &Ctx) {
    while !ctx.should_stop() {
        pr_info!("inside my_thread_fn\n");
        msleep(100);
    }
}

impl Drop for KthreadCreateOnNode {
    fn drop(&mut self) {
        pr_info!("Inside kthread exit function\n");
        if self.def_thread.stop() == Err(EINTR) {
            pr_info!("the thread never ran\n");
        }
        pr_info!("Destroyed thread\n");
    }
}
