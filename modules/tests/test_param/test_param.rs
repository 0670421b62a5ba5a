// SPDX-License-Identifier: GPL-2.0

//! Tests of `kernel_ext::param`: a parameter of each type.

use kernel::prelude::*;
use kernel_ext::module_param;

module! {
    type: TestParam,
    name: "test_param",
    authors: ["kmodlab"],
    description: "Tests of kernel_ext::param",
    license: "GPL",
}

module_param! {
    LOUD: bool = false,
    name: "loud",
    description: "a truth",
}

module_param! {
    BYTE: u8 = 1,
    name: "byte",
    description: "8 bits",
}

module_param! {
    SHORT: i16 = -2,
    name: "short",
    description: "16 bits with a sign",
}

module_param! {
    USHORT: u16 = 2,
    name: "ushort",
    description: "16 bits",
}

module_param! {
    INT: i32 = -3,
    name: "int",
    description: "32 bits with a sign",
}

module_param! {
    UINT: u32 = 3,
    name: "uint",
    description: "32 bits",
}

module_param! {
    LONG: i64 = -4,
    name: "long",
    description: "64 bits with a sign",
}

module_param! {
    ULLONG: u64 = 4,
    name: "ullong",
    description: "64 bits",
}

module_param! {
    WHOM: str<8> = "world",
    name: "whom",
    description: "a text of at most 7 bytes",
}

module_param! {
    SIZES: [u16; 3] = [1, 2, 3],
    name: "sizes",
    description: "at most three of 16 bits",
}

module_param! {
    FLAGS: [bool; 2] = [true, false],
    name: "flags",
    description: "at most two truths",
}

struct TestParam;

impl kernel::Module for TestParam {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("{} {} {}\n", LOUD.value(), BYTE.value(), SHORT.value());
        pr_info!("{} {} {}\n", USHORT.value(), INT.value(), UINT.value());
        pr_info!("{} {}\n", LONG.value(), ULLONG.value());
        pr_info!("hello, {}\n", WHOM.value());
        pr_info!("{:?} {:?}\n", SIZES.value(), FLAGS.value());
        Ok(TestParam)
    }
}
