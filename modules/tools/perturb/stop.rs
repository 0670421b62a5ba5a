// SPDX-License-Identifier: GPL-2.0

//! Breakpoints at instructions of another module, whose hook may delay the tasks that reach them:
//! the functions of `probe.c`, `store.c` and `task.c`.
//!
//! C header: [`include/linux/kprobes.h`](srctree/include/linux/kprobes.h)

use core::fmt::Write as _;

use kernel::{bindings::TASK_COMM_LEN, error::to_result, prelude::*};

// As in `probe.c`, `store.c` and `task.c`.
extern "C" {
    fn perturb_begin(module: *const u8, length: usize) -> i32;
    fn perturb_add(function: *const u8, length: usize, offset: u32, operand: u32) -> i32;
    fn perturb_watch(
        reached: extern "C" fn(u32, usize) -> u64,
        loaded: extern "C" fn(u32),
        unloaded: extern "C" fn(),
    ) -> i32;
    fn perturb_hold_between(
        place: u32,
        end: u32,
        passed: extern "C" fn(u32),
        stored: extern "C" fn(u64),
    );
    fn perturb_may_sleep() -> bool;
    fn perturb_delay(nanoseconds: u64, spin: u64);
    fn perturb_begin_late(nanoseconds: u64);
    fn perturb_now() -> u64;
    fn perturb_current(name: *mut u8) -> i32;
    fn perturb_print(text: *const u8, length: u64);
}

/// An instruction of the watched module, or of the kernel.
pub(crate) struct Place<'a> {
    /// The name of its function.
    pub(crate) function: &'a str,
    /// Distance from the function's beginning, in bytes.
    pub(crate) offset: u32,
    /// The operand of which the address is used, or 0.
    pub(crate) operand: u32,
}

/// Sets breakpoints in the module named `module`, each time it is loaded. A task that reaches a place
/// calls `reached` with the place's number, counted from 0, and the address that the place's operand has,
/// before it executes the instruction there. If `reached` returns a time above 0, in nanoseconds, the
/// instruction is the store of [`hold_between`]. The breakpoints also work in the module's `init`.
///
/// A place is a function's name, as in `/proc/kallsyms`, a distance from its beginning, in bytes, and an
/// operand as `probe.c` describes it, or 0. The name of a function of the kernel begins with `vmlinux:`. A
/// task, and no interrupt, reaches a place there if interrupts are on, and if the module has called the
/// function, or one that calls it, by at most two others. A function that `reached` calls in the kernel has
/// no places. The kernel refuses places where no instruction begins or where breakpoints are forbidden. When
/// the module has been loaded, `loaded` is called with the number of refused breakpoints; when its exit
/// function has returned, `unloaded` is called.
///
/// There can be one watch, and it stays. This module cannot be unloaded afterwards, because the last task
/// may still be in its code. The function fails before the end of this module's `init`: the kernel frees
/// a module whose `init` fails, and would then call a function that is freed.
///
/// # Errors
///
/// `EAGAIN`: the module's `init` has not returned. `EBUSY`: there is a watch. `EINVAL`: no module has
/// such a long name. `E2BIG`: more than 256 places (`PLACES` in `probe.c`). `ENOMEM`: out of memory.
///
/// # Context
///
/// May sleep.
///
/// # Safety
///
/// The task that reached a place calls `reached`, in any state: it may hold a lock or be in an interrupt.
/// So `reached` does nothing that needs more than that; [`delay`] is allowed. A breakpoint in a function
/// that `reached` calls in the watched module calls `reached` too. `reached` returns 0 but at the place
/// that [`hold_between`] was called with.
pub(crate) unsafe fn watch<'a>(
    module: &str,
    places: impl Iterator<Item = Place<'a>>,
    reached: extern "C" fn(u32, usize) -> u64,
    loaded: extern "C" fn(u32),
    unloaded: extern "C" fn(),
) -> Result {
    // SAFETY: The text has this length, and is copied.
    to_result(unsafe { perturb_begin(module.as_ptr(), module.len()) })?;
    for Place {
        function,
        offset,
        operand,
    } in places
    {
        // SAFETY: As above. `perturb_begin` has succeeded, which it does once: no other task is here.
        to_result(unsafe { perturb_add(function.as_ptr(), function.len(), offset, operand) })?;
    }
    // SAFETY: By this function's contract `reached` may be called at any time. The code of all three
    // functions stays: `perturb_begin` has taken a reference to this module, which nobody gives up.
    to_result(unsafe { perturb_watch(reached, loaded, unloaded) })
}

/// Names the store that tasks may hold back, by the number of its place, and the place before which they
/// execute it in the end. `passed` is called with the number of each place between the two that a task
/// reaches with the store held, and `stored` when the store has been executed, with the
/// time for which the task held it at the end, in nanoseconds: 0 if the task executed it before,
/// because it uses the memory itself, or at once, because other tasks do not share the memory.
///
/// # Safety
///
/// The instruction at `place` is a `mov` of a register or a constant to memory. From there to the place
/// `end`, all instructions are executed in a row, and have nothing but `mov`s and arithmetic;
/// each that uses memory other than the stack is a place. The places have numbers in the order of the code,
/// and operands with the fields that `store.c` describes. Nobody has called the function before, and
/// [`watch`] is called afterwards.
///
/// `passed` and `stored` do nothing but [`report`], and count in atomics: they are called with interrupts
/// disabled, as if in an NMI.
pub(crate) unsafe fn hold_between(
    place: u32,
    end: u32,
    passed: extern "C" fn(u32),
    stored: extern "C" fn(u64),
) {
    // SAFETY: By this function's contract no task reads the two places yet, and the instructions are those
    // that `store.c` expects. The code of both functions stays as that of `reached` does: there are no
    // breakpoints before `watch`.
    unsafe { perturb_hold_between(place, end, passed, stored) };
}

/// Delays the calling task or interrupt for about `nanoseconds` and returns the actual time in nanoseconds. A
/// task sleeps where it may; otherwise it spins for at most `spin` nanoseconds.
///
/// # Context
///
/// Any.
pub(crate) fn delay(nanoseconds: u64, spin: u64) -> u64 {
    let begin = now();
    // SAFETY: The function itself checks whether its caller may sleep.
    unsafe { perturb_delay(nanoseconds, spin) };
    // The clocks of two CPUs may differ by a little.
    now().saturating_sub(begin)
}

/// Delays the beginning of a lesson by `nanoseconds`.
///
/// # Context
///
/// May sleep.
pub(crate) fn begin_late(nanoseconds: u64) {
    // SAFETY: The function itself checks whether its caller may sleep.
    unsafe { perturb_begin_late(nanoseconds) };
}

/// Reports whether [`delay`] would sleep, and not spin.
///
/// # Context
///
/// Any.
pub(crate) fn may_sleep() -> bool {
    // SAFETY: The function may be called in any context, and reads only the state of its caller.
    unsafe { perturb_may_sleep() }
}

/// Returns the clock of the kernel's log and of its traces, in nanoseconds since
/// boot.
///
/// # Context
///
/// Any.
pub(crate) fn now() -> u64 {
    // SAFETY: The function may be called in any context, and accesses no memory of ours.
    unsafe { perturb_now() }
}

/// The running task, displayed as its name and number: `insmod/123`; or the running interrupt with its
/// CPU: `softirq/cpu0`, `hardirq/cpu1`.
pub(crate) struct Current {
    name: [u8; TASK_COMM_LEN as usize],
    /// As `task.c` describes it.
    number: i32,
}

impl Current {
    /// Returns the running task or interrupt.
    ///
    /// # Context
    ///
    /// Any; the NMI of a breakpoint's handler does not count.
    pub(crate) fn get() -> Self {
        let mut name = [0; TASK_COMM_LEN as usize];
        // SAFETY: The buffer has room for a name, and the function ends the name with a NUL.
        let number = unsafe { perturb_current(name.as_mut_ptr()) };
        Self { name, number }
    }

    /// Reports whether it is a task, and not an interrupt.
    pub(crate) fn is_task(&self) -> bool {
        self.number >= 0
    }

    /// Returns the name, at most 15 bytes.
    pub(crate) fn name(&self) -> &[u8] {
        let length = self.name.iter().position(|byte| *byte == 0);
        &self.name[..length.unwrap_or(self.name.len())]
    }
}

impl core::fmt::Display for Current {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for &byte in self.name() {
            f.write_char(char::from(byte))?;
        }
        match self.number {
            pid @ 0.. => write!(f, "/{pid}"),
            number => write!(f, "/cpu{}", -1 - number),
        }
    }
}

/// Writes a line for the host to QEMU's debug console (`isa-debugcon`), not to the kernel's log. The host
/// has the line at once, even if the guest then crashes. Bytes after the first 120 are dropped.
///
/// # Context
///
/// Any but an NMI that interrupts this function.
pub(crate) fn report(text: core::fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; LINE],
        length: 0,
    };
    // A longer text is cut off.
    let _ = line.write_fmt(text);
    line.bytes[line.length] = b'\n';
    // SAFETY: The line has at least `length + 1` bytes. The port is that of QEMU's debug console; without
    // one, the machine ignores writes to it.
    unsafe { perturb_print(line.bytes.as_ptr(), line.length as u64 + 1) };
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
