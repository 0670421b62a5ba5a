// SPDX-License-Identifier: GPL-2.0

//! A thread and `insmod` look for an answer and whoever believes it is the first to find it
//! completes; then the same completion is waited for again.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: CompletionReuseFind,
    name: "completion_reuse_find",
    authors: ["kmodlab"],
    description: "A completion that is completed twice and used again",
    license: "GPL",
}

struct CompletionReuseFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that
// the second question gets the answer 1.

#[pin_data]
struct Shared {
    found: AtomicBool,
    answer: AtomicI32,
    #[pin]
    answered: Completion,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn search(shared: &Shared) {
    if !shared.found.load(Relaxed) {
        shared.answer.store(1, Relaxed);
        //@ 1 {
        kernel_ext::delay::msleep(100);
        //@ 1 }
        shared.found.store(true, Relaxed);
        shared.answered.complete();
    }
}

fn searcher(shared: &Shared) {
    search(shared);
    shared.done.complete();
}

/// Answers the second question, later.
fn thinker(shared: &Shared) {
    msleep(200);
    shared.answer.store(2, Relaxed);
    shared.answered.complete();
}

impl kernel::Module for CompletionReuseFind {
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
        Ok(CompletionReuseFind)
    }
}
