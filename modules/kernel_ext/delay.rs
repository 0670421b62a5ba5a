// SPDX-License-Identifier: GPL-2.0

//! Sleeping for a while.
//!
//! C header: [`include/linux/delay.h`](srctree/include/linux/delay.h)

use crate::{bindings, compat::ffi};

pub use crate::compat::Msecs;

/// Sleeps for at least `msecs` milliseconds.
///
/// Nothing shortens the sleep: neither a signal nor [`KThread::stop`], which waits until it is over.
/// The kernel counts in ticks (`CONFIG_HZ` of them a second) and rounds long sleeps up more than short
/// ones, by up to an eighth (`kernel/time/timer.c`). Measured at 250 ticks a second: 300 ms and 1 s lasted
/// up to 24 ms longer, 3 s 73 ms and 10 s 240 ms. A sleep is never shorter.
///
/// [`KThread::stop`]: crate::kthread::KThread::stop
///
/// # Context
///
/// Sleeps: not to be called while a spinlock is held or in an interrupt handler.
///
/// # Examples
///
/// ```
/// use kernel_ext::delay::msleep;
///
/// msleep(100);
/// ```
pub fn msleep(msecs: Msecs) {
    let mut left = msecs;
    while left > 0 {
        // The kernel takes 2^31 and more for a sleep without an end.
        let part = left.min(1 << 30);
        // SAFETY: `msleep` takes any number of milliseconds and touches no memory of ours.
        unsafe { bindings::msleep(part) };
        left -= part;
    }
}

/// Sleeps for at least `seconds` seconds.
///
/// Any number is slept in full, where C's `ssleep` wraps around after 49 days.
///
/// # Context
///
/// As [`msleep`].
pub fn ssleep(seconds: u32) {
    for _ in 0..seconds / PART {
        msleep(PART * 1000);
    }
    msleep(seconds % PART * 1000);
}

/// Seconds that are slept at once by [`ssleep`].
const PART: u32 = 1_000_000;

/// Returns the ticks that `msecs` milliseconds take, rounded up.
pub(crate) fn jiffies(msecs: Msecs) -> ffi::c_long {
    // The kernel takes 2^31 and more for a time without an end.
    let half = msecs / 2;
    // SAFETY: The function takes any number.
    let ticks = |part| unsafe { bindings::__msecs_to_jiffies(part) } as ffi::c_long;
    match i32::try_from(msecs) {
        Ok(_) => ticks(msecs),
        Err(_) => ticks(half) + ticks(msecs - half - 1) + ticks(1),
    }
}
