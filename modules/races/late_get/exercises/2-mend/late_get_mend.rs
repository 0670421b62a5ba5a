// SPDX-License-Identifier: GPL-2.0

//! `insmod` hands a thread a handle to an object, and takes the handle's reference after that.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: LateGetMend,
    name: "late_get_mend",
    authors: ["kmodlab"],
    description: "A reference that is taken too late",
    license: "GPL",
}

struct LateGetMend;

#[pin_data]
struct Shared {
    /// Number of references to the object: one is `insmod`'s own.
    users: AtomicI32,
    /// Number of handles that were created.
    handles: AtomicI32,
    #[pin]
    handle: Completion,
    #[pin]
    done: Completion,
}

/// Returns whether the object was still there.
fn get(shared: &Shared) -> bool {
    shared.users.fetch_add(1, Relaxed) > 0
}

/// Returns whether this was the last reference, so that the object goes.
fn put(shared: &Shared) -> bool {
    shared.users.fetch_sub(1, Relaxed) == 1
}

fn user(shared: &Shared) {
    shared.handle.wait_for_completion();
    // The use of the object through the handle.
    msleep(1);
    put(shared);
    shared.done.complete();
}

#[inline(never)]
fn create_handle(shared: &Shared) -> bool {
    // TODO 1: nobody may put the handle's reference before it is taken.
    //@ 1 {
    let in_time = get(shared);
    shared.handle.complete();
    shared.handles.fetch_add(1, Relaxed);
    //@ 1 } instead: shared.handle.complete();\nshared.handles.fetch_add(1, Relaxed);\nlet in_time = get(shared);
    in_time
}

impl kernel::Module for LateGetMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                users: AtomicI32::new(1),
                handles: AtomicI32::new(0),
                handle <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_user = shared.clone();
        let _user = KThread::run(c_str!("user"), move |_ctx| user(&for_user))?;
        let in_time = create_handle(&shared);
        shared.done.wait_for_completion();
        let last = put(&shared);
        if !in_time {
            pr_info!("a reference was taken to an object that had gone\n");
        } else if !last {
            pr_info!("a reference is left, so the object is never freed\n");
        } else {
            pr_info!("the object was there for each reference\n");
        }
        Ok(LateGetMend)
    }
}
