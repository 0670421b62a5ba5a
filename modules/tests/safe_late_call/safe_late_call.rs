// SPDX-License-Identifier: GPL-2.0

//! A call that is there after the module has been dropped.

use kernel::{prelude::*, str::CStr};
use kernel_ext::{delay::msleep, module_param_cb};

module! {
    type: Test,
    name: "safe_late_call",
    authors: ["kmodlab"],
    description: "A call that is there after the module has been dropped",
    license: "GPL",
}

module_param_cb! {
    call: received,
    name: "send",
    description: "anything",
}

fn received(_text: &CStr) -> Result {
    for second in 0..5 {
        pr_info!("call: {second}\n");
        msleep(200);
    }
    Ok(())
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        pr_info!("dropped\n");
    }
}
