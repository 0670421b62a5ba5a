// SPDX-License-Identifier: GPL-2.0

//! Breakpoints at instructions of another module, whose hook may delay the tasks that reach them. It
//! serves `modules/tools/perturb`.
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
    compat::{bytes, char_ptr, ffi, from_char_ptr, kbox, KBox},
};
use kernel::{error::to_result, fmt, prelude::*, str::CStr, str::CString};

/// Maximum number of places.
pub const PLACES: usize = 256;

/// An instruction of a module.
struct Place {
    /// `MODULE:FUNCTION`, as kallsyms knows it.
    function: CString,
    /// Bytes from the function's beginning.
    offset: u32,
    /// The registration of the breakpoint. Only [`Place::set`] accesses it.
    kprobe: UnsafeCell<MaybeUninit<bindings::kprobe>>,
    /// The instruction's address while it has a breakpoint, otherwise 0.
    address: AtomicUsize,
}

/// The places of one module.
struct Watch {
    notifier: UnsafeCell<bindings::notifier_block>,
    module: CString,
    places: [Option<KBox<Place>>; PLACES],
    hook: fn(usize),
    /// Called with the number of refused breakpoints, each time the module is loaded.
    set: fn(usize),
}

/// The only watch.
static WATCH: AtomicPtr<Watch> = AtomicPtr::new(null_mut());

/// Sets breakpoints in the module named `module`, each time it is loaded. A task that reaches a place
/// calls `hook` with the place's number, counted from 0, before it executes the instruction there. The
/// breakpoints also work in the module's `init`.
///
/// A place is a function's name, as in `/proc/kallsyms`, and a distance from its beginning, in bytes. The
/// kernel refuses places where no instruction begins or where breakpoints are forbidden. When the module
/// has been loaded, `set` is called with the number of refused breakpoints.
///
/// The task itself calls `hook`, in any state: it may hold a lock or be in an interrupt. A breakpoint in
/// a function that `hook` calls in the watched module calls `hook` too.
///
/// There can be one watch, and it stays. The calling module cannot be unloaded afterwards, because the
/// last task may still be in its code. It can call this function only after its `init`: the kernel frees
/// a module whose `init` fails, and would then call a hook that is freed.
///
/// # Errors
///
/// `EAGAIN`: the module's `init` has not returned. `EBUSY`: there is a watch. `E2BIG`: more than
/// [`PLACES`] places. `ENOMEM`: out of memory.
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
    // SAFETY: `stopped` may be called at any time, because it checks `WATCH`. Its code stays, because the
    // function takes a reference to this module, whose `init` has returned, and nothing drops it.
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
        // SAFETY: `watch` is from `into_raw` above, and it was not shared.
        drop(unsafe { KBox::from_raw(watch) });
        return Err(EBUSY);
    }
    // SAFETY: The notifier is never freed nor moved, because `WATCH` owns it and stays, and this module with
    // `notified` stays too, see above. The kernel links the notifier into a list under the list's own lock.
    to_result(unsafe { bindings::register_module_notifier((*watch).notifier.get()) })
}

fn the_watch() -> Option<&'static Watch> {
    // SAFETY: The target of `WATCH` is never freed once it is set, and there are only shared references
    // to it: its mutable fields are in cells.
    unsafe { WATCH.load(Ordering::Acquire).as_ref() }
}

/// Sets the breakpoints. The kernel calls it when a module is loaded or unloaded, with `data` pointing to it.
extern "C" fn notified(
    _: *mut bindings::notifier_block,
    event: ffi::c_ulong,
    data: *mut ffi::c_void,
) -> ffi::c_int {
    let module = data.cast::<bindings::module>();
    // SAFETY: The module exists while its notifiers are called, and its name ends with a NUL.
    let name = unsafe { from_char_ptr((*module).name.as_ptr()) };
    let coming = event == bindings::module_state_MODULE_STATE_COMING as ffi::c_ulong;
    if let Some(watch) = the_watch() {
        if coming && bytes(name) == bytes(&watch.module) {
            let places = watch.places.iter().flatten();
            (watch.set)(places.filter(|place| place.set().is_err()).count());
        }
    }
    bindings::NOTIFY_DONE as ffi::c_int
}

impl Place {
    /// Sets the breakpoint in the module that has just been loaded. Only one module has a given name, and the
    /// kernel reports each load once, so calls for the same place do not overlap.
    fn set(&self) -> Result {
        let kprobe = self.kprobe.get().cast::<bindings::kprobe>();
        if self.address.swap(0, Ordering::Relaxed) != 0 {
            // SAFETY: It was registered when the module was loaded before, and this call ends the registration.
            unsafe { bindings::unregister_kprobe(kprobe) };
        }
        // SAFETY: It is not registered, so nothing else accesses it, and zeros are a valid `kprobe`. Neither
        // the name nor this place is ever freed.
        unsafe {
            kprobe.write_bytes(0, 1);
            (*kprobe).symbol_name = char_ptr(&self.function);
            (*kprobe).offset = self.offset;
        }
        // SAFETY: The fields are as `register_kprobe` requires, and the `kprobe` is never moved nor freed.
        to_result(unsafe { bindings::kernel_ext_stop_before(kprobe) })?;
        // SAFETY: The kernel has set the address, and does not change it.
        let address = unsafe { (*kprobe).addr };
        self.address.store(address as usize, Ordering::Relaxed);
        Ok(())
    }

    fn is_at(&self, address: usize) -> bool {
        self.address.load(Ordering::Relaxed) == address
    }
}

/// Calls the hook for the place at this address, in the task that reached it.
extern "C" fn stopped(address: ffi::c_ulong) {
    let Some(watch) = the_watch() else { return };
    let mut places = watch.places.iter().flatten();
    if let Some(number) = places.position(|place| place.is_at(address as usize)) {
        (watch.hook)(number);
    }
}

/// Delays the calling task for about `nanoseconds` and returns the actual time in nanoseconds. The task
/// sleeps where it may; otherwise it spins for at most `spin` nanoseconds.
///
/// # Context
///
/// Any.
pub fn hold_up(nanoseconds: u64, spin: u64) -> u64 {
    let begin = now();
    // SAFETY: The function itself checks whether its caller may sleep.
    unsafe { bindings::kernel_ext_hold_up(nanoseconds, spin) };
    now() - begin
}

/// Returns the clock of the kernel's log and of its traces, in nanoseconds since
/// boot.
///
/// # Context
///
/// Any.
pub fn now() -> u64 {
    // SAFETY: The function may be called in any context, and accesses no memory of ours.
    unsafe { bindings::local_clock() }
}

/// The running task, displayed as its name and number: `insmod/123`.
pub struct Current {
    name: [ffi::c_char; bindings::TASK_COMM_LEN as usize],
    pid: i32,
}

impl Current {
    /// Returns the running task.
    ///
    /// # Context
    ///
    /// Any; in an interrupt, the result is the interrupted task.
    pub fn get() -> Self {
        let mut name = [0; bindings::TASK_COMM_LEN as usize];
        // SAFETY: The buffer has room for a name, and the function ends the name with a NUL.
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

/// Writes a line for the host to QEMU's debug console (`isa-debugcon`), not to the kernel's log. The host
/// has the line at once, even if the guest then crashes. Bytes after the first 120 are dropped.
///
/// # Context
///
/// Any but an NMI.
pub fn tell_host(text: core::fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; LINE],
        length: 0,
    };
    // A longer text is cut off.
    let _ = line.write_fmt(text);
    line.bytes[line.length] = b'\n';
    // SAFETY: The line has at least `length + 1` bytes. The port is that of QEMU's debug console; without
    // one, the machine ignores writes to it.
    unsafe {
        bindings::kernel_ext_debug_console(
            line.bytes.as_ptr().cast(),
            line.length as ffi::c_ulong + 1,
        );
    }
}

/// Maximum length of a line with its end, in bytes.
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
