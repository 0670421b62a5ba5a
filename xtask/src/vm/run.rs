//! Runs a guest that runs a transcript, and watches it from outside.
//!
//! In virtual time the host may not disturb the guest, so the guest runs alone, and the host
//! reads its channels. In real time the host also types the commands.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::busy_detector::BusyDetector;
use super::channels::{Channel, Channels};
use super::cpu_stop;
use super::gdb::Gdb;
use super::guest_run::{GuestEnd, GuestRun, Interruption};
use super::machine::Machine;
use super::module_calls::{self, KernelFunctions};
use super::output_meter::{EVENTS, OutputMeter};
use super::panic_detector::PanicDetector;
use super::pci::restore_headers;
use super::qmp::Qmp;
use super::real_time::TypedCommands;
use super::running::{Observer, Running};
use super::snapshot::Snapshot;
use super::watchdog::{self, INTERVAL, Reserve, Watchdog};
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

/// Seconds of its own time that a panicking kernel may take to write its trace, or the stacks of
/// all tasks, to the log: 0.8 ms for each of 15,000 events.
const DUMP_GRACE: u32 = 15;

/// The kernel's variable that says what a panic prints, and the bits for the stacks of all tasks
/// and of all CPUs (`panic_print` in Documentation/admin-guide/kernel-parameters.txt).
const PANIC_PRINT: &str = "panic_print";
const ALL_STACKS: u64 = 0x41;

/// CPU time of QEMU after which a guest that was interrupted, and has not panicked, never will. With two CPUs in loops
/// of PAUSE, 3 s were too short for one of six guests.
const INTERRUPTION_PATIENCE: Duration = Duration::from_secs(10);

/// The kind of the command that a guest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// It loads or unloads modules: it may wait for a module's threads.
    ChangesModules,
    /// Any other.
    Other,
}

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
/// receives the bytes of the agent's channel, piece by piece, and returns the kind of the command
/// that has begun, if one has.
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
    on_messages: &mut dyn FnMut(&[u8]) -> Option<CommandKind>,
) -> Result<GuestRun> {
    let mut guest = Running::start(toolchain, kernel, machine, channels)?;
    if let Some(commands) = inputs.typed {
        guest.type_commands(commands)?;
    }
    let mut control = None;
    if let Some(snapshot) = inputs.snapshot {
        let mut loaded = load(&mut guest, snapshot)?;
        loaded.resume_execution().map_err(not_resumed)?;
        control = Some(loaded);
    }
    let mut observer = GuestObserver {
        on_messages,
        kernel,
        limit,
        may_be_interrupted: machine.may_be_interrupted(),
        reserve: machine.virtual_clock().map(|_| Reserve::default()),
        wall_limit: match machine.virtual_clock() {
            Some(_) => None,
            None => Some(guest.started() + Duration::from_secs(limit.into())),
        },
        watchdog: Watchdog::default(),
        busy: BusyDetector::default(),
        guard: guest.guard(),
        progress_read: None,
        command: CommandKind::Other,
        functions: None,
        interruption: None,
        meter: OutputMeter::default(),
        panic: PanicDetector::default(),
        first_message: None,
        received: 0,
        panicked_at: None,
        next_look: Instant::now() + FIRST_LOOK,
    };
    let stopped = guest.watch(control, &mut observer)?;
    let (command, started) = (guest.command().to_owned(), guest.started());
    let ended = guest.end()?;
    // The last bytes may not have been seen.
    observer.panic.read(&ended.log);
    if let Some(rest @ [_, ..]) = ended.agent.get(observer.received..) {
        observer.output(Channel::Agent, rest);
    }
    let GuestObserver {
        panic,
        first_message,
        interruption,
        ..
    } = observer;
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
    Ok(GuestRun {
        agent: ended.agent,
        debug: ended.debug,
        log: ended.log,
        qemu_errors: ended.errors,
        end,
        interruption: interruption.map(|(why, _)| why),
        wall: ended.wall,
        since_panic: panic.seen().map(|seen| seen.elapsed()),
        boot: first_message.map(|first: Instant| first.duration_since(started)),
        command,
    })
}

fn not_resumed(error: anyhow::Error) -> anyhow::Error {
    let why = format!("{error:#}");
    NotResumed { why }.into()
}

/// Gives the guest the state of a snapshot; it does not run yet.
pub(super) fn load(guest: &mut Running, snapshot: &Snapshot) -> Result<Qmp> {
    let loaded = guest.control().and_then(|mut control| {
        let socket = guest.folder().join("state");
        control.ignore_snapshot_requests()?;
        control.load(&snapshot.state()?, &socket)?;
        restore_headers(&mut control, &snapshot.lost_headers()?)?;
        Ok(control)
    });
    loaded.map_err(|error| {
        let errors = guest.stop().map(|(_, errors)| errors).unwrap_or_default();
        let why = format!("{error:#} {errors}").trim_end().to_owned();
        NotResumed { why }.into()
    })
}

struct GuestObserver<'a> {
    on_messages: &'a mut dyn FnMut(&[u8]) -> Option<CommandKind>,
    kernel: &'a KernelImage,
    limit: u32,
    may_be_interrupted: bool,
    /// In virtual time: whether QEMU may be asked.
    reserve: Option<Reserve>,
    /// In real time: the end of a guest whose QEMU does not answer.
    wall_limit: Option<Instant>,
    watchdog: Watchdog,
    busy: BusyDetector,
    /// The number of the process that QEMU is a child of.
    guard: u32,
    /// The time at which QEMU's CPU time was last read because the guest had written something.
    progress_read: Option<Instant>,
    command: CommandKind,
    /// Read when they are first needed.
    functions: Option<KernelFunctions>,
    /// The reason for which the guest was interrupted, and QEMU's CPU time then.
    interruption: Option<(Interruption, Duration)>,
    meter: OutputMeter,
    panic: PanicDetector,
    first_message: Option<Instant>,
    /// The number of bytes of the agent's channel that `on_messages` has received.
    received: usize,
    /// The guest's clock in seconds when its panic was noticed.
    panicked_at: Option<u32>,
    next_look: Instant,
}

impl Observer for GuestObserver<'_> {
    type Stop = GuestEnd;

    fn output(&mut self, channel: Channel, bytes: &[u8]) -> Option<GuestEnd> {
        match channel {
            Channel::Log => {
                self.progressed();
                self.watchdog.logged();
                if self.panic.read(bytes) {
                    self.next_look = self.next_look.min(Instant::now() + INTERVAL);
                }
            }
            Channel::Agent => {
                self.progressed();
                self.first_message.get_or_insert_with(Instant::now);
                self.received += bytes.len();
                if let Some(kind) = (self.on_messages)(bytes) {
                    self.command = kind;
                }
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
        // QEMU is not asked anything for that.
        let events = control
            .as_mut()
            .and_then(|control| control.other_events(EVENTS).ok());
        if let Some(events) = events.filter(|events| events.count > EVENTS) {
            return Ok(Some(GuestEnd::EventLimit {
                event: events.last.clone(),
            }));
        }
        let cpu_time = watchdog::cpu_time(guest.guard());
        let reserve = self.reserve.as_mut();
        let may_ask = reserve.is_none_or(|reserve| reserve.is_over(guest.guard(), cpu_time));
        if !may_ask && self.panic.seen().is_none() {
            return Ok(None);
        }
        let writes = self.panic.dumps_trace() || self.interruption.is_some();
        let dump = if writes { DUMP_GRACE } else { 0 };
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
        let Some(control) = control.as_mut().filter(|_| end.is_none()) else {
            return Ok(end);
        };
        if control.has_internal_error().unwrap_or(false) {
            return Ok(Some(GuestEnd::QemuFailed {
                status: "it stopped the guest for an error of its own".to_owned(),
                stderr: String::new(),
            }));
        }
        if self.panic.seen().is_some() {
            return Ok(None);
        }
        Ok(self.interrupt_if_it_hangs(guest, control, cpu_time))
    }
}

impl GuestObserver<'_> {
    /// Notes that the guest has written something. Of outputs within [`INTERVAL`], the first counts.
    fn progressed(&mut self) {
        let recent = |read: Instant| read.elapsed() < INTERVAL;
        if !self.progress_read.is_some_and(recent) {
            self.progress_read = Some(Instant::now());
            let cpu_time = watchdog::cpu_time(self.guard);
            self.busy.progressed(cpu_time.unwrap_or_default());
        }
    }

    /// Interrupts a guest that no detector of the kernel will end. A guest that cannot be
    /// interrupted, or does not panic then, is to be stopped.
    fn interrupt_if_it_hangs(
        &mut self,
        guest: &Running,
        control: &mut Qmp,
        cpu_time: Option<Duration>,
    ) -> Option<GuestEnd> {
        let out_of_time = GuestEnd::OutOfTime {
            guest_seconds: f64::from(self.watchdog.guest_seconds()),
        };
        let cpu_time = cpu_time?;
        if let Some((_, at)) = self.interruption {
            // Without it, the kernel waits longer.
            let _ = cpu_stop::stop_awaited(guest, control, self.kernel);
            let since = cpu_time.saturating_sub(at);
            return (since >= INTERRUPTION_PATIENCE).then_some(out_of_time);
        }
        let ticks = self.functions().ticks;
        let why = if self.is_busy(control, cpu_time) {
            Interruption::Busy
        } else if self.watchdog.is_uninterruptible(control, ticks) {
            Interruption::Uninterruptible
        } else {
            return None;
        };
        self.interruption = Some((why, cpu_time));
        if !self.may_be_interrupted {
            return Some(out_of_time);
        }
        // Without it, the panic shows the stack of one CPU.
        let _ = self.let_panic_print_all_stacks(guest, control);
        // An NMI makes the guest panic (`panic_on_unrecovered_nmi`, set by the agent).
        // The debugger stub stops the guest, and may not have let it run again.
        let _ = control.resume_execution();
        let _ = module_calls::interrupt(control, self.functions());
        None
    }

    /// Returns the kernel's functions, whose addresses are read when they are first needed.
    fn functions(&mut self) -> &KernelFunctions {
        let kernel = self.kernel;
        self.functions
            .get_or_insert_with(|| KernelFunctions::of(kernel))
    }

    /// Reports whether a module's code keeps a CPU busy.
    fn is_busy(&mut self, control: &mut Qmp, cpu_time: Duration) -> bool {
        if !self.busy.wants_calls(cpu_time) {
            return false;
        }
        let calls = module_calls::find(control, self.functions()).unwrap_or_default();
        let waits = self.command == CommandKind::ChangesModules;
        self.busy.is_busy(&calls, cpu_time, waits)
    }

    /// Writes to the kernel's memory that a panic prints the stacks of all tasks and CPUs. If it
    /// were set in every guest, each panic would print some thousand lines.
    fn let_panic_print_all_stacks(&self, guest: &Running, control: &mut Qmp) -> Result<()> {
        let Some(variable) = self.kernel.symbol_range(PANIC_PRINT) else {
            return Ok(());
        };
        let socket = guest.debugger_socket();
        control.start_debugger_stub(&socket)?;
        let mut debugger = Gdb::attach(&socket)?;
        debugger.write(variable.start, ALL_STACKS)?;
        debugger.detach()
    }
}
