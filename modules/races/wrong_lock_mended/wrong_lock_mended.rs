// SPDX-License-Identifier: GPL-2.0

//! A shop and a web site sell from one stock, under the lock of the stock.

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
    type: WrongLockMended,
    name: "wrong_lock_mended",
    authors: ["kmodlab"],
    description: "One stock under one lock",
    license: "GPL",
}

struct WrongLockMended;

struct Stock {
    items: i32,
    sales: i32,
}

#[pin_data]
struct Shared {
    #[pin]
    stock: Mutex<Stock>,
    #[pin]
    done: Completion,
}

fn sell(shared: &Shared) {
    let mut stock = shared.stock.lock();
    stock.items -= 1;
    stock.sales += 1;
}

impl kernel::Module for WrongLockMended {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                stock <- new_mutex!(Stock { items: 10, sales: 0 }),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let for_web = shared.clone();
        let _web = KThread::run(c_str!("web"), move |_ctx| {
            sell(&for_web);
            for_web.done.complete();
        })?;
        sell(&shared);
        shared.done.wait_for_completion();
        let stock = shared.stock.lock();
        let (sales, items) = (stock.sales, stock.items);
        pr_info!("{sales} of 10 sold, {items} in stock\n");
        drop(stock);
        Ok(WrongLockMended)
    }
}
