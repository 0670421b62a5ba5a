//! A guest that plays by itself, watched from outside.
//!
//! In virtual time nothing in the host may be waited for, so the guest plays a
//! script alone and xtask reads afterwards what it said on two channels.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::guest_run::{GuestEnd, GuestRun};
use super::machine::{Console, Machine, Start};
use super::pulse::{Pulse, SAMPLE};
use super::running::{Running, Seen};
use super::saved::SavedGuest;
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// How long a guest may run before its clock is read for the first time. Most
/// have ended by then, and QEMU can hang in its end if it is asked something
/// at that very moment (seen once, in `monitor_cleanup` of QEMU 7.2).
const FIRST_SAMPLE: Duration = Duration::from_secs(3);

/// A saved guest did not go on, which is nobody's failure: boot one instead.
#[derive(Debug)]
pub struct DidNotGoOn {
    why: String,
}

impl fmt::Display for DidNotGoOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why } = self;
        write!(f, "the saved guest did not go on: {why}")
    }
}

impl std::error::Error for DidNotGoOn {}

/// Runs a guest in virtual time until it ends, or until its clock passes
/// `limit` seconds. `machine` returns the guest for a folder of its own and
/// this console.
///
/// That a saved guest does not go on is the error [`DidNotGoOn`].
pub fn run_batch(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    limit: u32,
    machine: impl FnOnce(&Path, Console) -> Result<Machine>,
) -> Result<GuestRun> {
    let mut saved = None;
    let mut guest = Running::start(toolchain, kernel, |folder, console| {
        let machine = machine(folder, console)?;
        if let Start::GoOn { from, .. } = &machine.start {
            saved = Some(from.clone());
        }
        Ok(machine)
    })?;
    let mut control = None;
    if let Some(saved) = saved {
        control = Some(go_on(&mut guest, &saved)?);
    }
    let mut pulse = Pulse::default();
    let mut next_sample = Instant::now() + FIRST_SAMPLE;
    let stopped = loop {
        match guest.wait(Some(next_sample)) {
            Ok(Seen::End) => break None,
            Ok(Seen::Control(channel)) => control = Some(channel),
            // It answers nothing at its very start, and is not asked again.
            Err(_) => control = None,
            Ok(Seen::Nothing) => {
                next_sample = Instant::now() + SAMPLE;
                let end = pulse.beat(&mut control, limit, guest.qemu.id());
                if end.is_some() {
                    break end;
                }
            }
        }
    };
    let (status, stderr) = guest.end()?;
    crate::process::park_if_interrupted();
    let end = match stopped {
        Some(end) => end,
        None if status.success() => GuestEnd::Ended,
        None => GuestEnd::QemuFailed {
            status: status.to_string(),
            stderr,
        },
    };
    Ok(GuestRun {
        console: guest.shell.bytes()?,
        log: guest.log.bytes()?,
        end,
        wall: guest.started.elapsed(),
    })
}

/// Lets the guest go on from where it was saved.
fn go_on(guest: &mut Running, saved: &SavedGuest) -> Result<super::qmp::Qmp> {
    let gone_on = guest.control().and_then(|mut control| {
        let socket = guest.folder().join("state");
        control.go_on(&saved.state()?, &socket)?;
        Ok(control)
    });
    gone_on.map_err(|error| {
        crate::process::park_if_interrupted();
        let errors = guest.end().map(|(_, errors)| errors).unwrap_or_default();
        let why = format!("{error:#} {errors}").trim_end().to_owned();
        DidNotGoOn { why }.into()
    })
}
