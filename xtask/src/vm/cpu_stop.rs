//! Stops the CPUs that a panicking kernel waits for.
//!
//! The kernel stops each other CPU by an interrupt, and after a second of its time by a
//! non-maskable one (`native_stop_other_cpus` in arch/x86/kernel/smp.c). If a CPU is in a loop of
//! the instruction PAUSE with interrupts disabled, that second costs QEMU 1.3 s of CPU time.

use anyhow::{Context as _, Result};

use super::gdb::Gdb;
use super::qmp::Qmp;
use super::running::Running;
use crate::kernel::KernelImage;

/// The kernel's variable with a bit for each CPU that has not stopped yet.
const WAITED_FOR: &str = "cpus_stop_mask";

/// The kernel's function in which a CPU stops, and stays. It ignores its argument.
const STOP: &str = "stop_this_cpu";

/// Lets the CPUs that the kernel waits for execute the kernel's function in which they stop. Does
/// nothing if it waits for none.
///
/// # Errors
///
/// If the kernel lacks the variable or the function, or QEMU does not answer.
pub(super) fn stop_awaited(guest: &Running, control: &mut Qmp, kernel: &KernelImage) -> Result<()> {
    let address = |symbol: &str| {
        let range = kernel.symbol_range(symbol).map(|range| range.start);
        range.with_context(|| format!("the kernel has no {symbol}"))
    };
    let variable = address(WAITED_FOR)?;
    let [mask, _] = control
        .memory(0, variable)
        .with_context(|| format!("{WAITED_FOR} cannot be read"))?;
    if mask == 0 {
        return Ok(());
    }
    let function = address(STOP)?;
    let socket = guest.debugger_socket();
    control.start_debugger_stub(&socket)?;
    let mut debugger = Gdb::attach(&socket)?;
    for cpu in (0..u64::BITS).filter(|cpu| mask >> cpu & 1 == 1) {
        debugger.set_instruction(cpu + 1, function)?;
    }
    debugger.detach()
}
