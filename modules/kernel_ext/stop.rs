// SPDX-License-Identifier: GPL-2.0

//! Stopping the tasks that come to certain instructions of another module, to see what happens when
//! they are late there.
//!
//! C header: `include/linux/kprobes.h`, `Documentation/trace/kprobes.rst`

use core::{
    cell::UnsafeCell,
    fmt::Write as _,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use crate::{
    bindings,
    compat::{ffi, kbox, KBox},
};
use kernel::{error::to_result, fmt, prelude::*, str::CStr, str::CString};

/// So many places can be watched.
pub const PLACES: usize = 256;

/// An instruction of a module.
struct Place {
    /// `MODULE:FUNCTION`, as kallsyms knows it.
    function: CString,
    /// Bytes from the function's beginning.
    offset: u32,
    /// What the breakpoint is registered with. Only [`Place::set`] touches it.
    kprobe: UnsafeCell<MaybeUninit<bindings::kprobe>>,
    /// Where the instruction is while it has a breakpoint, else 0.
    address: AtomicUsize,
}

/// The places of one module.
struct Watch {
    notifier: UnsafeCell<bindings::notifier_block>,
    module: CString,
    places: [Option<KBox<Place>>; PLACES],
    hook: fn(usize),
    /// Told how many breakpoints the kernel has refused, each time the module comes.
    set: fn(usize),
}

/// The one watch that there is.
static WATCH: AtomicPtr<Watch> = AtomicPtr::new(null_mut());

/// From now on, each time a module of this name is loaded, a task that comes to one of the places in
/// it calls `hook` with the place's number, from 0, before it executes the instruction there. The
/// module's own `init` is watched too.
///
/// A place is a function's name, as `/proc/kallsyms` has it, and a distance from its beginning, in
/// bytes. Where no instruction begins, or one that may have no breakpoint, the kernel refuses it: `set`
/// is called with the number of these when the module has come.
///
/// `hook` is called by the task itself, in the middle of what it was doing: with a lock held, perhaps,
/// or in an interrupt. What it calls in the watched module is watched too.
///
/// There can be one watch, and it stays. The module that has asked for it cannot be unloaded any more:
/// nobody knows when the last task has left its code. It can ask once its `init` is over: a module whose
/// `init` fails is freed whatever it has asked for, and the kernel would go on to call what was there.
///
/// # Errors
///
/// `EAGAIN`: the module's `init` is not over. `EBUSY`: there is a watch. `E2BIG`: more than [`PLACES`]
/// places. `ENOMEM`: no memory.
///
/// # Context
///
/// May sleep.
pub fn watch<'a>(
    module: &str,
    places: impl Iterator<Item = (&'a str, u32)>,
    hook: fn(usize),
    set: fn(usize),
) -> Result {
    // SAFETY: `stopped` may be called at any time: it looks at `WATCH`. Its code stays where it is, for
    // the function takes a reference on this module, which is past its `init`, and nobody gives it back.
    to_result(unsafe { bindings::kernel_ext_stop_hook(Some(stopped)) })?;
    let mut watch = kbox(Watch {
        notifier: UnsafeCell::new(bindings::notifier_block {
            notifier_call: Some(notified),
            next: null_mut(),
            priority: 0,
        }),
        module: CString::try_from_fmt(fmt!("{module}"))?,
        places: [const { None }; PLACES],
        hook,
        set,
    })?;
    for (number, (function, offset)) in places.enumerate() {
        *watch.places.get_mut(number).ok_or(E2BIG)? = Some(kbox(Place {
            function: CString::try_from_fmt(fmt!("{module}:{function}"))?,
            offset,
            kprobe: UnsafeCell::new(MaybeUninit::uninit()),
            address: AtomicUsize::new(0),
        })?);
    }
    let watch = KBox::into_raw(watch);
    if WATCH
        .compare_exchange(null_mut(), watch, Ordering::Release, Ordering::Relaxed)
        .is_err()
    {
        // SAFETY: It came from `into_raw` above, and nobody else has got it.
        drop(unsafe { KBox::from_raw(watch) });
        return Err(EBUSY);
    }
    // SAFETY: The notifier is never freed nor moved, for `WATCH` has it and stays, and the module that
    // `notified` is in stays too, see above. The kernel links it into a list under a lock of the list's own.
    to_result(unsafe { bindings::register_module_notifier((*watch).notifier.get()) })
}

fn the_watch() -> Option<&'static Watch> {
    // SAFETY: What `WATCH` points to, once it does, is never freed, and there are only shared references
    // to it: what changes in it is in cells.
    unsafe { WATCH.load(Ordering::Acquire).as_ref() }
}

/// The kernel calls this when a module comes or goes, with `data` pointing to the module.
extern "C" fn notified(
    _: *mut bindings::notifier_block,
    event: ffi::c_ulong,
    data: *mut ffi::c_void,
) -> ffi::c_int {
    let module = data.cast::<bindings::module>();
    // SAFETY: The module is there while its notifiers are called, and its name ends with a NUL.
    let name = unsafe { CStr::from_char_ptr((*module).name.as_ptr()) };
    let coming = event == bindings::module_state_MODULE_STATE_COMING as ffi::c_ulong;
    if let Some(watch) = the_watch() {
        if coming && name.as_bytes() == watch.module.as_bytes() {
            let places = watch.places.iter().flatten();
            (watch.set)(places.filter(|place| place.set().is_err()).count());
        }
    }
    bindings::NOTIFY_DONE as ffi::c_int
}

impl Place {
    /// Puts a breakpoint here, in the module that has just been loaded. Of a name there is one module at
    /// a time and it comes once, so nobody else is in this function for the same place.
    fn set(&self) -> Result {
        let kprobe = self.kprobe.get().cast::<bindings::kprobe>();
        if self.address.swap(0, Ordering::Relaxed) != 0 {
            // SAFETY: It was registered when the module was there before, and is not any more after this.
            unsafe { bindings::unregister_kprobe(kprobe) };
        }
        // SAFETY: It is not registered, so it is ours alone, and zeros are a valid `kprobe`. The name is
        // never freed, nor is this place.
        unsafe {
            kprobe.write_bytes(0, 1);
            (*kprobe).symbol_name = self.function.as_char_ptr();
            (*kprobe).offset = self.offset;
        }
        // SAFETY: The fields are as `register_kprobe` wants them, and it stays where it is for good.
        to_result(unsafe { bindings::kernel_ext_stop_before(kprobe) })?;
        // SAFETY: The kernel has filled the address in, and leaves it as it is.
        let address = unsafe { (*kprobe).addr };
        self.address.store(address as usize, Ordering::Relaxed);
        Ok(())
    }

    fn is_at(&self, address: usize) -> bool {
        self.address.load(Ordering::Relaxed) == address
    }
}

/// A task has come to this address.
extern "C" fn stopped(address: ffi::c_ulong) {
    let Some(watch) = the_watch() else { return };
    let mut places = watch.places.iter().flatten();
    if let Some(number) = places.position(|place| place.is_at(address as usize)) {
        (watch.hook)(number);
    }
}

/// Keeps the calling task here for about `nanoseconds`. It sleeps, where it may; else it spins, but no
/// longer than `spin` nanoseconds. Returns how long it was, in nanoseconds.
///
/// # Context
///
/// Any.
pub fn hold_up(nanoseconds: u64, spin: u64) -> u64 {
    let begin = now();
    // SAFETY: The function looks itself at what it may do where it is called.
    unsafe { bindings::kernel_ext_hold_up(nanoseconds, spin) };
    now() - begin
}

/// The clock of the kernel's log and of what it traces, in nanoseconds since it
/// booted.
///
/// # Context
///
/// Any.
pub fn now() -> u64 {
    // SAFETY: The function may be called anywhere, and touches no memory of ours.
    unsafe { bindings::local_clock() }
}

/// The running task, written as its name and its number: `insmod/123`.
pub struct Current {
    name: [ffi::c_char; bindings::TASK_COMM_LEN as usize],
    pid: i32,
}

impl Current {
    /// Asks the kernel which it is.
    ///
    /// # Context
    ///
    /// Any; in an interrupt it is the task that was interrupted.
    pub fn get() -> Self {
        let mut name = [0; bindings::TASK_COMM_LEN as usize];
        // SAFETY: There is room for a name, and the function ends it with a NUL.
        let pid = unsafe { bindings::kernel_ext_current(name.as_mut_ptr()) };
        Self { name, pid }
    }
}

impl core::fmt::Display for Current {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for &byte in self.name.iter().take_while(|byte| **byte != 0) {
            f.write_char(char::from(byte as u8))?;
        }
        write!(f, "/{}", self.pid)
    }
}

/// Writes a line for the host to QEMU's debug console (`isa-debugcon`), past the kernel's log: it is
/// there at once, whatever becomes of the guest. What is beyond 120 bytes is lost.
///
/// # Context
///
/// Any but an NMI.
pub fn tell_host(text: core::fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; LINE],
        length: 0,
    };
    // What has no room is left out.
    let _ = line.write_fmt(text);
    line.bytes[line.length] = b'\n';
    // SAFETY: The line has so many bytes. Its port is QEMU's debug console, or nobody's: there is nothing
    // that the machine would do for it.
    unsafe {
        bindings::kernel_ext_debug_console(
            line.bytes.as_ptr().cast(),
            line.length as ffi::c_ulong + 1,
        );
    }
}

/// A line's bytes with its end.
const LINE: usize = 121;

struct Line {
    bytes: [u8; LINE],
    /// Always less than [`LINE`].
    length: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let count = text.len().min(LINE - 1 - self.length);
        self.bytes[self.length..][..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}
