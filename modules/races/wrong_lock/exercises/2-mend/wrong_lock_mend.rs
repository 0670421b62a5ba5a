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
    kthread::KThread,
};

module! {
    type: WrongLockMend,
    name: "wrong_lock_mend",
    authors: ["kmodlab"],
    description: "One stock under two locks",
    license: "GPL",
}

struct WrongLockMend;

#[pin_data]
struct Shared {
    // TODO 1: whoever sells must keep every other seller out.
    //@ 1 {
    #[pin]
    stock: Mutex<i32>,
    //@ 1 } instead: #[pin]\nshop: Mutex<()>,\n#[pin]\nweb: Mutex<()>,\nstock: AtomicI32,
    sales: AtomicI32,
    #[pin]
    done: Completion,
}

#[inline(never)]
//@ 1 {
fn sell(shared: &Shared) {
    let mut stock = shared.stock.lock();
    shared.sales.fetch_add(1, Relaxed);
    *stock -= 1;
}
//@ 1 } instead: fn sell(shared: &Shared, lock: &Mutex<()>) {\n    let _guard = lock.lock();
//@ 1 {
//@ 1 } instead: \n    let in_stock = shared.stock.load(Relaxed);\n    shared.sales.fetch_add(1, Relaxed);
//@ 1 {
//@ 1 } instead: \n    shared.stock.store(in_stock - 1, Relaxed);\n}

impl kernel::Module for WrongLockMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                //@ 1 {
                stock <- new_mutex!(10),
                //@ 1 } instead: shop <- new_mutex!(()),\nweb <- new_mutex!(()),\nstock: AtomicI32::new(10),
                sales: AtomicI32::new(0),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_web = shared.clone();
        let _web = KThread::run(c_str!("web"), move |_ctx| {
            //@ 1 {
            sell(&for_web);
            //@ 1 } instead: sell(&for_web, &for_web.web);
            for_web.done.complete();
        })?;
        //@ 1 {
        sell(&shared);
        //@ 1 } instead: sell(&shared, &shared.shop);
        shared.done.wait_for_completion();
        //@ 1 {
        let (sales, stock) = (shared.sales.load(Relaxed), *shared.stock.lock());
        //@ 1 } instead: let (sales, stock) = (shared.sales.load(Relaxed), shared.stock.load(Relaxed));
        pr_info!("{sales} of 10 sold, {stock} in stock\n");
        Ok(WrongLockMend)
    }
}
