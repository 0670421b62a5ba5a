// SPDX-License-Identifier: GPL-2.0

//! Five threads that are ended with the means of the kernel alone.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    kthread::{Ctx, KThread},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: OwnStop,
    name: "own_stop",
    authors: ["You"],
    description: "Five threads without flags of their own",
    license: "GPL",
}

const NTHREADS: usize = 5;

struct OwnStop {
    _threads: [Option<KThread<()>>; NTHREADS],
}

impl kernel::Module for OwnStop {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let queue = Arc::pin_init(new_wait_queue!(), GFP_KERNEL)?;
        let mut threads = [const { None }; NTHREADS];
        for slot in &mut threads {
            let queue = queue.clone();
            *slot = Some(KThread::run(c_str!("own_stop"), move |ctx| {
                work(ctx, &queue)
            })?);
        }
        Ok(OwnStop { _threads: threads })
    }
}

fn work(ctx: &Ctx, queue: &WaitQueue) {
    // TODO 1: work once a second, until the thread should stop. Let the request to stop end the sleep.
    //@ 1 {
    while !queue.wait_event_timeout(1000, || ctx.should_stop()) {
        pr_info!("working\n");
    }
    //@ 1 } instead: queue.wait_event(|| ctx.should_stop());
    // TODO 2: write `ending` to the log.
    //@ 2 {
    pr_info!("ending\n");
    //@ 2 }
}
