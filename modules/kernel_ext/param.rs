// SPDX-License-Identifier: GPL-2.0

//! A module's parameters: values that `insmod` is given, as in `insmod x.ko node=1`.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)
//!
//! In Linux 7.3 the macro `module!` itself has parameters, integers and `bool`s. C's `module_param` does little
//! and adds no code: it leaves the parameter's description in a table of the `.ko` file, which the loader
//! reads. [`module_param!`](crate::module_param) leaves the same there.

use core::{
    cell::UnsafeCell,
    ptr::{addr_of, from_ref},
};

use crate::{
    compat::{char_ptr, ffi, from_char_ptr},
    param_cb::{CallParam, CALL_OPS},
};
use kernel::{
    bindings::{kernel_param, kernel_param__bindgen_ty_1, kernel_param_ops, kparam_string, module},
    str::CStr,
    types::Opaque,
};

pub use crate::param_array::{ArrayParam, ArrayPlace};

extern "C" {
    /// The kernel's `struct module` of the module that this crate is linked into.
    static __this_module: Opaque<module>;
}

/// A type that a parameter can have.
///
/// # Safety
///
/// The functions of [`OPS`](Self::OPS) write a valid value of the type to a parameter, and nothing larger,
/// and no text of a value is longer than [`LONGEST`](Self::LONGEST) bytes.
pub unsafe trait ModuleParam: Copy + Sync + 'static {
    /// The kernel's operations for C's type of this size.
    #[doc(hidden)]
    const OPS: *const kernel_param_ops;

    /// The length of the longest value as a text.
    #[doc(hidden)]
    const LONGEST: usize;
}

macro_rules! module_param_types {
    ($($type:ident: $ops:ident, $longest:literal;)*) => {$(
        // SAFETY: `STANDARD_PARAM_DEF` and `param_set_bool` (kernel/params.c) write an integer of C of
        // this size, or a `bool` that is true or false. The longest text is that of the smallest or the
        // largest integer in decimal, or the `Y` or `N` of a `bool`.
        unsafe impl ModuleParam for $type {
            const OPS: *const kernel_param_ops = addr_of!(kernel::bindings::$ops);
            const LONGEST: usize = $longest;
        }
    )*};
}

module_param_types! {
    bool: param_ops_bool, 1;
    u8: param_ops_byte, 3;
    i16: param_ops_short, 6;
    u16: param_ops_ushort, 5;
    i32: param_ops_int, 11;
    u32: param_ops_uint, 10;
    i64: param_ops_long, 20;
    u64: param_ops_ullong, 20;
}

/// A parameter's value. [`module_param!`](crate::module_param) declares one.
pub struct ModuleParamAccess<T> {
    /// The kernel writes here before the module's `init` is called, and never again, because the file in
    /// `/sys/module` cannot be written.
    value: UnsafeCell<T>,
}

// SAFETY: No code of the module runs before the kernel has written the value. Then it is only read.
unsafe impl<T: Sync> Sync for ModuleParamAccess<T> {}

impl<T: ModuleParam> ModuleParamAccess<T> {
    /// Makes a parameter with this value unless `insmod` is given another.
    #[doc(hidden)]
    pub const fn new(default: T) -> Self {
        Self {
            value: UnsafeCell::new(default),
        }
    }

    /// Returns the value that `insmod` was given, or the default.
    pub fn value(&self) -> T {
        // SAFETY: The kernel writes the value before any code of the module runs, and never again. By the
        // contract of `ModuleParam` it is valid.
        unsafe { *self.value.get() }
    }
}

/// A parameter that is a text of less than `SIZE` bytes. [`module_param!`](crate::module_param) declares
/// one.
///
/// # Invariants
///
/// There is a NUL in the text.
pub struct StringParam<const SIZE: usize> {
    /// Written as [`ModuleParamAccess`]'s value is.
    text: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: As for `ModuleParamAccess`.
unsafe impl<const SIZE: usize> Sync for StringParam<SIZE> {}

impl<const SIZE: usize> StringParam<SIZE> {
    /// Makes a parameter with this text unless `insmod` is given another. Stops the compiler at a default
    /// that is too long.
    #[doc(hidden)]
    pub const fn new(default: &str) -> Self {
        let mut text = [0; SIZE];
        let mut at = 0;
        while at < default.len() {
            text[at] = default.as_bytes()[at];
            at += 1;
        }
        assert!(at < SIZE, "the default has no room for a NUL behind it");
        // INVARIANT: The last byte at least is a NUL.
        Self {
            text: UnsafeCell::new(text),
        }
    }

    /// Returns the text that `insmod` was given, or the default.
    pub fn value(&self) -> &CStr {
        // SAFETY: By the type invariant the text has a NUL; what the kernel writes ends with one
        // (`param_set_copystring`). It does so before any code of the module runs, and never again.
        unsafe { from_char_ptr(self.text.get().cast()) }
    }
}

/// The place of a [`StringParam`], as the kernel takes it.
#[doc(hidden)]
#[repr(transparent)]
pub struct StringPlace(#[allow(dead_code)] kparam_string);

// SAFETY: Nobody writes to it, and Rust code cannot even read it.
unsafe impl Sync for StringPlace {}

impl StringPlace {
    pub const fn new<const SIZE: usize>(param: &'static StringParam<SIZE>) -> Self {
        Self(kparam_string {
            maxlen: SIZE as ffi::c_uint,
            string: from_ref(param).cast_mut().cast(),
        })
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
    pub const fn value<T: ModuleParam>(
        name: &'static CStr,
        param: &'static ModuleParamAccess<T>,
    ) -> Self {
        let value = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, T::OPS, value, 0o444)
    }

    /// Returns the entry of a text, readable as a [`value`](Self::value). The text is copied, as by C's
    /// `module_param_string`: the kernel frees one of type `charp` before leaked threads are ended.
    pub const fn string(name: &'static CStr, place: &'static StringPlace) -> Self {
        let place = from_ref(place).cast_mut().cast::<ffi::c_void>();
        Self::new(
            name,
            addr_of!(kernel::bindings::param_ops_string),
            place,
            0o444,
        )
    }

    /// Returns the entry of a list, readable as a [`value`](Self::value).
    pub const fn array(name: &'static CStr, place: &'static ArrayPlace) -> Self {
        let place = from_ref(place).cast_mut().cast::<ffi::c_void>();
        Self::new(
            name,
            addr_of!(kernel::bindings::param_array_ops),
            place,
            0o444,
        )
    }

    /// Returns the entry of `param`: root alone may write to the file, and nobody may read it.
    pub const fn call(name: &'static CStr, param: &'static CallParam) -> Self {
        let param = from_ref(param).cast_mut().cast::<ffi::c_void>();
        Self::new(name, CALL_OPS.as_ptr(), param, 0o200)
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

/// Declares a parameter of the module: a static with a function `value`, which returns what `insmod` was
/// given, or the default.
///
/// The type is `bool`, `u8`, `i16`, `u16`, `i32`, `u32`, `i64` or `u64`; `[TYPE; LEN]` for one to `LEN` of
/// these with commas between them (at most 4095 bytes with the longest values), whose `value` is a slice of
/// those that were given; or `str<SIZE>` for a
/// text of less than `SIZE` bytes, whose `value` is a [`CStr`]. `name` is what is written behind `insmod`, and
/// `description` what `modinfo` shows. A value that does not fit the type, or one too many, makes `insmod`
/// fail. See `module_param`, `module_param_array`, `module_param_string` and `MODULE_PARM_DESC` in C.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use kernel_ext::module_param;
///
/// module_param! {
///     NODE: i32 = 0,
///     name: "node",
///     description: "where the memory comes from",
/// }
///
/// module_param! {
///     WHOM: str<16> = "world",
///     name: "whom",
///     description: "whom to greet",
/// }
///
/// module_param! {
///     SIZES: [u32; 4] = [64, 128, 256, 512],
///     name: "sizes",
///     description: "sizes in bytes of the blocks",
/// }
///
/// # fn example() {
/// pr_info!("Hello, {}, from node {}\n", WHOM.value(), NODE.value());
/// for size in SIZES.value() {
///     pr_info!("a block of {size} bytes\n");
/// }
/// # }
/// ```
///
/// [`CStr`]: kernel::str::CStr
#[macro_export]
macro_rules! module_param {
    (
        $param:ident: str<$size:literal> = $default:literal,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        static $param: $crate::param::StringParam<$size> =
            $crate::param::StringParam::new($default);
        const _: () = {
            static PLACE: $crate::param::StringPlace = $crate::param::StringPlace::new(&$param);
            $crate::__param_entry!(string, PLACE, $name, "string", $description);
        };
    };
    (
        $param:ident: [$type:ident; $len:literal] = $default:expr,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        static $param: $crate::param::ArrayParam<$type, $len> =
            $crate::param::ArrayParam::new($default);
        const _: () = {
            static PLACE: $crate::param::ArrayPlace = $crate::param::ArrayPlace::new(&$param);
            $crate::__param_entry!(
                array,
                PLACE,
                $name,
                concat!("array of ", $crate::__param_type!($type)),
                $description
            );
        };
    };
    (
        $param:ident: $type:ident = $default:expr,
        name: $name:literal,
        description: $description:literal $(,)?
    ) => {
        static $param: $crate::param::ModuleParamAccess<$type> =
            $crate::param::ModuleParamAccess::new($default);
        $crate::__param_entry!(
            value,
            $param,
            $name,
            $crate::__param_type!($type),
            $description
        );
    };
}

/// Returns C's name of a parameter's type, which `modinfo` shows.
#[doc(hidden)]
#[macro_export]
#[rustfmt::skip]
macro_rules! __param_type {
    (bool) => { "bool" };
    (u8) => { "byte" };
    (i16) => { "short" };
    (u16) => { "ushort" };
    (i32) => { "int" };
    (u32) => { "uint" };
    (i64) => { "long" };
    (u64) => { "ullong" };
}

/// Leaves a parameter's entry in the table, and its description and type in `.modinfo`.
#[doc(hidden)]
#[macro_export]
macro_rules! __param_entry {
    ($kind:ident, $param:ident, $name:literal, $type:expr, $description:literal) => {
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
