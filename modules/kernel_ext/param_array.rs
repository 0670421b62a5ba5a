// SPDX-License-Identifier: GPL-2.0

//! A module's parameters that are lists of values.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::{cell::UnsafeCell, mem::size_of};

use crate::{compat::ffi, param::ModuleParam};
use kernel::bindings::kparam_array;

/// The size of a page of memory in bytes, on x86-64. Not every kernel's `kernel` crate has it.
const PAGE_SIZE: usize = 4096;

/// A parameter that is a list of at most `LEN` values. [`module_param!`](crate::module_param) declares
/// one.
///
/// # Invariants
///
/// `count` is at most `LEN`.
pub struct ArrayParam<T, const LEN: usize> {
    /// Written as [`ModuleParamAccess`](crate::param::ModuleParamAccess)'s value is.
    values: UnsafeCell<[T; LEN]>,
    /// The number of values that `insmod` was given, or `LEN`. Written as `values` is.
    count: UnsafeCell<ffi::c_uint>,
}

// SAFETY: As for `ModuleParamAccess`.
unsafe impl<T: Sync, const LEN: usize> Sync for ArrayParam<T, LEN> {}

impl<T: ModuleParam, const LEN: usize> ArrayParam<T, LEN> {
    /// Makes a parameter with these values unless `insmod` is given others. Stops the compiler at an array
    /// that is too long.
    #[doc(hidden)]
    pub const fn new(default: [T; LEN]) -> Self {
        // A reader of the file in `/sys/module` gets all values with a character behind each.
        // `param_array_get` (kernel/params.c) writes them to a page, and does not look where it ends.
        assert!(
            LEN * (T::LONGEST + 1) < PAGE_SIZE,
            "the values as a text do not fit a page of memory, 4096 bytes"
        );
        // INVARIANT: The count is `LEN`.
        Self {
            values: UnsafeCell::new(default),
            count: UnsafeCell::new(LEN as ffi::c_uint),
        }
    }

    /// Returns the values that `insmod` was given, or the default's.
    pub fn value(&self) -> &[T] {
        // SAFETY: The kernel writes both before any code of the module runs, and never again. By the
        // contract of `ModuleParam` the values are valid.
        let (values, count) = unsafe { (&*self.values.get(), *self.count.get()) };
        // By the type invariant nothing is cut off.
        &values[..LEN.min(count as usize)]
    }
}

/// The place of an [`ArrayParam`], as the kernel takes it.
#[doc(hidden)]
#[repr(transparent)]
pub struct ArrayPlace(#[allow(dead_code)] kparam_array);

// SAFETY: Nobody writes to it, and Rust code cannot even read it.
unsafe impl Sync for ArrayPlace {}

impl ArrayPlace {
    pub const fn new<T: ModuleParam, const LEN: usize>(param: &'static ArrayParam<T, LEN>) -> Self {
        // `param_array` (kernel/params.c) writes at most `max` values of `elemsize` bytes each, and their
        // number to `num`.
        Self(kparam_array {
            max: LEN as ffi::c_uint,
            elemsize: size_of::<T>() as ffi::c_uint,
            num: param.count.get(),
            ops: T::OPS,
            elem: param.values.get().cast(),
        })
    }
}
