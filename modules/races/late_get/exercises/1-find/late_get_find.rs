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
    type: LateGetFind,
    name: "late_get_find",
    authors: ["kmodlab"],
    description: "A reference that is taken too late",
    license: "GPL",
}

struct LateGetFind;

// TODO 1: add one call of `msleep(100)` to this module, so that the thread puts before `insmod`
// takes a reference.

#[pin_data]
struct Shared {
    /// Number of references to the object: one is `insmod`'s own.
    users: AtomicI32,
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
    msleep(50);
    put(shared);
    shared.done.complete();
}

#[inline(never)]
fn create_handle(shared: &Shared) -> bool {
    shared.handle.complete();
    // The user may put the handle's reference from here on.
    //@ 1 {
    msleep(100);
    //@ 1 }
    get(shared)
}

impl kernel::Module for LateGetFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                users: AtomicI32::new(1),
                handle <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_user = shared.clone();
        let _user = KThread::run(c_str!("user"), move |_ctx| user(&for_user))?;
        let in_time = create_handle(&shared);
        shared.done.wait_for_completion();
        put(&shared);
        if in_time {
            pr_info!("the object was there for each reference\n");
        } else {
            pr_info!("a reference was taken to an object that had gone\n");
        }
        Ok(LateGetFind)
    }
}
