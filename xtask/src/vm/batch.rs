//! A guest that plays by itself, watched from outside.
//!
//! In virtual time nothing in the host may be waited for, so the guest plays a
//! script alone and xtask reads afterwards what it said on two channels.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::guest_run::{GuestEnd, GuestRun};
use super::machine::{Console, Machine};
use super::pulse::{Pulse, SAMPLE};
use super::running::{Channel, Running, Seen};
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

/// How the kernel begins to say that it panics, after the time stamp. A module
/// that says so has its name in front.
const PANIC: &[u8] = b"] Kernel panic - not syncing";

/// A guest that panics ends within so many seconds of its own time, or not: its
/// kernel waits for the other CPUs to stop, in steps of a microsecond between
/// which a CPU that never ends gets a whole turn of 0.1 s.
const PANIC_GRACE: u32 = 1;

/// What a kernel says then that tells its trace first, if it was asked to.
const DUMP: &[u8] = b"] Dumping ftrace buffer:";

/// That takes at most so many seconds more: 0.8 ms for each of 15,000 events.
const DUMP_GRACE: u32 = 15;

/// Runs a guest in virtual time until it ends, or until its clock passes
/// `limit` seconds. `heard` gets what comes on the shell's channel, piece by
/// piece; `machine` returns the guest for a folder of its own and this console,
/// which goes on from `saved` if that is given.
///
/// That a saved guest does not go on is the error [`DidNotGoOn`].
pub fn run_batch(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    limit: u32,
    saved: Option<&SavedGuest>,
    heard: &mut dyn FnMut(&[u8]),
    machine: impl FnOnce(&Path, Console) -> Result<Machine>,
) -> Result<GuestRun> {
    let mut guest = Running::start(toolchain, kernel, machine)?;
    let mut control = None;
    if let Some(saved) = saved {
        control = Some(go_on(&mut guest, saved)?);
    }
    let mut pulse = Pulse::default();
    let mut panic = PanicLine::default();
    let mut spoke = None;
    let mut panicked_at = None;
    let mut next_sample = Instant::now() + FIRST_SAMPLE;
    let stopped = loop {
        match guest.wait(Some(next_sample)) {
            Ok(Seen::End) => break None,
            Ok(Seen::Control(channel)) => control = Some(channel),
            Ok(Seen::Said(Channel::Log, bytes)) => {
                pulse.heard();
                if panic.look(&bytes) {
                    next_sample = next_sample.min(Instant::now() + SAMPLE);
                }
            }
            Ok(Seen::Said(Channel::Shell, bytes)) => {
                spoke.get_or_insert_with(Instant::now);
                heard(&bytes);
            }
            // It answers nothing at its very start, and is not asked again.
            Err(_) => control = None,
            Ok(Seen::Nothing) => {
                next_sample = Instant::now() + SAMPLE;
                let dump = if panic.dumps { DUMP_GRACE } else { 0 };
                let limit = panicked_at.map_or(limit, |at: u32| at + PANIC_GRACE + dump);
                let end = pulse.beat(&mut control, limit, guest.qemu.id());
                if panic.seen.is_some() {
                    panicked_at.get_or_insert(pulse.guest_seconds());
                }
                if end.is_some() {
                    guest.end_recording(control.as_mut());
                    break end;
                }
                // It panics then, and says where it was
                // (`panic_on_unrecovered_nmi` in `initramfs/kmodlab/supervise`); if
                // it does not, that is seen when its time is over.
                if guest.may_be_interrupted()
                    && pulse.is_deaf(&mut control)
                    && let Some(control) = &mut control
                {
                    let _ = control.nmi();
                    pulse.heard();
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
    let log = guest.log()?;
    // What came last may not have been looked at.
    panic.look(&log);
    Ok(GuestRun {
        console: guest.shell()?,
        debug: guest.debug()?,
        log,
        end,
        wall: guest.started.elapsed(),
        since_panic: panic.seen.map(|seen| seen.elapsed()),
        boot: spoke.map(|spoke| spoke.duration_since(guest.started)),
        command: guest.command.clone(),
    })
}

/// When the kernel said that it panics.
#[derive(Default)]
struct PanicLine {
    seen: Option<Instant>,
    /// True if it tells its trace after that.
    dumps: bool,
    /// The end of what was looked at, which may be half of it.
    tail: Vec<u8>,
}

impl PanicLine {
    /// Looks at what came next; true if the line is there and was not before.
    fn look(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend(bytes);
        let has = |wanted: &[u8]| self.tail.windows(wanted.len()).any(|words| words == wanted);
        let new = self.seen.is_none() && has(PANIC);
        self.dumps |= (new || self.seen.is_some()) && has(DUMP);
        if new {
            self.seen = Some(Instant::now());
        }
        let keep = self
            .tail
            .len()
            .saturating_sub(PANIC.len().max(DUMP.len()) - 1);
        self.tail.drain(..keep);
        new
    }
}

/// Lets the guest go on from where it was saved.
fn go_on(guest: &mut Running, saved: &SavedGuest) -> Result<super::qmp::Qmp> {
    let gone_on = guest.control().and_then(|mut control| {
        let socket = guest.folder().join("state");
        control.never_stop()?;
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
