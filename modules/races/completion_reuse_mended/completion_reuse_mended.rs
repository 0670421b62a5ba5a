// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` look for an answer and the first to find it completes; then the same
//! completion is waited for again.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: CompletionReuseMended,
    name: "completion_reuse_mended",
    authors: ["kmodlab"],
    description: "A completion that is completed once and used again",
    license: "GPL",
}

struct CompletionReuseMended;

#[pin_data]
struct Shared {
    found: AtomicBool,
    answer: AtomicI32,
    #[pin]
    answered: Completion,
    #[pin]
    done: Completion,
}

fn search(shared: &Shared) {
    if !shared.found.swap(true, Relaxed) {
        shared.answer.store(1, Relaxed);
        shared.answered.complete();
    }
}

fn searcher(shared: &Shared) {
    search(shared);
    shared.done.complete();
}

/// Answers the second question, later.
fn thinker(shared: &Shared) {
    msleep(1);
    shared.answer.store(2, Relaxed);
    shared.answered.complete();
}

impl kernel::Module for CompletionReuseMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                found: AtomicBool::new(false),
                answer: AtomicI32::new(0),
                answered <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_searcher = shared.clone();
        let _searcher = KThread::run(c_str!("searcher"), move |_ctx| searcher(&for_searcher))?;
        search(&shared);
        shared.done.wait_for_completion();
        shared.answered.wait_for_completion();
        let first = shared.answer.load(Relaxed);

        let for_thinker = shared.clone();
        let _thinker = KThread::run(c_str!("thinker"), move |_ctx| thinker(&for_thinker))?;
        shared.answered.wait_for_completion();
        let second = shared.answer.load(Relaxed);
        pr_info!("the answers are {first} and {second}\n");
        Ok(CompletionReuseMended)
    }
}
