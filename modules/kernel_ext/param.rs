// SPDX-License-Identifier: GPL-2.0

//! A module's parameters: values that `insmod` is given, as in `insmod x.ko node=1`.
//!
//! C header: `include/linux/moduleparam.h`, C source: `kernel/params.c`
//!
//! The macro `module!` of the kernels that this crate is for has none. What C's `module_param` does
//! is little, and no code: it leaves the parameter's description in a table of the `.ko` file, which
//! the loader reads. [`module_param!`](crate::module_param) leaves the same there.

use core::{
    ptr::{addr_of, from_ref},
    sync::atomic::{AtomicI32, Ordering},
};

use crate::compat::ffi;
use kernel::{
    bindings::{kernel_param, kernel_param__bindgen_ty_1, module, param_ops_int},
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

/// An element of the table `__param`, which the loader looks through.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(#[allow(dead_code)] kernel_param);

// SAFETY: Nobody writes to an entry, and what its pointers point to is static; Rust code cannot even
// read it.
unsafe impl Sync for Entry {}

impl Entry {
    /// The entry of `param`: readable by everybody in `/sys/module/MODULE/parameters/NAME`.
    pub const fn new(name: &'static CStr, param: &'static IntParam) -> Self {
        Self(kernel_param {
            name: name.as_char_ptr(),
            mod_: addr_of!(__this_module).cast::<module>().cast_mut(),
            // An `int` of C and an `AtomicI32` have the same size and bits.
            ops: addr_of!(param_ops_int),
            perm: 0o444,
            level: -1,
            flags: 0,
            __bindgen_anon_1: kernel_param__bindgen_ty_1 {
                arg: from_ref(param).cast_mut().cast::<ffi::c_void>(),
            },
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
/// value that it has unless `insmod` is given another.
///
/// `name` is what is written behind `insmod`, and `description` what `modinfo` shows. What is no
/// number, or too large for an `int`, makes `insmod` fail. See `module_param` and `MODULE_PARM_DESC`
/// in C.
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

        const _: () = {
            const DESCRIPTION: &str = concat!("parm=", $name, ":", $description, "\0");
            const TYPE: &str = concat!("parmtype=", $name, ":int\0");

            #[used]
            #[link_section = "__param"]
            static ENTRY: $crate::param::Entry =
                $crate::param::Entry::new(::kernel::c_str!($name), &$param);

            #[used]
            #[link_section = ".modinfo"]
            static MODINFO_DESCRIPTION: [u8; DESCRIPTION.len()] = $crate::param::bytes(DESCRIPTION);

            #[used]
            #[link_section = ".modinfo"]
            static MODINFO_TYPE: [u8; TYPE.len()] = $crate::param::bytes(TYPE);
        };
    };
}
