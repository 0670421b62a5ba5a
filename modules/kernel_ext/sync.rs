// SPDX-License-Identifier: GPL-2.0

//! Values that several parts of a module share.

use crate::compat;
use kernel::{prelude::*, sync::Arc};

/// Moves `value` to the kernel's heap, where it stays until the last [`Arc`] to it is dropped.
///
/// Clone the `Arc` for each who shall use the value: the module, a thread's closure, a `/proc` entry.
///
/// # Errors
///
/// `ENOMEM`: there is no memory; `value` has been dropped.
///
/// # Context
///
/// May sleep.
pub fn shared<T>(value: T) -> Result<Arc<T>> {
    compat::arc(value)
}
