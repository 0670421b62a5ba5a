// SPDX-License-Identifier: GPL-2.0

//! Folders within folders.

use kernel::{c_str, prelude::*};
use kernel_ext::{module_param, proc::ProcDir};

module! {
    type: Test,
    name: "safe_deep_folders",
    authors: ["kmodlab"],
    description: "Folders within folders",
    license: "GPL",
}

module_param! {
    DEPTH: i32 = 300,
    name: "depth",
    description: "The depth",
}

struct Test {
    _dir: ProcDir,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut dir = ProcDir::new(c_str!("safe_deep_folders"), None)?;
        for _ in 0..DEPTH.value() {
            dir = ProcDir::new(c_str!("d"), Some(&dir))?;
        }
        pr_info!("{} made\n", DEPTH.value());
        Ok(Test { _dir: dir })
    }
}
