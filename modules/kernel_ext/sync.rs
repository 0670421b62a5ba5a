// SPDX-License-Identifier: GPL-2.0

//! What several threads own together.

use crate::compat::arc;
use kernel::prelude::*;

pub use kernel::sync::Arc;

/// Moves `value` to the heap and gives the first [`Arc`] to it.
///
/// Each `clone` of the `Arc` is one more owner; when the last is dropped, so is the value. A thread
/// that owns what it uses cannot find it gone.
///
/// # Errors
///
/// `ENOMEM`: there is too little memory. `value` is dropped then.
///
/// # Context
///
/// May sleep.
///
/// # Examples
///
/// ```
/// use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use kernel::prelude::*;
/// use kernel_ext::sync::shared;
///
/// # fn example() -> Result {
/// let beats = shared(AtomicU32::new(0))?;
/// let for_the_thread = beats.clone();
/// for_the_thread.fetch_add(1, Relaxed);
/// # Ok(())
/// # }
/// ```
pub fn shared<T>(value: T) -> Result<Arc<T>> {
    arc(value)
}
