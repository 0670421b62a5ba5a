// SPDX-License-Identifier: GPL-2.0

//! The differences between the kernels that this crate is built for.
//!
//! No other file of this crate, and no lesson, asks which kernel it is built for. `Kbuild` says it
//! with `--cfg kernel="6.7"`, `"6.12"` or `"7.3"`.

use core::ptr::NonNull;

use crate::bindings;
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
use kernel::types::Opaque;
use kernel::{error::to_result, prelude::*, str::CStr, sync::LockClassKey};

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

#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub(crate) use kernel::sync::aref::ARef;
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
pub(crate) use kernel::types::ARef;

/// A number of milliseconds.
#[cfg(kernel = "6.7")]
pub type Msecs = ffi::c_uint;
#[cfg(not(kernel = "6.7"))]
pub use kernel::time::Msecs;

/// A lockdep class that `static_lock_class!` has made.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
pub(crate) type LockClass = &'static LockClassKey;
/// A lockdep class that `static_lock_class!` has made.
#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub(crate) type LockClass = Pin<&'static LockClassKey>;

#[cfg(not(any(kernel = "6.7", kernel = "6.12")))]
pub use kernel::sync::Completion;

/// Something that will be done and can be waited for, as the `kernel` crate of later kernels has it.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
#[pin_data]
pub struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A completion belongs to no task: any may wait, complete, or free it when nobody uses it.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
unsafe impl Send for Completion {}

// SAFETY: All that can be done with a shared reference is done under the completion's own lock.
#[cfg(any(kernel = "6.7", kernel = "6.12"))]
unsafe impl Sync for Completion {}

#[cfg(any(kernel = "6.7", kernel = "6.12"))]
impl Completion {
    /// Returns an initialiser of a completion that is not done. See `init_completion` in C.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: The memory is that of a completion, and is initialised here.
                unsafe { bindings::kernel_ext_init_completion(slot) }
            }),
        })
    }

    /// Lets all waiters through, those to come as well.
    ///
    /// # Context
    ///
    /// Does not sleep. Not for interrupt handlers of a kernel with `CONFIG_PREEMPT_RT`.
    pub fn complete_all(&self) {
        // SAFETY: The completion is initialised, and it is valid as long as we borrow `self`.
        unsafe { bindings::complete_all(self.inner.get()) }
    }

    /// Sleeps until the completion is done. Nothing else ends the wait.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_for_completion(&self) {
        // SAFETY: As for `complete_all`.
        unsafe { bindings::wait_for_completion(self.inner.get()) }
    }
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
