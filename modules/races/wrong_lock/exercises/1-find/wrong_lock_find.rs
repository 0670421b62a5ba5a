// SPDX-License-Identifier: GPL-2.0

//! A shop and a web site sell from one stock, each under a lock of its own.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    delay::msleep,
    kthread::KThread,
};

module! {
    type: WrongLockFind,
    name: "wrong_lock_find",
    authors: ["kmodlab"],
    description: "One stock under two locks",
    license: "GPL",
}

struct WrongLockFind;

// TODO 1: add one call of `kernel_ext::delay::msleep(100)` to this module, so that
// one of two sales is lost.

#[pin_data]
struct Shared {
    #[pin]
    shop: Mutex<()>,
    #[pin]
    web: Mutex<()>,
    stock: AtomicI32,
    sales: AtomicI32,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn sell(shared: &Shared, lock: &Mutex<()>) {
    let _guard = lock.lock();
    let in_stock = shared.stock.load(Relaxed);
    //@ 1 {
    kernel_ext::delay::msleep(100);
    //@ 1 }
    shared.sales.fetch_add(1, Relaxed);
    shared.stock.store(in_stock - 1, Relaxed);
}

impl kernel::Module for WrongLockFind {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                shop <- new_mutex!(()),
                web <- new_mutex!(()),
                stock: AtomicI32::new(10),
                sales: AtomicI32::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_web = shared.clone();
        let _web = KThread::run(c_str!("web"), move |_ctx| {
            // The shop begins to sell in this time.
            msleep(50);
            sell(&for_web, &for_web.web);
            for_web.done.complete();
        })?;
        sell(&shared, &shared.shop);
        shared.done.wait_for_completion();
        let (sales, stock) = (shared.sales.load(Relaxed), shared.stock.load(Relaxed));
        pr_info!("{sales} of 10 sold, {stock} in stock\n");
        Ok(WrongLockFind)
    }
}
