// SPDX-License-Identifier: GPL-2.0

//! A thread's value of 1 KiB owns the handle of a thread whose value does the same.

use kernel::{c_str, prelude::*};
use kernel_ext::{delay::msleep, kthread::KThread};

module! {
    type: Test,
    name: "safe_values",
    authors: ["kmodlab"],
    description: "Large values that own handles",
    license: "GPL",
}

struct Value {
    pad: [u64; 120],
    next: Option<KThread<Value>>,
}

/// Makes a chain of threads, each in the one before.
fn chain(length: u64) -> Option<KThread<Value>> {
    let next = length.checked_sub(1)?;
    let value = move || Value { pad: [length; 120], next: chain(next) };
    KThread::run(c_str!("value"), move |_ctx| value()).ok()
}

struct Test {
    first: Option<KThread<Value>>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Test { first: chain(60) })
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        if let Some(Ok(value)) = self.first.as_mut().map(KThread::stop) {
            pr_info!("{} {}\n", value.pad[0], value.next.is_some());
        }
        msleep(10);
    }
}
