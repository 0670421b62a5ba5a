// SPDX-License-Identifier: GPL-2.0

//! A module's parameters that are calls: the kernel gives to a function what root writes to a file.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::ptr::addr_of;

use crate::{
    bindings,
    compat::{ffi, from_char_ptr},
    errno,
};
use kernel::{
    bindings::{kernel_param, kernel_param_ops},
    prelude::{Result, EAGAIN},
    str::CStr,
};

/// A parameter that is a call: what is written to its file is given to a function.
/// [`module_param_cb!`](crate::module_param_cb) declares one.
pub struct CallParam {
    call: fn(&CStr) -> Result,
}

impl CallParam {
    #[doc(hidden)]
    pub const fn new(call: fn(&CStr) -> Result) -> Self {
        Self { call }
    }
}

/// The kernel's operations of a [`CallParam`].
#[repr(transparent)]
pub(crate) struct CallOps(kernel_param_ops);

// SAFETY: Nobody writes to it, and its function may be called by any thread.
unsafe impl Sync for CallOps {}

impl CallOps {
    /// Returns a pointer for an entry.
    pub(crate) const fn as_ptr(&'static self) -> *const kernel_param_ops {
        addr_of!(self.0)
    }
}

/// The only value. It is a constant, so that a module that has no such parameter does not contain it: a
/// static is compiled with this crate, and so is what it refers to.
pub(crate) const CALL_OPS: &CallOps = &CallOps(kernel_param_ops {
    flags: 0,
    set: Some(call),
    get: None,
    free: None,
});

/// Handles a value that the kernel has read; `param` is an entry for a [`CallParam`].
unsafe extern "C" fn call(value: *const ffi::c_char, param: *const kernel_param) -> ffi::c_int {
    // SAFETY: It reads a field of this module's, which is there while its code runs.
    if !unsafe { bindings::kernel_ext_is_live() } {
        return EAGAIN.to_errno();
    }
    // SAFETY: The entry is one that `Entry::call` has made, so its argument is a static `CallParam`.
    let param = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<CallParam>() };
    // SAFETY: The kernel gives no null pointer to what takes an argument, and `value` ends with a NUL.
    let value = unsafe { from_char_ptr(value) };
    match (param.call)(value) {
        Ok(()) => 0,
        Err(error) => errno::of_write(error),
    }
}

/// Declares a parameter that is a call: `call` is given what root writes to
/// `/sys/module/MODULE/parameters/NAME`, and what it returns is what the writer gets (`EIO` in place of
/// `EIOCBQUEUED`, which the kernel does not take here). `insmod` cannot set it (`EAGAIN`; without a value
/// `EINVAL`), nor can anybody before the module's `init` is over.
///
/// One such call at a time is made of a module, and the module stays while it is. A call is given at most
/// 4096 bytes of a longer text; `echo` ends a text with a line end. See `module_param_cb` in C.
///
/// # Remaining hazards
///
/// A call that never returns, or that panics on a kernel which goes on after an oops, has the mutex of the module's
/// parameters: whoever uses one of their files, and `rmmod`, waits for ever. After a panic the kernel looks at
/// the dead process's memory meanwhile, as it does for each mutex whose owner has died.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, str::CStr};
/// use kernel_ext::module_param_cb;
///
/// fn greet(whom: &CStr) -> Result {
///     pr_info!("Hello, {}\n", whom.to_str().map_err(|_| EINVAL)?.trim_end());
///     Ok(())
/// }
///
/// module_param_cb! {
///     call: greet,
///     name: "greet",
///     description: "whom to greet",
/// }
/// ```
#[macro_export]
macro_rules! module_param_cb {
    (
        call: $call:path,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        const _: () = {
            static PARAM: $crate::param_cb::CallParam = $crate::param_cb::CallParam::new($call);
            $crate::__param_entry!(call, PARAM, $name, "charp", $description);
        };
    };
}
