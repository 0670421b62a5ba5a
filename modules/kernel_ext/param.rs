// SPDX-License-Identifier: GPL-2.0

//! A module's parameters: values that `insmod` is given, as in `insmod x.ko node=1`.
//!
//! C header: `include/linux/moduleparam.h`, C source: `kernel/params.c`
//!
//! The macro `module!` of this crate's kernels has no parameters. C's `module_param` does little and
//! adds no code: it leaves the parameter's description in a table of the `.ko` file, which
//! the loader reads. [`module_param!`](crate::module_param) leaves the same there.

use core::{
    ptr::{addr_of, from_ref},
    sync::atomic::{AtomicI32, Ordering},
};

use crate::{
    bindings,
    compat::{char_ptr, ffi, from_char_ptr},
};
use kernel::{
    bindings::{kernel_param, kernel_param__bindgen_ty_1, kernel_param_ops, module, param_ops_int},
    prelude::{Result, EAGAIN},
    str::CStr,
    types::Opaque,
};

extern "C" {
    /// The kernel's `struct module` of the module that this crate is linked into.
    static __this_module: Opaque<module>;
}

/// A parameter that is a C `int`. [`module_param!`](crate::module_param) declares one.
pub struct IntParam {
    // The kernel writes here before the module's `init` is called, and never again, for the file in
    // /sys/module cannot be written. It is atomic so that this is a variable to the compiler.
    value: AtomicI32,
}

impl IntParam {
    /// Makes a parameter with this value unless `insmod` is given another.
    #[doc(hidden)]
    pub const fn new(default: i32) -> Self {
        Self {
            value: AtomicI32::new(default),
        }
    }

    /// Returns the value that `insmod` was given, or the default.
    pub fn get(&self) -> i32 {
        self.value.load(Ordering::Relaxed)
    }
}

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
#[doc(hidden)]
#[repr(transparent)]
pub struct CallOps(kernel_param_ops);

// SAFETY: Nobody writes to it, and its function may be called by any thread.
unsafe impl Sync for CallOps {}

#[doc(hidden)]
pub static CALL_OPS: CallOps = CallOps(kernel_param_ops {
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
        Err(error) => error.to_errno(),
    }
}

/// An element of the table `__param`, which the loader looks through.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(#[allow(dead_code)] kernel_param);

// SAFETY: Nobody writes to an entry, and what its pointers point to is static; Rust code cannot even
// read it.
unsafe impl Sync for Entry {}

impl Entry {
    /// Returns the entry of `param`: readable by everybody in `/sys/module/MODULE/parameters/NAME`.
    pub const fn int(name: &'static CStr, param: &'static IntParam) -> Self {
        // An `int` of C and an `AtomicI32` have the same size and bits.
        let value = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, addr_of!(param_ops_int), value, 0o444)
    }

    /// Returns the entry of `param`: root alone may write to the file, and nobody may read it.
    pub const fn call(name: &'static CStr, param: &'static CallParam) -> Self {
        let param = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, addr_of!(CALL_OPS.0), param, 0o200)
    }

    const fn new(
        name: &'static CStr,
        ops: *const kernel_param_ops,
        argument: *mut ffi::c_void,
        perm: u16,
    ) -> Self {
        Self(kernel_param {
            name: char_ptr(name).cast(),
            mod_: addr_of!(__this_module).cast::<module>().cast_mut(),
            ops,
            perm,
            level: -1,
            flags: 0,
            __bindgen_anon_1: kernel_param__bindgen_ty_1 { arg: argument },
        })
    }
}

/// Returns the `N` bytes of `text` in the format of the section `.modinfo`.
#[doc(hidden)]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = text.as_bytes()[at];
        at += 1;
    }
    bytes
}

/// Declares a parameter of the module: a static of type [`IntParam`](crate::param::IntParam), with the
/// value that it has unless `insmod` is given another.
///
/// `name` is what is written behind `insmod`, and `description` what `modinfo` shows. A value
/// that is not an `int` makes `insmod` fail. See `module_param` and `MODULE_PARM_DESC` in C.
///
/// # Examples
///
/// ```
/// use kernel_ext::module_param;
///
/// module_param! {
///     NODE: i32 = 0,
///     name: "node",
///     description: "where the memory comes from",
/// }
///
/// # fn example() -> i32 {
/// NODE.get()
/// # }
/// ```
#[macro_export]
macro_rules! module_param {
    (
        $param:ident: i32 = $default:expr,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        static $param: $crate::param::IntParam = $crate::param::IntParam::new($default);
        $crate::__param_entry!(int, $param, $name, "int", $description);
    };
}

/// Declares a parameter that is a call: `call` is given what root writes to
/// `/sys/module/MODULE/parameters/NAME`, and what it returns is what the writer gets. `insmod` cannot
/// set it (`EAGAIN`), nor can anybody before the module's `init` is over.
///
/// One such call at a time is made of a module, and the module stays while it is. A text has less than
/// 4096 bytes; `echo` ends it with a line end. See `module_param_cb` in C.
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
            static PARAM: $crate::param::CallParam = $crate::param::CallParam::new($call);
            $crate::__param_entry!(call, PARAM, $name, "charp", $description);
        };
    };
}

/// Leaves a parameter's entry in the table, and its description and type in `.modinfo`.
#[doc(hidden)]
#[macro_export]
macro_rules! __param_entry {
    ($kind:ident, $param:ident, $name:literal, $type:literal, $description:literal) => {
        const _: () = {
            const DESCRIPTION: &str = concat!("parm=", $name, ":", $description, "\0");
            const TYPE: &str = concat!("parmtype=", $name, ":", $type, "\0");

            #[used]
            #[link_section = "__param"]
            static ENTRY: $crate::param::Entry =
                $crate::param::Entry::$kind(::kernel::c_str!($name), &$param);

            #[used]
            #[link_section = ".modinfo"]
            static MODINFO_DESCRIPTION: [u8; DESCRIPTION.len()] = $crate::param::bytes(DESCRIPTION);

            #[used]
            #[link_section = ".modinfo"]
            static MODINFO_TYPE: [u8; TYPE.len()] = $crate::param::bytes(TYPE);
        };
    };
}
