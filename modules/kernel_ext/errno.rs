// SPDX-License-Identifier: GPL-2.0

//! Errors of a module's functions that the kernel's code for files does not take.

use crate::compat::ffi;
use kernel::{error::Error, prelude::*};

/// Returns an error of a function that a `write` leads to, as the kernel takes it: a negative number.
///
/// `EIOCBQUEUED` means that the answer follows, which `new_sync_read` and `new_sync_write`
/// (`fs/read_write.c`) exclude with a `BUG_ON`. `EIO` replaces it.
pub(crate) fn of_write(error: Error) -> ffi::c_int {
    match error == EIOCBQUEUED {
        true => EIO,
        false => error,
    }
    .to_errno()
}

/// Returns an error of a function that a `read` or an `lseek` leads to, as the kernel takes it.
///
/// As [`of_write`]. With `EAGAIN`, `traverse` (`fs/seq_file.c`) says that its buffer was too small, and its
/// callers call it again, for as long as that is so, whatever signal comes. `EBUSY` replaces it.
pub(crate) fn of_read(error: Error) -> ffi::c_int {
    of_write(match error == EAGAIN {
        true => EBUSY,
        false => error,
    })
}
