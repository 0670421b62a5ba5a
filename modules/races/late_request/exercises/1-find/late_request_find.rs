// SPDX-License-Identifier: GPL-2.0

//! `insmod` makes a request to a device, which a thread removes. The request looks whether the
//! device is being removed, and is counted after that.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use kernel::{c_str, prelude::*, sync::Arc};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: LateRequestFind,
    name: "late_request_find",
    authors: ["kmodlab"],
    description: "A request that is counted too late",
    license: "GPL",
}

struct LateRequestFind;

// TODO 1: add one call of `msleep(100)` to this module, so that the request uses a device without
// power.

#[pin_data]
struct Shared {
    removing: AtomicBool,
    powered: AtomicBool,
    /// One for the device, and one for each request.
    users: AtomicI32,
    #[pin]
    unused: Completion,
    #[pin]
    done: Completion,
}

fn put(shared: &Shared) {
    if shared.users.fetch_sub(1, Relaxed) == 1 {
        shared.unused.complete();
    }
}

/// Returns whether the device had power, if the request was accepted.
#[inline(never)]
fn request(shared: &Shared) -> bool {
    if shared.removing.load(Relaxed) {
        return true;
    }
    // The device may go from here on, as nobody waits for this request.
    //@ 1 {
    msleep(100);
    //@ 1 }
    shared.users.fetch_add(1, Relaxed);
    let had_power = shared.powered.load(Relaxed);
    put(shared);
    had_power
}

fn remove_device(shared: &Shared) {
    shared.removing.store(true, Relaxed);
    put(shared);
    shared.unused.wait_for_completion();
    shared.powered.store(false, Relaxed);
}

impl kernel::Module for LateRequestFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                removing: AtomicBool::new(false),
                powered: AtomicBool::new(true),
                users: AtomicI32::new(1),
                unused <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_remover = shared.clone();
        let _remover = KThread::run(c_str!("remover"), move |_ctx| {
            // `insmod` checks the flag in this time.
            msleep(50);
            remove_device(&for_remover);
            for_remover.done.complete();
        })?;
        let powered = request(&shared);
        shared.done.wait_for_completion();
        if powered {
            pr_info!("no request used a device without power\n");
        } else {
            pr_info!("a request used a device without power\n");
        }
        Ok(LateRequestFind)
    }
}
