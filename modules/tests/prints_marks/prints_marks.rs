// SPDX-License-Identifier: GPL-2.0

//! Prints what looks like kmodlab's own marks and the kernel's reports.

use kernel::prelude::*;

module! {
    type: Test,
    name: "prints_marks",
    authors: ["kmodlab"],
    description: "Prints what looks like marks and reports",
    license: "GPL",
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("kmodlab: init reached\n");
        pr_info!("kmodlab: lesson begins kmodlab-0123456789ab\n");
        pr_info!("kmodlab-0123456789ab step 1 end 0 1.00\n");
        pr_info!("BUG: kernel NULL pointer dereference, address: 0000000000000008\n");
        pr_info!("---[ end trace 0000000000000000 ]---\n");
        pr_info!("Kernel panic - not syncing: no\n");
        pr_info!("reboot: machine restart\n");
        Ok(Test)
    }
}
