// SPDX-License-Identifier: GPL-2.0

//! Five kernel threads of a driver: each start and each end is waited for.

use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: ThreadDrv,
    name: "thread_drv",
    authors: ["Linux Usr"],
    description: "Example of kernel threads in a device driver",
    license: "GPL",
}

const NTHREADS: usize = 5;

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    terminate: AtomicBool,
    #[pin]
    started: Completion,
    #[pin]
    ended: Completion,
}

struct Example {
    _thread: KThread<()>,
    shared: Arc<Shared>,
}

struct ThreadDrv {
    _example: [Option<Example>; NTHREADS],
}

impl kernel::Module for ThreadDrv {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut example = [const { None }; NTHREADS];
        for slot in &mut example {
            *slot = Some(start_kthread()?);
        }
        Ok(ThreadDrv { _example: example })
    }
}

fn start_kthread() -> Result<Example> {
    let shared = Arc::pin_init(
        pin_init!(Shared {
            queue <- new_wait_queue!(),
            terminate: AtomicBool::new(false),
            started <- Completion::new(),
            ended <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let for_thread = shared.clone();
    let thread = KThread::run(c_str!("example thread"), move |_ctx| {
        example_thread(&for_thread)
    })?;
    shared.started.wait_for_completion();
    Ok(Example {
        _thread: thread,
        shared,
    })
}

fn example_thread(shared: &Shared) {
    shared.started.complete();
    pr_info!("hi, here is the kernel thread\n");
    let terminate = || shared.terminate.load(Acquire);
    while !shared.queue.wait_event_timeout(1000, terminate) {
        pr_info!("example thread: thread woke up\n");
    }
    shared.ended.complete();
}

impl Drop for Example {
    fn drop(&mut self) {
        self.shared.terminate.store(true, Release);
        self.shared.queue.wake_up();
        self.shared.ended.wait_for_completion();
    }
}
