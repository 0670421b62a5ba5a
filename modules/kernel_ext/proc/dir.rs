// SPDX-License-Identifier: GPL-2.0

//! Folders in `/proc`.

use core::ptr::NonNull;

use crate::{
    bindings,
    compat::{bytes, char_ptr},
    teardown::{Registration, Reserved, Teardown},
};
use kernel::{prelude::*, str::CStr, sync::Arc};

/// A folder in `/proc`.
///
/// It is removed when its handle, and all entries and folders that were made in it, have been
/// dropped, in whichever order: an entry keeps the folder that it is in.
///
/// # Examples
///
/// ```
/// use kernel::{c_str, prelude::*};
/// use kernel_ext::proc::ProcDir;
///
/// # fn example() -> Result {
/// let dir = ProcDir::new(c_str!("kmodlab"), None)?;
/// let within = ProcDir::new(c_str!("lessons"), Some(&dir))?; // /proc/kmodlab/lessons
/// # drop((dir, within));
/// # Ok(())
/// # }
/// ```
pub struct ProcDir(pub(super) Arc<Registration<Dir>>);

/// # Invariants
///
/// `pde` is a folder that `proc_mkdir_mode` made in `parent`, and is in `/proc` until this is torn down.
/// Every entry made in it holds an `Arc` of its registration.
pub(super) struct Dir {
    pde: NonNull<bindings::proc_dir_entry>,
    /// Dropped when the folder is gone: it goes before the folder that it is in.
    _parent: Option<Arc<Registration<Dir>>>,
}

// SAFETY: `proc_remove` may be called by any task; it locks for itself.
unsafe impl Send for Dir {}

// SAFETY: With a shared reference one can only make entries in the folder, for which the kernel locks.
unsafe impl Sync for Dir {}

impl Teardown for Dir {
    type Value = ();

    const KIND: bindings::kernel_ext_kind = bindings::kernel_ext_kind_KERNEL_EXT_FOLDER;

    unsafe fn end(&self) {
        // SAFETY: By the type invariant the folder is in `/proc`, and it is empty: all that was made
        // in it held an `Arc` and has been removed, or it was leaked and is newer, and the module's end
        // has removed it before. (`proc_remove` would free what is still in a folder.)
        unsafe { bindings::proc_remove(self.pde.as_ptr()) };
    }

    unsafe fn take(&self) {}
}

impl ProcDir {
    /// Makes a folder in the folder `parent`, or in `/proc` itself if that is `None`.
    ///
    /// Everybody may look into it (mode 0555). See `proc_mkdir` in C.
    ///
    /// # Errors
    ///
    /// As [`ProcEntry::new`](super::ProcEntry::new).
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(name: &CStr, parent: Option<&ProcDir>) -> Result<Self> {
        check_name(name, parent)?;
        let reserved = Reserved::new()?;
        // SAFETY: The name is NUL-terminated and is copied. The parent is `NULL` or, by the invariant
        // of `Dir`, a folder in `/proc`. It has a name that the kernel takes.
        let pde = unsafe { bindings::proc_mkdir_mode(char_ptr(name), 0o555, pde_of(parent)) };
        let pde = NonNull::new(pde).ok_or(ENOMEM)?;
        // INVARIANT: The folder has just been made. If there is no memory for the `Arc`, the value is
        // dropped and the folder with it. Only this file makes something in it, and sees to the `Arc`.
        let dir = reserved.register(Dir {
            pde,
            _parent: parent.map(|parent| parent.0.clone()),
        });
        Ok(ProcDir(Arc::new(dir, GFP_KERNEL)?))
    }
}

/// Returns the parent of an entry in C's form: `NULL` for `/proc` itself.
pub(super) fn pde_of(parent: Option<&ProcDir>) -> *mut bindings::proc_dir_entry {
    parent.map_or(core::ptr::null_mut(), |parent| parent.0.get().pde.as_ptr())
}

/// Returns `EINVAL` for names that the kernel answers with a warning in its log and a stack trace, or
/// would look for in another folder than the parent.
///
/// See `__proc_create` in C. A name of digits in `/proc` itself is a process's.
pub(super) fn check_name(name: &CStr, parent: Option<&ProcDir>) -> Result {
    let name = bytes(name);
    let refused = name.is_empty()
        || name.len() > 255
        || matches!(name, b"." | b"..")
        || name.contains(&b'/')
        || (parent.is_none() && name.iter().all(u8::is_ascii_digit));
    if refused {
        return Err(EINVAL);
    }
    Ok(())
}
