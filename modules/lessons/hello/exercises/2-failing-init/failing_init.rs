// SPDX-License-Identifier: GPL-2.0

//! A driver of a device that needs power and a clock, in this order.

use kernel::prelude::*;
use kernel_ext::module_param;

module! {
    type: FailingInit,
    name: "failing_init",
    authors: ["You"],
    description: "An init that can fail, and tidies up",
    license: "GPL",
}

module_param! {
    SPEED: i32 = 10,
    name: "speed",
    description: "The device's speed, from 1 to 100",
}

module_param! {
    CLOCK: bool = true,
    name: "clock",
    description: "Whether the machine has a clock for the device",
}

/// A part of the machine that is ours until this value is dropped.
struct Part {
    name: &'static str,
}

impl Part {
    /// Takes a part; fails if it is not there.
    fn take(name: &'static str, there: bool) -> Result<Self> {
        if !there {
            pr_err!("there is no {name}\n");
            return Err(ENODEV);
        }
        pr_info!("{name} taken\n");
        Ok(Part { name })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        pr_info!("{} given back\n", self.name);
    }
}

// TODO 3: let the clock be given back before the power. Rust drops fields in the order in which they
// stand.
struct FailingInit {
    //@ 3 {
    _clock: Part,
    _power: Part,
    //@ 3 } instead: _power: Part,\n_clock: Part,
}

impl kernel::Module for FailingInit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let speed = SPEED.value();
        // TODO 1: if the speed is not from 1 to 100, write `speed N is not from 1 to 100` to the log
        // as an error, and fail with `EINVAL`.
        //@ 1 {
        if !(1..=100).contains(&speed) {
            pr_err!("speed {speed} is not from 1 to 100\n");
            return Err(EINVAL);
        }
        //@ 1 }
        let power = Part::take("power", true)?;
        // TODO 2: let init fail with the same error if the clock cannot be taken.
        //@ 2 {
        let clock = Part::take("clock", CLOCK.value())?;
        //@ 2 } instead: let clock = Part::take("clock", CLOCK.value()).unwrap();
        pr_info!("running at speed {speed}\n");
        Ok(FailingInit {
            _power: power,
            _clock: clock,
        })
    }
}
