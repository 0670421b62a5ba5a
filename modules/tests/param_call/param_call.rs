// SPDX-License-Identifier: GPL-2.0

//! A parameter that is a call.

use kernel::{prelude::*, str::CStr};
use kernel_ext::module_param_cb;

module! {
    type: Test,
    name: "param_call",
    authors: ["kmodlab"],
    description: "Test: a parameter that is a call",
    license: "GPL",
}

module_param_cb! {
    call: print,
    name: "print",
    description: "text to print, not a number",
}

fn print(text: &CStr) -> Result {
    let text = text.to_str().map_err(|_| EINVAL)?.trim_end();
    if text.parse::<u32>().is_ok() {
        return Err(EDOM);
    }
    pr_info!("written: {text}\n");
    Ok(())
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Test)
    }
}
