// SPDX-License-Identifier: GPL-2.0

//! `insmod` makes a request to a device, which a thread removes. The request looks whether the
//! device is being removed, and is counted after that, each under the lock.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: LateRequestMend,
    name: "late_request_mend",
    authors: ["kmodlab"],
    description: "A request that is counted too late",
    license: "GPL",
}

struct LateRequestMend;

struct Users {
    removing: bool,
    /// One for the device, and one for each request.
    count: i32,
}

#[pin_data]
struct Shared {
    #[pin]
    users: Mutex<Users>,
    powered: AtomicBool,
    #[pin]
    unused: Completion,
    #[pin]
    done: Completion,
}

fn put(shared: &Shared) {
    let mut users = shared.users.lock();
    users.count -= 1;
    if users.count == 0 {
        shared.unused.complete();
    }
}

/// Returns whether the device had power, or an error if it is being removed.
#[inline(never)]
fn request(shared: &Shared) -> Result<bool> {
    // TODO 1: the removal must wait for each request that is not refused.
    //@ 1 {
    let mut users = shared.users.lock();
    if users.removing {
        return Err(ENODEV);
    }
    users.count += 1;
    drop(users);
    //@ 1 } instead: if shared.users.lock().removing {\n    return Err(ENODEV);\n}\nshared.users.lock().count += 1;
    let had_power = shared.powered.load(Relaxed);
    put(shared);
    Ok(had_power)
}

fn remove_device(shared: &Shared) {
    shared.users.lock().removing = true;
    put(shared);
    shared.unused.wait_for_completion();
    shared.powered.store(false, Relaxed);
}

impl kernel::Module for LateRequestMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                users <- new_mutex!(Users { removing: false, count: 1 }),
                powered: AtomicBool::new(true),
                unused <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        // Nobody removes the device yet.
        let early = request(&shared);
        let for_remover = shared.clone();
        let _remover = KThread::run(c_str!("remover"), move |_ctx| {
            remove_device(&for_remover);
            for_remover.done.complete();
        })?;
        let late = request(&shared);
        shared.done.wait_for_completion();
        match (early, late) {
            (Err(_), _) => pr_info!("a request was refused before the removal\n"),
            (_, Ok(false)) => pr_info!("a request used a device without power\n"),
            _ => pr_info!("no request used a device without power\n"),
        }
        Ok(LateRequestMend)
    }
}
