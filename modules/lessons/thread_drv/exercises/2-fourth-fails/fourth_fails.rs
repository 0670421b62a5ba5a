// SPDX-License-Identifier: GPL-2.0

//! Five threads, of which one cannot be started.

use kernel::{c_str, prelude::*};
use kernel_ext::{kthread::KThread, module_param};

module! {
    type: FourthFails,
    name: "fourth_fails",
    authors: ["You"],
    description: "Five threads, of which one cannot be started",
    license: "GPL",
}

module_param! {
    FAIL: u8 = 0,
    name: "fail",
    description: "The number of the thread that cannot be started; 0 for none",
}

const NTHREADS: usize = 5;

struct Worker {
    thread: KThread<()>,
    number: usize,
}

struct FourthFails {
    workers: [Option<Worker>; NTHREADS],
}

/// Starts a thread; fails with `ENOMEM` for the one that the parameter names.
fn start(number: usize) -> Result<Worker> {
    if number == usize::from(FAIL.value()) {
        return Err(ENOMEM);
    }
    let thread = KThread::run(c_str!("fourth_fails"), |ctx| ctx.sleep_until_stopped())?;
    pr_info!("thread {number} started\n");
    Ok(Worker { thread, number })
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.thread.stop();
        pr_info!("thread {} stopped\n", self.number);
    }
}

impl kernel::Module for FourthFails {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut workers = [const { None }; NTHREADS];
        for (number, slot) in (1..).zip(&mut workers) {
            // TODO 1: start thread `number`. If that fails, write `thread N cannot be started` to the log
            // as an error, and let init fail with the error; the threads before it are stopped then.
            //@ 1 {
            let worker =
                start(number).inspect_err(|_| pr_err!("thread {number} cannot be started\n"))?;
            *slot = Some(worker);
            //@ 1 } instead: *slot = start(number).ok();
        }
        Ok(FourthFails { workers })
    }
}

impl Drop for FourthFails {
    fn drop(&mut self) {
        // TODO 2: let the threads be stopped from the last to the first.
        //@ 2 {
        for worker in self.workers.iter_mut().rev() {
            *worker = None;
        }
        //@ 2 } instead: for worker in &mut self.workers {\n    *worker = None;\n}
    }
}
