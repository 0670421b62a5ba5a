//! Finds the code of modules on the stacks of a guest's CPUs, from outside the guest.
//!
//! The kernel and its modules are compiled with frame pointers: `rbp` points to the saved `rbp`
//! of the caller, and the return address is above it. At an exception the kernel sets `rbp` to
//! the address of the saved registers plus one (`ENCODE_FRAME_POINTER` in
//! arch/x86/include/asm/frame.h). QEMU's monitor reads the guest's memory.

use std::ops::Range;

use anyhow::Result;

use super::cpus::{self, CpuRegisters};
use super::endless_loop;
use super::qmp::Qmp;
use crate::kernel::{KernelImage, MODULE_ADDRESSES};

/// The first address of the kernel's half.
const KERNEL: u64 = 0xffff_8000_0000_0000;

/// Maximum number of frames that are read of a stack.
const MAX_FRAMES: usize = 40;

/// Offsets of `rbp` and `rip` in the kernel's `struct pt_regs`
/// (arch/x86/include/asm/ptrace.h).
const SAVED_RBP: u64 = 4 * 8;
const SAVED_RIP: u64 = 16 * 8;

/// A call of a module's function that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ModuleCall {
    /// The address of the outermost frame of module code: it is the same until the call returns.
    pub frame: u64,
    /// Whether the module's code is a kernel thread's, or a worker's: no command waits for it.
    pub in_thread: bool,
    /// Whether this code is a kernel thread's and in a loop without an end.
    pub is_endless: bool,
}

impl ModuleCall {
    /// Reports whether another look found the same call.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.frame, self.in_thread) == (other.frame, other.in_thread)
    }
}

/// The functions that the search needs to know.
#[derive(Debug, Clone, Default)]
pub(super) struct KernelFunctions {
    /// The addresses of `kthread`, which calls the function of each kernel thread.
    kthread: Option<Range<u64>>,
    /// The addresses of the code by which the kernel is entered at an interrupt.
    entry: Option<Range<u64>>,
    /// The address of `jiffies_64`, the number of timer ticks.
    pub ticks: Option<u64>,
}

/// Maximum number of looks at the CPUs before an interrupt is sent to them nevertheless.
const ENTRY_LOOKS: u32 = 50;

impl KernelFunctions {
    /// Reads the addresses from the kernel's list of symbols.
    pub fn of(kernel: &KernelImage) -> Self {
        let start = |name: &str| Some(kernel.symbol_range(name)?.start);
        let entry = start("__entry_text_start").zip(start("__entry_text_end"));
        Self {
            kthread: kernel.symbol_range("kthread"),
            entry: entry.map(|(start, end)| start..end),
            ticks: start("jiffies_64"),
        }
    }
}

/// Returns the calls of module code that the CPUs execute now. The guest is stopped meanwhile.
///
/// # Errors
///
/// If QEMU does not answer.
pub(super) fn find(control: &mut Qmp, functions: &KernelFunctions) -> Result<Vec<ModuleCall>> {
    control.pause()?;
    let found = find_in_stopped(control, functions);
    control.resume_execution()?;
    found
}

/// Sends the CPUs a non-maskable interrupt while none enters the kernel at another interrupt: there, the
/// function that was interrupted has no frame yet, and the stack would lack it.
///
/// # Errors
///
/// If QEMU does not answer.
pub(super) fn interrupt(control: &mut Qmp, functions: &KernelFunctions) -> Result<()> {
    for look in 1..=ENTRY_LOOKS {
        control.pause()?;
        let registers = control.registers()?;
        let is_entering = cpus::registers(&registers).iter().any(|cpu| {
            functions
                .entry
                .as_ref()
                .is_some_and(|entry| entry.contains(&cpu.rip))
        });
        if !is_entering || look == ENTRY_LOOKS {
            control.nmi()?;
            control.resume_execution()?;
            break;
        }
        control.resume_execution()?;
    }
    Ok(())
}

fn find_in_stopped(control: &mut Qmp, functions: &KernelFunctions) -> Result<Vec<ModuleCall>> {
    let registers = control.registers()?;
    let mut calls = Vec::new();
    for (number, cpu) in cpus::registers(&registers).into_iter().enumerate() {
        if cpu.halted || cpu.in_user_mode {
            continue;
        }
        let mut read = |address: u64| control.memory(number, address);
        calls.extend(call_on_stack(&cpu, functions, &mut read));
    }
    Ok(calls)
}

/// Returns the outermost call of module code on a CPU's stack. `read` returns the two numbers at
/// an address; `None` if nothing is mapped there.
fn call_on_stack(
    cpu: &CpuRegisters,
    functions: &KernelFunctions,
    read: &mut dyn FnMut(u64) -> Option<[u64; 2]>,
) -> Option<ModuleCall> {
    let mut outermost = None;
    let mut in_thread = false;
    let mut note = |code: u64, frame: u64| {
        if MODULE_ADDRESSES.contains(&code) {
            outermost = Some((code, frame));
        }
        let kthread = functions.kthread.as_ref();
        in_thread |= kthread.is_some_and(|kthread| kthread.contains(&code));
    };
    note(cpu.rip, cpu.rbp);
    // At the beginning and the end of a function, its caller's frame is the first one, and the
    // return address is still at the top of the stack.
    if let Some([code, _]) = read(cpu.rsp) {
        note(code, cpu.rbp);
    }
    let mut frame = cpu.rbp;
    for _ in 0..MAX_FRAMES {
        let (code, next) = if frame & 1 == 1 {
            let saved = frame - 1;
            let [_, code] = read(saved + SAVED_RIP - 8)?;
            let [next, _] = read(saved + SAVED_RBP)?;
            (code, next)
        } else {
            let Some([next, code]) = (frame >= KERNEL).then(|| read(frame)).flatten() else {
                break;
            };
            (code, next)
        };
        // The stack of an interrupt may be below or above the task's.
        if next < KERNEL {
            note(code, frame);
            break;
        }
        note(code, next);
        frame = next;
    }
    let (code, frame) = outermost?;
    Some(ModuleCall {
        frame,
        in_thread,
        is_endless: in_thread && endless_loop::is_in(code, read),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const STACK: u64 = 0xffff_c900_001b_7000;
    const MODULE: u64 = 0xffff_ffff_a000_1010;
    const KTHREAD: u64 = 0xffff_ffff_8104_0000;

    fn cpu(rip: u64, rsp: u64, rbp: u64) -> CpuRegisters {
        CpuRegisters {
            rip,
            rsp,
            rbp,
            halted: false,
            in_user_mode: false,
        }
    }

    fn call(cpu: &CpuRegisters, memory: &[(u64, [u64; 2])]) -> Option<ModuleCall> {
        let memory: HashMap<u64, [u64; 2]> = memory.iter().copied().collect();
        let functions = KernelFunctions {
            kthread: Some(KTHREAD..KTHREAD + 0x100),
            entry: None,
            ticks: None,
        };
        call_on_stack(cpu, &functions, &mut |address| {
            memory.get(&address).copied()
        })
    }

    #[test]
    fn the_outermost_frame_of_module_code_is_found() {
        // kernel function <- module <- module <- kernel function
        let stack = [
            (STACK, [0, 0]),
            (STACK + 0x10, [STACK + 0x40, MODULE]),
            (STACK + 0x40, [STACK + 0x80, MODULE + 0x20]),
            (STACK + 0x80, [STACK + 0xc0, 0xffff_ffff_8100_0000]),
            (STACK + 0xc0, [0, 0xffff_ffff_8100_0100]),
        ];
        let found = call(&cpu(0xffff_ffff_8108_0000, STACK, STACK + 0x10), &stack);
        let expected = ModuleCall {
            frame: STACK + 0x80,
            in_thread: false,
            is_endless: false,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_call_is_found_at_the_beginning_of_the_function_that_it_calls() {
        let stack = [
            (STACK, [MODULE, 0]),
            (STACK + 0x10, [STACK + 0x40, KTHREAD + 8]),
            (STACK + 0x40, [0, 0xffff_ffff_8100_0000]),
        ];
        let found = call(&cpu(0xffff_ffff_8108_0000, STACK, STACK + 0x10), &stack);
        let expected = ModuleCall {
            frame: STACK + 0x10,
            in_thread: true,
            is_endless: false,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_call_below_an_interrupt_is_found() {
        let saved = STACK + 0x20;
        let stack = [
            (STACK, [saved + 1, 0xffff_ffff_8100_0000]),
            (saved + SAVED_RIP - 8, [0, MODULE]),
            (saved + SAVED_RBP, [STACK + 0x200, 0]),
            (STACK + 0x200, [0, 0xffff_ffff_8100_0200]),
        ];
        let found = call(&cpu(0xffff_ffff_8108_0000, STACK - 8, STACK), &stack);
        assert_eq!(found.map(|call| call.frame), Some(STACK + 0x200));
    }

    #[test]
    fn a_stack_without_module_code_has_no_call() {
        let stack = [(STACK, [0, 0xffff_ffff_8100_0000])];
        assert_eq!(
            call(&cpu(0xffff_ffff_8108_0000, STACK, STACK), &stack),
            None
        );
        // Nothing is mapped.
        assert_eq!(call(&cpu(0xffff_ffff_8108_0000, STACK, 0), &[]), None);
    }
}
