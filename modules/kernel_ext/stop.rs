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
    /// The registration of the breakpoint. Only [`Place::set`] and [`Watch::unset`] access it.
    kprobe: UnsafeCell<MaybeUninit<bindings::kprobe>>,
    /// The instruction's address while it has a breakpoint, otherwise 0.
    address: AtomicUsize,
}

/// The places of one module.
struct Watch {
    /// Calls [`coming`].
    coming: UnsafeCell<bindings::notifier_block>,
    /// Calls [`going`].
    going: UnsafeCell<bindings::notifier_block>,
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
        coming: UnsafeCell::new(bindings::notifier_block {
            notifier_call: Some(coming),
            next: null_mut(),
            priority: 0,
        }),
        going: UnsafeCell::new(bindings::notifier_block {
            notifier_call: Some(going),
            next: null_mut(),
            // Before the notifier of kprobes: see `going`.
            priority: 1,
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
    // SAFETY: The notifiers are never freed nor moved, because `WATCH` owns them and stays, and this module
    // with their functions stays too, see above. The kernel links them into a list under the list's own lock.
    to_result(unsafe { bindings::register_module_notifier((*watch).going.get()) })?;
    // SAFETY: As above.
    to_result(unsafe { bindings::register_module_notifier((*watch).coming.get()) })
}

fn the_watch() -> Option<&'static Watch> {
    // SAFETY: The target of `WATCH` is never freed once it is set, and there are only shared references
    // to it: its mutable fields are in cells.
    unsafe { WATCH.load(Ordering::Acquire).as_ref() }
}

/// Sets the breakpoints if the module that is being loaded is the watched one. The kernel calls this when a
/// module is loaded or unloaded, with `data` pointing to it.
extern "C" fn coming(
    _: *mut bindings::notifier_block,
    event: ffi::c_ulong,
    data: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: `data` points to the module, which exists while its notifiers are called.
    if let Some(watch) = unsafe { watch_of(bindings::module_state_MODULE_STATE_COMING, event, data) } {
        let places = watch.places.iter().flatten();
        (watch.set)(places.filter(|place| place.set().is_err()).count());
    }
    bindings::NOTIFY_DONE as ffi::c_int
}

/// Removes the breakpoints from the watched module, which is being unloaded. The kernel calls this as it does
/// [`coming`].
///
/// Code of the module may still run: a thread whose handle was leaked ends later (`helpers/teardown.c`). The
/// notifier of kprobes assumes that no code runs any more. It leaves each breakpoint in the code and frees the
/// copy of the instruction there, so that a task that reached the breakpoint would execute address 0.
extern "C" fn going(
    _: *mut bindings::notifier_block,
    event: ffi::c_ulong,
    data: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: `data` points to the module, which exists while its notifiers are called.
    if let Some(watch) = unsafe { watch_of(bindings::module_state_MODULE_STATE_GOING, event, data) } {
        watch.unset();
    }
    bindings::NOTIFY_DONE as ffi::c_int
}

/// Returns the watch if `event` is `wanted` and the module is the watched one.
///
/// # Safety
///
/// `data` points to a module.
unsafe fn watch_of(
    wanted: bindings::module_state,
    event: ffi::c_ulong,
    data: *mut ffi::c_void,
) -> Option<&'static Watch> {
    // SAFETY: By this function's contract; a module's name ends with a NUL.
    let name = unsafe { from_char_ptr((*data.cast::<bindings::module>()).name.as_ptr()) };
    the_watch().filter(|watch| event == wanted as ffi::c_ulong && bytes(name) == bytes(&watch.module))
}

impl Watch {
    /// Removes all breakpoints, together, because the kernel then waits only once until no CPU is at one of
    /// them.
    fn unset(&self) {
        let mut kprobes = [null_mut(); PLACES];
        let mut count = 0;
        let set = |place: &&KBox<Place>| place.address.load(Ordering::Relaxed) != 0;
        for place in self.places.iter().flatten().filter(set) {
            kprobes[count] = place.kprobe.get().cast();
            count += 1;
        }
        // SAFETY: The breakpoints are registered, and this ends their registrations: the addresses are reset
        // below, and no other notifier of this module runs meanwhile, see `Place::set`.
        unsafe { bindings::unregister_kprobes(kprobes.as_mut_ptr(), count as ffi::c_int) };
        for place in self.places.iter().flatten() {
            place.address.store(0, Ordering::Relaxed);
        }
    }
}

impl Place {
    /// Sets the breakpoint in the module that has just been loaded. Only one module has a given name, and the
    /// kernel reports each load and each unload once, so calls for the same place do not overlap.
    fn set(&self) -> Result {
        let kprobe = self.kprobe.get().cast::<bindings::kprobe>();
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
