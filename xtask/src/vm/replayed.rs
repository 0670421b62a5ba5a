//! A guest that was recorded, once more.
//!
//! It does what it did, to the last instruction, and ends as it ended. One that
//! does something else is not for sure noticed by QEMU, which then waits for
//! ever for a moment that never comes: that is when it is busy, or asleep, and
//! no instruction is executed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::gdb::{Gdb, Memory, Stop};
use super::machine::{Console, Machine};
use super::pulse::SAMPLE;
use super::qmp::Qmp;
use super::running::{Channel, Running, Seen};
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// As for other guests, QEMU is not asked anything at its very start.
const FIRST_SAMPLE: Duration = Duration::from_secs(3);

/// A guest that has executed nothing in so many samples, which are five seconds,
/// does not do what was recorded.
const STILL_SAMPLES: u32 = 25;

/// What a replayed guest said.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// All bytes of the serial line: the kernel's log.
    pub log: Vec<u8>,
    /// All bytes of the shell's channel.
    pub console: Vec<u8>,
    /// Why QEMU did not come to the recording's end, if it did not.
    pub stopped: Option<String>,
    /// The host's time from QEMU's start to its end.
    pub wall: Duration,
}

/// Plays a recording again, to its end. `machine` returns the guest for a
/// folder of its own and this console.
pub fn run_again(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: impl FnOnce(&Path, Console) -> Result<Machine>,
) -> Result<Replayed> {
    let mut guest = Running::start(toolchain, kernel, machine)?;
    let mut control = None;
    let mut still = Still::default();
    let mut next_sample = Instant::now() + FIRST_SAMPLE;
    let mut stopped = loop {
        match guest.wait(Some(next_sample)) {
            Ok(Seen::End) => break None,
            Ok(Seen::Control(channel)) => control = Some(channel),
            Ok(Seen::Said(..)) => {}
            Err(_) => control = None,
            Ok(Seen::Nothing) => {
                next_sample = Instant::now() + SAMPLE;
                if still.for_long(&mut control) {
                    break Some("the guest stands still".to_owned());
                }
            }
        }
    };
    let (status, errors) = guest.end()?;
    crate::process::park_if_interrupted();
    if stopped.is_none() && !status.success() {
        stopped = Some(format!("QEMU ended with {status}: {errors}"));
    }
    Ok(Replayed {
        log: guest.log()?,
        console: guest.shell()?,
        stopped,
        wall: guest.started.elapsed(),
    })
}

/// Plays a recording again and calls `visit` whenever the guest comes to the
/// address `at`. `machine` returns the guest for a folder of its own, this
/// console and the socket that its debugger is waited for at.
pub fn visit_again(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    at: u64,
    visit: &mut dyn FnMut(&mut dyn Memory) -> Result<()>,
    machine: impl FnOnce(&Path, Console, &Path) -> Result<Machine>,
) -> Result<()> {
    let mut socket = None;
    let mut guest = Running::start(toolchain, kernel, |folder, console| {
        let path = socket.insert(folder.join("gdb"));
        machine(folder, console, path)
    })?;
    let socket = socket.context("there is no socket")?;
    // Once QEMU answers here, it listens there.
    let _control = guest.control()?;
    let mut gdb = Gdb::attach(&socket)?;
    let visited = loop {
        match gdb.run_to(at) {
            Ok(Stop::Breakpoint) => {
                if let Err(error) = visit(&mut gdb) {
                    break Err(error);
                }
            }
            Ok(Stop::End) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    guest.end()?;
    crate::process::park_if_interrupted();
    visited
}

/// Plays a recording again under the user's debugger, for which `ready` is
/// called with the guest's folder when QEMU waits there. `heard` gets what the
/// guest says, which it says again when it was stepped back. Returns when QEMU
/// has ended: the guest, or the debugger has killed it.
pub fn debug_again(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    ready: impl FnOnce(&Path) -> Result<()>,
    heard: &mut dyn FnMut(Channel, &[u8]) -> Result<()>,
    machine: impl FnOnce(&Path, Console) -> Result<Machine>,
) -> Result<()> {
    let mut guest = Running::start(toolchain, kernel, machine)?;
    let _control = guest.control()?;
    ready(guest.folder())?;
    loop {
        match guest.wait(None)? {
            Seen::Said(channel, bytes) => heard(channel, &bytes)?,
            Seen::End => break,
            Seen::Control(_) | Seen::Nothing => {}
        }
    }
    let (status, errors) = guest.end()?;
    crate::process::park_if_interrupted();
    if !status.success() {
        bail!("QEMU ended with {status}: {errors}");
    }
    Ok(())
}

/// Whether a guest executes anything.
#[derive(Default)]
struct Still {
    instructions: u64,
    samples: u32,
}

impl Still {
    fn for_long(&mut self, control: &mut Option<Qmp>) -> bool {
        let now = control
            .as_mut()
            .and_then(|control| control.replayed_instructions().ok());
        match now {
            Some(now) if now != self.instructions => {
                self.instructions = now;
                self.samples = 0;
            }
            _ => self.samples += 1,
        }
        self.samples >= STILL_SAMPLES
    }
}
