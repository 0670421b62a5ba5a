// SPDX-License-Identifier: GPL-2.0

//! Sleeping for a while.
//!
//! C header: `include/linux/delay.h`

use crate::bindings;

/// Sleeps for at least `msecs` milliseconds.
///
/// Nothing shortens the sleep: neither a signal nor [`KThread::stop`], which waits until it is over.
/// The kernel counts in ticks (`CONFIG_HZ` of them a second) and rounds up, so that a sleep of
/// 1000 ms lasts up to two ticks longer.
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
pub fn msleep(msecs: u32) {
    // SAFETY: `msleep` takes any number of milliseconds and touches no memory of ours.
    unsafe { bindings::msleep(msecs) }
}

/// Sleeps for at least `seconds` seconds.
///
/// More than 4,294,967 seconds (some 49 days) are taken as that many, where C's `ssleep` wraps
/// around and sleeps too short.
///
/// # Context
///
/// As [`msleep`].
pub fn ssleep(seconds: u32) {
    msleep(seconds.saturating_mul(1000));
}
