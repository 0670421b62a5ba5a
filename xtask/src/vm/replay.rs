//! Replays a recorded guest.
//!
//! The guest does what it did, to the last instruction, and ends as it ended. QEMU does not
//! always notice a guest that does something else, and then waits for ever for an event that
//! never comes: no instruction is executed then.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::channels::{Channel, Channels};
use super::gdb::{DebuggerStop, Gdb, Memory};
use super::machine::Machine;
use super::qmp::Qmp;
use super::running::{Observer, Running};
use super::watchdog::INTERVAL;
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// The time that a guest runs before QEMU is asked for the first time, as in `run`.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Looks in a row in which a guest executed nothing, five seconds, after which it does not do
/// what was recorded.
const IDLE_LOOKS: u32 = 25;

/// The output of a replayed guest.
#[derive(Debug, Clone)]
pub struct ReplayedRun {
    /// All bytes of the serial line: the kernel's log.
    pub log: Vec<u8>,
    /// All bytes of the agent's channel.
    pub agent: Vec<u8>,
    /// The reason for which QEMU did not reach the end of the recording, if it did not.
    pub stopped: Option<String>,
    /// The host's time from QEMU's start to its end.
    pub wall: Duration,
}

/// Replays a recording to its end.
///
/// # Errors
///
/// If QEMU cannot be started.
pub fn replay(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    channels: Channels,
) -> Result<ReplayedRun> {
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    let mut observer = ReplayObserver {
        instructions: 0,
        idle_looks: 0,
        next_look: Instant::now() + FIRST_LOOK,
    };
    let mut stopped = guest.watch(None, &mut observer)?;
    let ended = guest.end()?;
    if stopped.is_none() && !ended.status.success() {
        stopped = Some(format!(
            "QEMU ended with {}: {}",
            ended.status, ended.errors
        ));
    }
    Ok(ReplayedRun {
        log: ended.log,
        agent: ended.agent,
        stopped,
        wall: ended.wall,
    })
}

/// Stops a guest that executes nothing.
struct ReplayObserver {
    instructions: u64,
    idle_looks: u32,
    next_look: Instant,
}

impl Observer for ReplayObserver {
    type Stop = String;

    fn output(&mut self, _: Channel, _: &[u8]) -> Option<String> {
        None
    }

    fn next_look(&self) -> Option<Instant> {
        Some(self.next_look)
    }

    fn look(&mut self, _: &Running, control: &mut Option<Qmp>) -> Result<Option<String>> {
        self.next_look = Instant::now() + INTERVAL;
        let now = control
            .as_mut()
            .and_then(|control| control.replayed_instructions().ok());
        match now {
            Some(now) if now != self.instructions => {
                self.instructions = now;
                self.idle_looks = 0;
            }
            _ => self.idle_looks += 1,
        }
        let stuck = self.idle_looks >= IDLE_LOOKS;
        Ok(stuck.then(|| "the guest executes no instruction any more".to_owned()))
    }
}

/// Replays a recording and calls `visit` whenever the guest reaches the address `at`. The
/// machine waits for a debugger.
///
/// # Errors
///
/// If QEMU or its debugger stub fails, or `visit` does.
pub fn visit(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    channels: Channels,
    at: u64,
    visit: &mut dyn FnMut(&mut dyn Memory) -> Result<()>,
) -> Result<()> {
    let socket = channels.endpoints().gdb;
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    // Once QEMU answers here, it listens there.
    let _control = guest.control()?;
    let mut gdb = Gdb::attach(&socket)?;
    let visited = loop {
        match gdb.run_to(at) {
            Ok(DebuggerStop::Breakpoint) => {
                if let Err(error) = visit(&mut gdb) {
                    break Err(error);
                }
            }
            Ok(DebuggerStop::End) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    guest.stop()?;
    visited
}

/// Replays a recording under the user's debugger; calls `ready` when QEMU waits for it.
/// `on_log` receives the kernel's log, which comes again when the guest was stepped back.
/// Returns when QEMU has ended, by itself or by the debugger.
///
/// # Errors
///
/// If QEMU fails, or one of the functions does.
pub fn debug(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    channels: Channels,
    ready: impl FnOnce(),
    on_log: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    let control = guest.control()?;
    ready();
    let failed = guest.watch(Some(control), &mut DebugObserver { on_log })?;
    let (status, errors) = guest.stop()?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !status.success() {
        bail!("QEMU ended with {status}: {errors}");
    }
    Ok(())
}

/// Hands the kernel's log on, and never stops the guest.
pub(super) struct DebugObserver<'a> {
    pub on_log: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

impl Observer for DebugObserver<'_> {
    type Stop = anyhow::Error;

    fn output(&mut self, channel: Channel, bytes: &[u8]) -> Option<anyhow::Error> {
        match channel {
            Channel::Log => (self.on_log)(bytes).err(),
            Channel::Agent | Channel::Debug | Channel::QemuErrors => None,
        }
    }

    fn next_look(&self) -> Option<Instant> {
        None
    }

    fn look(&mut self, _: &Running, _: &mut Option<Qmp>) -> Result<Option<anyhow::Error>> {
        Ok(None)
    }
}
