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
    type: CompletionReuseMend,
    name: "completion_reuse_mend",
    authors: ["kmodlab"],
    description: "A completion that is completed twice and used again",
    license: "GPL",
}

struct CompletionReuseMend;

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
    // TODO 1: only one of the two may complete, however close together they come.
    //@ 1 {
    if !shared.found.swap(true, Relaxed) {
        shared.answer.store(1, Relaxed);
        shared.answered.complete();
    }
    //@ 1 } instead: if !shared.found.load(Relaxed) {\n    shared.answer.store(1, Relaxed);
    //@ 1 {
    //@ 1 } instead:     shared.found.store(true, Relaxed);\n    shared.answered.complete();\n}
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

impl kernel::Module for CompletionReuseMend {
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
        Ok(CompletionReuseMend)
    }
}
