// SPDX-License-Identifier: GPL-2.0

//! Values that several threads own together.

use crate::compat::{arc, arc_in_place};
use kernel::prelude::*;

pub use kernel::sync::Arc;

/// Moves `value` to the heap and returns the first [`Arc`] to it.
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

/// Makes the value of `init` on the heap and returns the first [`Arc`] to it.
///
/// For what must not move once it is made, such as a [`Mutex`](kernel::sync::Mutex): others have its
/// address.
///
/// # Errors
///
/// `ENOMEM`: there is too little memory; else the error of `init`.
///
/// # Context
///
/// May sleep.
///
/// # Examples
///
/// ```
/// use kernel::{new_mutex, prelude::*};
/// use kernel_ext::sync::shared_in_place;
///
/// # fn example() -> Result {
/// let count = shared_in_place(new_mutex!(0))?;
/// *count.lock() += 1;
/// # Ok(())
/// # }
/// ```
pub fn shared_in_place<T, E>(init: impl PinInit<T, E>) -> Result<Arc<T>>
where
    Error: From<E>,
{
    arc_in_place(init)
}
