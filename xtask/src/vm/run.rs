//! Runs a guest that runs a transcript, and watches it from outside.
//!
//! In virtual time the host may not disturb the guest, so the guest runs alone, and the host
//! reads its channels. In real time the host also types the commands.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::channels::{Channel, Channels};
use super::guest_run::{GuestEnd, GuestRun};
use super::machine::Machine;
use super::output_meter::OutputMeter;
use super::panic_detector::PanicDetector;
use super::qmp::Qmp;
use super::real_time::TypedCommands;
use super::running::{Observer, Running};
use super::snapshot::Snapshot;
use super::watchdog::{INTERVAL, Reserve, Watchdog};
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// The time that a guest runs before its clock is read for the first time. Most guests have
/// ended by then, and QEMU can hang in its end if it is asked something at that moment (seen
/// once, in `monitor_cleanup` of QEMU 7.2).
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Seconds of its own time after which a guest that panics has ended, or does not end: its
/// kernel waits for the other CPUs to stop, in steps of a microsecond between which a CPU that
/// never stops gets a whole turn of 0.1 s.
const PANIC_GRACE: u32 = 1;

/// Seconds of its own time that a panicking kernel may take to write its trace to the log: 0.8
/// ms for each of 15,000 events.
const DUMP_GRACE: u32 = 15;

/// Part of QEMU's message when SIGTERM, SIGINT or SIGHUP ends it (`qemu_kill_report` in
/// system/runstate.c). xtask sends a QEMU that it watches none of them.
const ENDED_FROM_OUTSIDE: &str = ": terminating on signal ";

/// A guest could not be resumed from a snapshot, which says nothing about the guest: boot one
/// instead.
#[derive(Debug)]
pub struct NotResumed {
    why: String,
}

impl fmt::Display for NotResumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why } = self;
        write!(f, "a guest could not be resumed from its snapshot: {why}")
    }
}

impl std::error::Error for NotResumed {}

/// The inputs of a guest's run that its command line does not have.
#[derive(Default)]
pub struct RunInputs<'a> {
    /// The snapshot from which the guest resumes; else it boots.
    pub snapshot: Option<&'a Snapshot>,
    /// The commands to type.
    pub typed: Option<TypedCommands>,
}

/// Runs a guest until it ends, or until its clock passes `limit` seconds. `on_messages`
/// receives the bytes of the agent's channel, piece by piece.
///
/// # Errors
///
/// If QEMU cannot be started or its channels cannot be read; [`NotResumed`] if the guest does
/// not resume from the snapshot.
pub fn run(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    channels: Channels,
    inputs: RunInputs<'_>,
    limit: u32,
    on_messages: &mut dyn FnMut(&[u8]),
) -> Result<GuestRun> {
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    if let Some(commands) = inputs.typed {
        guest.type_commands(commands)?;
    }
    let mut control = None;
    if let Some(snapshot) = inputs.snapshot {
        control = Some(resume(&mut guest, snapshot)?);
    }
    let mut observer = GuestObserver {
        on_messages,
        limit,
        may_be_interrupted: machine.may_be_interrupted(),
        reserve: machine.virtual_clock().map(|_| Reserve::default()),
        wall_limit: match machine.virtual_clock() {
            Some(_) => None,
            None => Some(guest.started() + Duration::from_secs(limit.into())),
        },
        watchdog: Watchdog::default(),
        meter: OutputMeter::default(),
        panic: PanicDetector::default(),
        first_message: None,
        panicked_at: None,
        next_look: Instant::now() + FIRST_LOOK,
    };
    let stopped = guest.watch(control, &mut observer)?;
    let GuestObserver {
        mut panic,
        first_message,
        ..
    } = observer;
    let (command, started) = (guest.command().to_owned(), guest.started());
    let ended = guest.end()?;
    let end = match stopped {
        Some(end) => end,
        // QEMU ends with status 0 then.
        None if ended.errors.contains(ENDED_FROM_OUTSIDE) => GuestEnd::QemuFailed {
            status: "a signal from outside ended it".to_owned(),
            stderr: ended.errors.clone(),
        },
        None if ended.status.success() => GuestEnd::Ended,
        None => GuestEnd::QemuFailed {
            status: ended.status.to_string(),
            stderr: ended.errors.clone(),
        },
    };
    // The last bytes may not have been seen.
    panic.read(&ended.log);
    Ok(GuestRun {
        agent: ended.agent,
        debug: ended.debug,
        log: ended.log,
        qemu_errors: ended.errors,
        end,
        wall: ended.wall,
        since_panic: panic.seen().map(|seen| seen.elapsed()),
        boot: first_message.map(|first: Instant| first.duration_since(started)),
        command,
    })
}

/// Resumes the guest from a snapshot.
fn resume(guest: &mut Running, snapshot: &Snapshot) -> Result<Qmp> {
    let resumed = guest.control().and_then(|mut control| {
        let socket = guest.folder().join("state");
        control.ignore_snapshot_requests()?;
        control.resume(&snapshot.state()?, &socket)?;
        Ok(control)
    });
    resumed.map_err(|error| {
        let errors = guest.stop().map(|(_, errors)| errors).unwrap_or_default();
        let why = format!("{error:#} {errors}").trim_end().to_owned();
        NotResumed { why }.into()
    })
}

struct GuestObserver<'a> {
    on_messages: &'a mut dyn FnMut(&[u8]),
    limit: u32,
    may_be_interrupted: bool,
    /// In virtual time: whether QEMU may be asked.
    reserve: Option<Reserve>,
    /// In real time: the end of a guest whose QEMU does not answer.
    wall_limit: Option<Instant>,
    watchdog: Watchdog,
    meter: OutputMeter,
    panic: PanicDetector,
    first_message: Option<Instant>,
    /// The guest's clock in seconds when its panic was noticed.
    panicked_at: Option<u32>,
    next_look: Instant,
}

impl Observer for GuestObserver<'_> {
    type Stop = GuestEnd;

    fn output(&mut self, channel: Channel, bytes: &[u8]) -> Option<GuestEnd> {
        match channel {
            Channel::Log => {
                self.watchdog.logged();
                if self.panic.read(bytes) {
                    self.next_look = self.next_look.min(Instant::now() + INTERVAL);
                }
            }
            Channel::Agent => {
                self.first_message.get_or_insert_with(Instant::now);
                (self.on_messages)(bytes);
            }
            Channel::Debug | Channel::QemuErrors => {}
        }
        let is_over = self.meter.is_over(channel, bytes);
        is_over.then_some(GuestEnd::OutputLimit(channel))
    }

    fn next_look(&self) -> Option<Instant> {
        Some(self.next_look)
    }

    fn look(&mut self, guest: &Running, control: &mut Option<Qmp>) -> Result<Option<GuestEnd>> {
        self.next_look = Instant::now() + INTERVAL;
        let reserve = self.reserve.as_mut();
        let may_ask = reserve.is_none_or(|reserve| reserve.is_over(guest.guard()));
        if !may_ask && self.panic.seen().is_none() {
            return Ok(None);
        }
        let dump = if self.panic.dumps_trace() {
            DUMP_GRACE
        } else {
            0
        };
        let limit = match self.panicked_at {
            Some(at) => at + PANIC_GRACE + dump,
            None => self.limit,
        };
        let end = self.watchdog.check(control, limit, guest.guard());
        if control.is_none() && self.wall_limit.is_some_and(|limit| Instant::now() > limit) {
            return Ok(Some(GuestEnd::Stuck));
        }
        if self.panic.seen().is_some() {
            self.panicked_at
                .get_or_insert(self.watchdog.guest_seconds());
        }
        if let Some(control) = control
            && control.has_internal_error().unwrap_or(false)
        {
            return Ok(Some(GuestEnd::QemuFailed {
                status: "it stopped the guest for an error of its own".to_owned(),
                stderr: String::new(),
            }));
        }
        // An NMI makes the guest panic with a report of where it was
        // (`panic_on_unrecovered_nmi`, set by the agent). A guest that does not panic reaches
        // its limit.
        if end.is_none()
            && self.may_be_interrupted
            && self.watchdog.is_uninterruptible(control)
            && let Some(control) = control
        {
            let _ = control.nmi();
            self.watchdog.logged();
        }
        Ok(end)
    }
}
