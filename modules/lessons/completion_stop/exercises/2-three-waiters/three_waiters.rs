// SPDX-License-Identifier: GPL-2.0

//! Three threads that wait for one completion.

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::{Ctx, KThread},
    module_param,
};

module! {
    type: ThreeWaiters,
    name: "three_waiters",
    authors: ["You"],
    description: "Three threads that wait for one completion",
    license: "GPL",
}

module_param! {
    ADMIT: u8 = 0,
    name: "admit",
    description: "How many threads to release at once",
}

struct ThreeWaiters {
    gate: Arc<Completion>,
    threads: [KThread<()>; 3],
}

impl kernel::Module for ThreeWaiters {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let gate = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let threads = [waiter(&gate)?, waiter(&gate)?, waiter(&gate)?];
        for thread in &threads {
            thread.start();
        }
        // TODO 1: release as many threads as the parameter `admit` says.
        //@ 1 {
        for _ in 0..ADMIT.value() {
            gate.complete();
        }
        //@ 1 }
        Ok(ThreeWaiters { gate, threads })
    }
}

/// Makes a thread, which is still to be started.
fn waiter(gate: &Arc<Completion>) -> Result<KThread<()>> {
    let gate = gate.clone();
    KThread::create(c_str!("waiter"), move |ctx| wait(ctx, &gate))
}

fn wait(ctx: &Ctx, gate: &Completion) {
    gate.wait_for_completion();
    pr_info!("released\n");
    ctx.sleep_until_stopped();
}

impl Drop for ThreeWaiters {
    fn drop(&mut self) {
        // TODO 2: release all threads that still wait, whatever their number, before the first of them
        // is stopped.
        //@ 2 {
        self.gate.complete_all();
        //@ 2 } instead: self.gate.complete();
        for thread in &mut self.threads {
            let _ = thread.stop();
        }
        pr_info!("all stopped\n");
    }
}
