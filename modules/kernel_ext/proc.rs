// SPDX-License-Identifier: GPL-2.0

//! Files and folders in `/proc`.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! A file in `/proc` has no contents: whoever reads it makes the kernel call the module that made the
//! entry, and reads what the module says. Here a type says what can be read by implementing
//! [`ProcFile`]; a [`ProcEntry`] is the entry in `/proc` for a value of that type.

mod dir;

use core::{fmt, marker::PhantomData, ptr::NonNull};

pub use self::dir::ProcDir;
use self::dir::{check_name, pde_of, Dir};
use crate::{
    bindings,
    compat::{char_ptr, ffi, kbox, KBox},
    errno,
    teardown::{assert_fits_stack, Registration, Reserved, Teardown},
};
use kernel::{prelude::*, str::CStr, sync::Arc};

/// The value behind a file in `/proc`.
///
/// Several processes may have the file open at once, so each function is called with a shared
/// reference, by any process, and two of them at the same time. Implement it under `#[vtable]`, which
/// notes which of the functions you wrote.
///
/// # Examples
///
/// ```
/// use core::fmt::Write;
/// use kernel::prelude::*;
/// use kernel_ext::proc::{ProcFile, SeqFile};
///
/// struct Answer(u32);
///
/// #[vtable]
/// impl ProcFile for Answer {
///     fn show(&self, out: &mut SeqFile) -> Result {
///         writeln!(out, "The answer is {}", self.0)?;
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait ProcFile: Send + Sync + 'static {
    /// Writes to `out` what a reader shall read, from its beginning.
    ///
    /// Called when a process begins to read; what was written is kept until that process has read it,
    /// in however small pieces. Called again when the process reads from the beginning again or seeks,
    /// and when the text did not fit a page: the kernel then throws it away and asks anew with more
    /// room.
    ///
    /// An error is what the process's `read` fails with. The kernel does not take two of them from here:
    /// `EBUSY` replaces `EAGAIN`, and `EIO` replaces `EIOCBQUEUED`. A text of more than 4 MiB fails with `EFBIG`.
    ///
    /// # Context
    ///
    /// May sleep. As long as it runs, the entry, and so the module, cannot be removed: a call that
    /// never returns, or that panics on a kernel which goes on after an oops, makes `rmmod` wait for
    /// ever. After a panic the dead process also has the mutex of the open file; another process that shares the
    /// file and reads from it waits for ever, and the kernel looks at the dead one's memory, as it does for each mutex
    /// whose owner has died.
    fn show(&self, out: &mut SeqFile) -> Result;

    /// Runs when a process opens the file.
    ///
    /// # Context
    ///
    /// As [`show`](Self::show).
    fn open(&self) {}

    /// Runs when a file that a process had opened is closed: once for each [`open`](Self::open).
    ///
    /// If the entry is removed while files are open, this runs for them at that moment; they remain open
    /// for their processes, which can no longer read from them.
    ///
    /// # Context
    ///
    /// As [`show`](Self::show).
    fn release(&self) {}
}

/// Where [`ProcFile::show`] writes to. See `struct seq_file` in C.
///
/// Use it with [`write!`] and [`writeln!`], which need [`core::fmt::Write`] in scope.
///
/// # Invariants
///
/// `seq` is a `seq_file` whose `show` function is being called.
pub struct SeqFile {
    /// Makes `SeqFile` neither `Send` nor `Sync` too: the call is made in one task.
    seq: NonNull<bindings::seq_file>,
}

impl fmt::Write for SeqFile {
    /// Appends `text`. See `seq_write` in C.
    ///
    /// # Errors
    ///
    /// Fails if the text does not fit into the buffer. Return the error from `show`: the kernel then calls
    /// `show` again with twice the room, up to 4 MiB.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: By the type invariant the `seq_file` is valid, and its buffer ours to write to
        // while `show` is called. `text` is `text.len()` bytes long.
        match unsafe { bindings::seq_write(self.seq.as_ptr(), text.as_ptr().cast(), text.len()) } {
            0 => Ok(()),
            _ => Err(fmt::Error),
        }
    }
}

/// The C functions by which the kernel calls a `T`.
struct Calls<T>(PhantomData<T>);

impl<T: ProcFile> Calls<T> {
    /// Read through `seq_file`, which knows about short reads, seeking and reading again.
    const OPS: bindings::proc_ops = bindings::proc_ops {
        proc_flags: 0,
        proc_open: Some(Self::open),
        proc_read: None,
        proc_read_iter: Some(bindings::seq_read_iter),
        proc_write: None,
        proc_lseek: Some(bindings::seq_lseek),
        proc_release: Some(Self::release),
        proc_poll: None,
        proc_ioctl: None,
        #[cfg(CONFIG_COMPAT)]
        proc_compat_ioctl: None,
        proc_mmap: None,
        proc_get_unmapped_area: None,
    };

    /// # Safety
    ///
    /// `inode` is that of an entry whose data is a `T`, and the entry is not removed before the
    /// function returns; `file` is being opened. (`proc_reg_open` in C: it calls under `use_pde`,
    /// which `proc_remove` waits for.)
    unsafe extern "C" fn open(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> ffi::c_int {
        // SAFETY: By this function's contract the inode is one of `/proc`.
        let data = unsafe { bindings::kernel_ext_pde_data(inode) };
        // SAFETY: The file is being opened. `show` gets the data that it wants.
        let status = unsafe { bindings::single_open(file, Some(Self::show), data) };
        if status == 0 {
            // SAFETY: By this function's contract the data is a `T`, and stays for now.
            unsafe { &*data.cast::<T>() }.open();
        }
        status
    }

    /// # Safety
    ///
    /// As [`Self::open`]; the file was opened by it and is released once. (`close_pdeo` in C: called
    /// by whoever closes the file or by `proc_remove`, which either way waits for it.)
    unsafe extern "C" fn release(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> ffi::c_int {
        // SAFETY: By this function's contract the inode is one of `/proc`, and its data is a `T`.
        unsafe { &*bindings::kernel_ext_pde_data(inode).cast::<T>() }.release();
        // SAFETY: The file was opened by `single_open` and is not used later.
        unsafe { bindings::single_release(inode, file) }
    }

    /// # Safety
    ///
    /// `seq` was opened by `single_open` with data that is a `T`, and the entry is not removed before
    /// the function returns. (`proc_reg_read_iter` in C.)
    unsafe extern "C" fn show(
        seq: *mut bindings::seq_file,
        _position: *mut ffi::c_void,
    ) -> ffi::c_int {
        // SAFETY: By this function's contract `seq` is valid, and its `private` is a `T`.
        let this = unsafe { &*bindings::kernel_ext_seq_private(seq).cast::<T>() };
        let Some(seq) = NonNull::new(seq) else {
            return EINVAL.to_errno();
        };
        // INVARIANT: The kernel is calling the `show` function of `seq`.
        let shown = this.show(&mut SeqFile { seq });
        // SAFETY: By this function's contract `seq` is valid.
        match (
            unsafe { bindings::kernel_ext_seq_room(seq.as_ptr()) },
            shown,
        ) {
            (0, Ok(())) => 0,
            (0, Err(error)) => errno::of_read(error),
            (error, _) if error < 0 => error,
            // The kernel sees that the buffer was full, and calls `show` again, also after an error.
            _ => 0,
        }
    }
}

/// An entry in `/proc` that can be read, and the value behind it.
///
/// The entry lives as long as its handle: dropping the handle removes it. Removing waits for calls of
/// [`ProcFile`]'s functions that are under way, but not for those who have the file open: reads from
/// it fail with `EIO` from then on. So nobody can delay a module's removal by keeping its file open.
///
/// A handle that is leaked, in whatever way (a cycle of [`Arc`]s, a panic, [`core::mem::forget`]), leaves
/// the entry in `/proc`; then `rmmod` removes it, and a line in the kernel's log reports it.
///
/// # Context
///
/// Dropping sleeps. So do not drop a handle while a spinlock is held.
///
/// # Remaining hazards
///
/// - A function of [`ProcFile`], [`release`](ProcFile::release) among them, that waits for the removal of
///   its own entry waits for ever.
/// - A [`release`](ProcFile::release) that panics while its entry is removed, on a kernel that goes on after
///   an oops, makes `rmmod` wait for ever: other files may be open, and `release` runs for each of them.
///
/// # Examples
///
/// ```
/// use core::fmt::Write;
/// use kernel::{c_str, prelude::*};
/// use kernel_ext::proc::{ProcEntry, ProcFile, SeqFile};
///
/// struct Answer(u32);
///
/// #[vtable]
/// impl ProcFile for Answer {
///     fn show(&self, out: &mut SeqFile) -> Result {
///         writeln!(out, "The answer is {}", self.0)?;
///         Ok(())
///     }
/// }
///
/// # fn example() -> Result {
/// let entry = ProcEntry::new(c_str!("answer"), 0o444, None, Answer(42))?;
/// # drop(entry);
/// # Ok(())
/// # }
/// ```
#[must_use = "a handle that is dropped removes its entry at once"]
pub struct ProcEntry<T: ProcFile> {
    /// `None` when the entry has been removed.
    entry: Option<Registration<Entry<T>>>,
}

/// # Invariants
///
/// - `pde` is an entry that was made with `data` as its data, and is in `/proc` until this is torn down.
/// - `data` comes from [`KBox::into_raw`] of a `KBox<T>`, and is only read until the entry is removed.
struct Entry<T: ProcFile> {
    pde: NonNull<bindings::proc_dir_entry>,
    data: NonNull<T>,
    /// Dropped when the entry is gone: it goes before the folder that it is in.
    _parent: Option<Arc<Registration<Dir>>>,
}

// SAFETY: `proc_remove` may be called by any task, and `T` is `Send`, so it may be dropped there.
unsafe impl<T: ProcFile> Send for Entry<T> {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: ProcFile> Sync for Entry<T> {}

impl<T: ProcFile> Teardown for Entry<T> {
    type Value = ();

    const KIND: bindings::kernel_ext_kind = bindings::kernel_ext_kind_KERNEL_EXT_FILE;

    unsafe fn end(&self) {
        // When `proc_remove` returns, no call is under way and none can begin.
        // SAFETY: By the type invariant the entry is in `/proc`, and nobody uses it after this.
        unsafe { bindings::proc_remove(self.pde.as_ptr()) };
    }

    unsafe fn take(&self) {
        // SAFETY: By the type invariant the pointer is a box's, and with the entry gone it is ours.
        drop(unsafe { KBox::from_raw(self.data.as_ptr()) });
    }
}

impl<T: ProcFile> ProcEntry<T> {
    /// Makes a file `name` in the folder `parent`, or in `/proc` itself if that is `None`.
    ///
    /// `mode` says who may open the file, as for `chmod` (`0o644`); 0 is taken as `0o444`. Nobody can
    /// write to it: who may open it for writing gets `EIO` for a write. The file can be read before
    /// this function returns, so `data` must be ready. It has at most 1024 bytes and an alignment of at
    /// most 128, or the module does not compile: it is moved over the kernel's stack.
    ///
    /// See `proc_create_data` in C, and `proc_create_single_data` for a type without
    /// [`open`](ProcFile::open) and [`release`](ProcFile::release).
    ///
    /// # Errors
    ///
    /// `data` is dropped then. `EINVAL`: the name is empty, longer than 255 bytes, `.` or `..`, holds
    /// a slash, or is a number in `/proc` itself; or `mode` has bits beyond `0o7777`. `ENOMEM`: there
    /// is no memory, *or the name is taken*: the kernel does not distinguish the two. The kernel
    /// takes such a name for a bug of the module, which it reports with a warning and a stack trace in its
    /// log; the entry that was there is left alone.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(name: &CStr, mode: u16, parent: Option<&ProcDir>, data: T) -> Result<Self> {
        check_name(name, parent)?;
        if mode & !0o7777 != 0 {
            return Err(EINVAL);
        }
        const { assert_fits_stack::<T>() };
        let reserved = Reserved::new()?;
        let data = KBox::into_raw(kbox(data)?);
        let Some(pde) = Self::register(name, mode, parent, data) else {
            // SAFETY: The pointer is a box's, and there is no entry that has it.
            drop(unsafe { KBox::from_raw(data) });
            return Err(ENOMEM);
        };
        // SAFETY: A box's pointer is not null.
        let data = unsafe { NonNull::new_unchecked(data) };
        // INVARIANT: The entry has just been made with `data`.
        let entry = reserved.register(Entry {
            pde,
            data,
            _parent: parent.map(|parent| parent.0.clone()),
        });
        Ok(ProcEntry { entry: Some(entry) })
    }

    /// Removes the entry and drops its data, as dropping the handle does. Has no effect the second time.
    ///
    /// See `proc_remove` in C.
    ///
    /// # Context
    ///
    /// Sleeps until calls of [`ProcFile`]'s functions that are under way have returned.
    pub fn remove(&mut self) {
        drop(self.entry.take());
    }

    /// Puts the entry into `/proc`, if it can.
    fn register(
        name: &CStr,
        mode: u16,
        parent: Option<&ProcDir>,
        data: *mut T,
    ) -> Option<NonNull<bindings::proc_dir_entry>> {
        let (name, parent) = (char_ptr(name), pde_of(parent));
        if !T::HAS_OPEN && !T::HAS_RELEASE {
            // SAFETY: The name is NUL-terminated and is copied; the parent is `NULL` or a folder in
            // `/proc`. `show` fits the data, which stays until the entry has been removed.
            return NonNull::new(unsafe {
                let show = Some(Calls::<T>::show as _);
                bindings::proc_create_single_data(name, mode, parent, show, data.cast())
            });
        }
        // SAFETY: As above. The functions in the table fit the data. The table is the module's: the
        // kernel does not look at it when the entry has been removed, which `Kbuild` sees to.
        NonNull::new(unsafe {
            bindings::proc_create_data(name, mode, parent, &Calls::<T>::OPS, data.cast())
        })
    }
}
