// SPDX-License-Identifier: GPL-2.0
use kernel::prelude::*;
use kernel_ext::module_param;

module! {
    type: CourseHello,
    name: "course_hello",
    authors: ["A Student"],
    description: "A module that prints a word several times",
    license: "GPL",
}

module_param! {
    TIMES: i32 = 1,
    name: "times",
    description: "The number of lines",
}

struct CourseHello;

impl kernel::Module for CourseHello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        for line in 1..=TIMES.value() {
            pr_info!("{} @word@\n", line);
        }
        Ok(CourseHello)
    }
}

impl Drop for CourseHello {
    fn drop(&mut self) {
        pr_info!("bye\n");
    }
}
