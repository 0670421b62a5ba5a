// SPDX-License-Identifier: GPL-2.0

//! The differences between the kernels that this crate is built for.
//!
//! No other file of this crate, and no lesson, asks which kernel it is built for. `Kbuild` says it
//! with `--cfg kernel="6.7"`, `"6.12"` or `"7.3"`.

use core::ptr::NonNull;

use crate::bindings;
use kernel::{error::to_result, prelude::*, str::CStr, sync::Arc};

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

/// Returns the text in C's form.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
pub(crate) const fn char_ptr(text: &CStr) -> *const ffi::c_char {
    text.as_char_ptr()
}

/// Returns the text in C's form.
#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub(crate) const fn char_ptr(text: &CStr) -> *const ffi::c_char {
    text.as_ptr().cast()
}

/// Returns a text of C.
///
/// # Safety
///
/// `text` points to a text that ends with a NUL and does not change while the result is used.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
pub(crate) unsafe fn from_char_ptr<'a>(text: *const ffi::c_char) -> &'a CStr {
    // SAFETY: By this function's contract.
    unsafe { CStr::from_char_ptr(text) }
}

/// Returns a text of C.
///
/// # Safety
///
/// `text` points to a text that ends with a NUL and does not change while the result is used.
#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub(crate) unsafe fn from_char_ptr<'a>(text: *const ffi::c_char) -> &'a CStr {
    // SAFETY: By this function's contract.
    unsafe { CStr::from_ptr(text.cast()) }
}

/// Returns the bytes of the text, without the NUL at its end.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
pub(crate) fn bytes(text: &CStr) -> &[u8] {
    text.as_bytes()
}

/// Returns the bytes of the text, without the NUL at its end.
#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub(crate) fn bytes(text: &CStr) -> &[u8] {
    text.to_bytes()
}
