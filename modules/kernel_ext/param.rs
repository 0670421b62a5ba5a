// SPDX-License-Identifier: GPL-2.0

//! A module's parameters: values that `insmod` is given, as in `insmod x.ko node=1`.
//!
//! C header: `include/linux/moduleparam.h`, C source: `kernel/params.c`
//!
//! The macro `module!` of the kernels that this crate is for has none. What C's `module_param` does
//! is little, and no code: it leaves the parameter's description in a table of the `.ko` file, which
//! the loader reads. [`module_param!`](crate::module_param) leaves the same there.

use core::{
    ptr::{addr_of, from_ref, null_mut},
    sync::atomic::{AtomicI32, AtomicPtr, Ordering},
};

use crate::{bindings, compat::ffi};
use kernel::{
    bindings::{kernel_param, kernel_param__bindgen_ty_1, kernel_param_ops, module, param_ops_int},
    prelude::ENOMEM,
    str::CStr,
    types::Opaque,
};

extern "C" {
    /// What the module that this crate is linked into is for the kernel.
    static __this_module: Opaque<module>;
}

/// A parameter that is a C `int`. [`module_param!`](crate::module_param) declares one.
pub struct IntParam {
    // The kernel writes here before the module's `init` is called, and never again, for the file in
    // /sys/module cannot be written. It is atomic so that this is a variable to the compiler.
    value: AtomicI32,
}

impl IntParam {
    /// A parameter with this value unless `insmod` is given another.
    #[doc(hidden)]
    pub const fn new(default: i32) -> Self {
        Self {
            value: AtomicI32::new(default),
        }
    }

    /// The value that `insmod` was given, or the default.
    pub fn get(&self) -> i32 {
        self.value.load(Ordering::Relaxed)
    }
}

/// A parameter that is text, of any length, where C's `charp` has no more than 1024 bytes. [`module_param!`](crate::module_param) declares one.
pub struct TextParam {
    // The kernel writes here before the module's `init` is called, and never again, for the file in
    // /sys/module cannot be written. It frees the text when the module is gone.
    value: AtomicPtr<ffi::c_char>,
}

impl TextParam {
    /// A parameter that has no value unless `insmod` is given one.
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self {
            value: AtomicPtr::new(null_mut()),
        }
    }

    /// The text that `insmod` was given, if any.
    pub fn get(&self) -> Option<&CStr> {
        let text = self.value.load(Ordering::Relaxed);
        // SAFETY: What the kernel wrote here is a string that ends with a NUL, which nobody changes, and
        // which is there for as long as the module.
        (!text.is_null()).then(|| unsafe { CStr::from_char_ptr(text) })
    }
}

/// What reads and writes a [`TextParam`]: as `param_ops_charp`.
#[doc(hidden)]
#[repr(transparent)]
pub struct TextOps(kernel_param_ops);

// SAFETY: Nobody writes to it, and its functions may be called by any thread.
unsafe impl Sync for TextOps {}

#[doc(hidden)]
pub static TEXT_OPS: TextOps = TextOps(kernel_param_ops {
    flags: 0,
    set: Some(set_text),
    get: Some(bindings::param_get_charp),
    free: Some(free_text),
});

/// The kernel has read a value; `param` is an entry for a [`TextParam`].
unsafe extern "C" fn set_text(value: *const ffi::c_char, param: *const kernel_param) -> ffi::c_int {
    // SAFETY: `value` ends with a NUL.
    let copy = unsafe { bindings::kernel_ext_copy_text(value) };
    if copy.is_null() {
        return ENOMEM.to_errno();
    }
    // SAFETY: The entry's argument is a static `TextParam`, see `Entry::text`.
    let old = unsafe { of_text(param) }
        .value
        .swap(copy, Ordering::Relaxed);
    // SAFETY: It is null or came from the function above, when `insmod` was given two values; nobody
    // has read it yet, for the module has not begun.
    unsafe { bindings::kernel_ext_free_text(old) };
    0
}

/// The module is gone; `argument` is a [`TextParam`].
unsafe extern "C" fn free_text(argument: *mut ffi::c_void) {
    // SAFETY: See `Entry::text`.
    let text = unsafe { &*argument.cast::<TextParam>() };
    // SAFETY: It is null or came from `kernel_ext_copy_text`, and the code that could read it is gone.
    unsafe { bindings::kernel_ext_free_text(text.value.swap(null_mut(), Ordering::Relaxed)) };
}

/// The parameter of an entry.
///
/// # Safety
///
/// The entry is one that `Entry::text` has made.
unsafe fn of_text<'a>(param: *const kernel_param) -> &'a TextParam {
    // SAFETY: By the caller's promise, the argument is a static `TextParam`.
    unsafe { &*(*param).__bindgen_anon_1.arg.cast::<TextParam>() }
}

/// An element of the table `__param`, which the loader looks through.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(#[allow(dead_code)] kernel_param);

// SAFETY: Nobody writes to an entry, and what its pointers point to is static; Rust code cannot even
// read it.
unsafe impl Sync for Entry {}

impl Entry {
    /// The entry of `param`: readable by everybody in `/sys/module/MODULE/parameters/NAME`.
    pub const fn int(name: &'static CStr, param: &'static IntParam) -> Self {
        // An `int` of C and an `AtomicI32` have the same size and bits.
        let value = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, addr_of!(param_ops_int), value)
    }

    /// The same, of a text.
    pub const fn text(name: &'static CStr, param: &'static TextParam) -> Self {
        // `param_get_charp` reads a pointer, and an `AtomicPtr` has the same size and bits.
        let value = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, addr_of!(TEXT_OPS.0), value)
    }

    const fn new(
        name: &'static CStr,
        ops: *const kernel_param_ops,
        value: *mut ffi::c_void,
    ) -> Self {
        Self(kernel_param {
            name: name.as_char_ptr(),
            mod_: addr_of!(__this_module).cast::<module>().cast_mut(),
            ops,
            perm: 0o444,
            level: -1,
            flags: 0,
            __bindgen_anon_1: kernel_param__bindgen_ty_1 { arg: value },
        })
    }
}

/// The bytes of `text`, which are `N`, as the section `.modinfo` wants them.
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
/// value that it has unless `insmod` is given another, or [`TextParam`](crate::param::TextParam), which
/// has none then.
///
/// `name` is what is written behind `insmod`, and `description` what `modinfo` shows. What is no
/// number, or too large for an `int`, makes `insmod` fail. See `module_param` and `MODULE_PARM_DESC` in C.
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
/// module_param! {
///     LABEL: str,
///     name: "label",
///     description: "what to call it",
/// }
///
/// # fn example() -> (i32, Option<&'static kernel::str::CStr>) {
/// (NODE.get(), LABEL.get())
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
        $crate::module_param!(@entry int, $param, $name, "int", $description);
    };
    (
        $param:ident: str,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        static $param: $crate::param::TextParam = $crate::param::TextParam::new();
        $crate::module_param!(@entry text, $param, $name, "charp", $description);
    };
    (@entry $kind:ident, $param:ident, $name:literal, $type:literal, $description:literal) => {
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
