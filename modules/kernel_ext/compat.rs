// SPDX-License-Identifier: GPL-2.0

//! The differences between the kernels that this crate is built for.
//!
//! No other file of this crate, and no lesson, asks which kernel it is built for. `Kbuild` says it
//! with `--cfg kernel="6.7"`; what is not for 6.7 is for 6.12.

use core::ptr::NonNull;

use crate::bindings;
use kernel::{error::to_result, prelude::*, sync::Arc};

// The Rust names of C's types. From 6.12 on the kernel has its own (`char` is unsigned there).
#[cfg(kernel = "6.7")]
pub(crate) use core::ffi;
#[cfg(not(kernel = "6.7"))]
pub(crate) use kernel::ffi;

/// One value on the kernel's heap (`kmalloc`).
#[cfg(kernel = "6.7")]
pub(crate) type KBox<T> = Box<T>;
#[cfg(not(kernel = "6.7"))]
pub(crate) type KBox<T> = kernel::alloc::KBox<T>;

/// Moves `value` to the heap. May sleep; returns `ENOMEM` when there is no memory, and `value` is
/// dropped then.
#[cfg(kernel = "6.7")]
pub(crate) fn kbox<T>(value: T) -> Result<KBox<T>> {
    Box::init::<Error>(value)
}

/// Moves `value` to the heap. May sleep; returns `ENOMEM` when there is no memory, and `value` is
/// dropped then.
#[cfg(not(kernel = "6.7"))]
pub(crate) fn kbox<T>(value: T) -> Result<KBox<T>> {
    Ok(KBox::new(value, GFP_KERNEL)?)
}

/// Moves `value` to the heap, where several may own it. May sleep; gives `ENOMEM` when there is no
/// memory, and `value` is dropped then.
#[cfg(kernel = "6.7")]
pub(crate) fn arc<T>(value: T) -> Result<Arc<T>> {
    Ok(Arc::try_new(value)?)
}

/// Moves `value` to the heap, where several may own it. May sleep; gives `ENOMEM` when there is no
/// memory, and `value` is dropped then.
#[cfg(not(kernel = "6.7"))]
pub(crate) fn arc<T>(value: T) -> Result<Arc<T>> {
    Ok(Arc::new(value, GFP_KERNEL)?)
}

/// Makes the value of `init` on the heap, where several may own it. May sleep; returns `ENOMEM` when
/// there is no memory, and `init`'s own errors.
#[cfg(kernel = "6.7")]
pub(crate) fn arc_in_place<T, E>(init: impl PinInit<T, E>) -> Result<Arc<T>>
where
    Error: From<E>,
{
    Arc::pin_init(init)
}

/// Makes the value of `init` on the heap, where several may own it. May sleep; returns `ENOMEM` when
/// there is no memory, and `init`'s own errors.
#[cfg(not(kernel = "6.7"))]
pub(crate) fn arc_in_place<T, E>(init: impl PinInit<T, E>) -> Result<Arc<T>>
where
    Error: From<E>,
{
    Arc::pin_init(init, GFP_KERNEL)
}

/// Splits the value of a C function that returns either a pointer or `ERR_PTR(-errno)`.
///
/// The `kernel` crate has a function of this name, which modules cannot call on 6.7.
pub(crate) fn from_err_ptr<T>(ptr: *mut T) -> Result<NonNull<T>> {
    // As `IS_ERR` does: the last `MAX_ERRNO` addresses are negative error numbers instead.
    let value = ptr as isize;
    if (-(bindings::MAX_ERRNO as isize)..0).contains(&value) {
        to_result(value as ffi::c_int)?;
    }
    NonNull::new(ptr).ok_or(EINVAL)
}
