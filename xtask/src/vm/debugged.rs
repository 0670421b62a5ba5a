//! Runs a guest of a snapshot under a debugger: kmodlab's own up to a place, then the user's.
//!
//! The guest's clock stops with the guest. QEMU 7.2 counts the turns of its CPUs, of 0.1 s, anew after
//! each stop (`rr_start_kick_timer` in accel/tcg/tcg-accel-ops-rr.c), so times differ by some
//! milliseconds from those of the same run without a debugger.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::channels::Channels;
use super::gdb::{DebuggerStop, Gdb, Memory};
use super::guest_run::{GuestEnd, GuestRun};
use super::machine::Machine;
use super::replay::DebugObserver;
use super::run::load;
use super::running::Running;
use super::snapshot::Snapshot;
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// The companion of a guest under a debugger.
pub trait DebugPlan {
    /// Returns the address at which the guest stops. The guest has not run yet since its snapshot.
    ///
    /// # Errors
    ///
    /// If the guest is not in the expected state.
    fn begin(&mut self, memory: &mut dyn Memory) -> Result<u64>;

    /// Reports whether the user's debugger takes over a guest that has stopped at this address, or the guest
    /// runs on.
    ///
    /// # Errors
    ///
    /// If the guest is not in the expected state.
    fn hands_over(&mut self, memory: &mut dyn Memory) -> Result<bool>;

    /// Hands the guest over: QEMU waits for the user's debugger at a socket. `thread` is gdb's number of
    /// the CPU that has stopped, from 1.
    ///
    /// # Errors
    ///
    /// If the debugger cannot be used.
    fn ready(&mut self, socket: &Path, thread: u32) -> Result<()>;

    /// Receives the kernel's log, piece by piece.
    ///
    /// # Errors
    ///
    /// If it cannot be shown.
    fn log(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Resumes a guest from a snapshot, lets it run as the plan says, and then under the user's debugger until QEMU
/// has ended.
///
/// # Errors
///
/// If QEMU or its debugger stub fails, the guest ends before the user's debugger takes over, or the
/// plan fails.
pub fn debug(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    channels: Channels,
    snapshot: &Snapshot,
    plan: &mut dyn DebugPlan,
) -> Result<GuestRun> {
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    let mut control = load(&mut guest, snapshot)?;
    let socket = guest.debugger_socket();
    control.start_debugger_stub(&socket)?;
    let mut gdb = Gdb::attach(&socket)?;
    let address = plan.begin(&mut gdb)?;
    let mut stop = gdb.continue_to(address)?;
    loop {
        if stop == DebuggerStop::End {
            bail!("the guest ended before it came to the place where the debugger takes over");
        }
        if plan.hands_over(&mut gdb)? {
            break;
        }
        // A guest that is at the place already would stop at once.
        stop = gdb.run_to(address)?;
    }
    let thread = gdb.thread();
    // QEMU listens for the next debugger, and the guest stays where it is.
    drop(gdb);
    plan.ready(&socket, thread)?;
    let mut observer = DebugObserver {
        on_log: &mut |bytes| plan.log(bytes),
    };
    if let Some(error) = guest.watch(Some(control), &mut observer)? {
        return Err(error);
    }
    let command = guest.command().to_owned();
    let ended = guest.end().context("QEMU's end")?;
    Ok(GuestRun {
        agent: ended.agent,
        debug: ended.debug,
        log: ended.log,
        end: match ended.status.success() {
            true => GuestEnd::Ended,
            false => GuestEnd::QemuFailed {
                status: ended.status.to_string(),
                stderr: ended.errors.clone(),
            },
        },
        qemu_errors: ended.errors,
        interruption: None,
        wall: ended.wall,
        since_panic: None,
        boot: None,
        command,
    })
}
