//! Ctrl-C and friends: end the children, set the terminal right, exit 130.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Fault;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The write ends of the guards' pipes, by process number.
static LIFELINES: Mutex<BTreeMap<u32, ChildStdin>> = Mutex::new(BTreeMap::new());

/// The tool that has the terminal, or had it.
static ON_TERMINAL: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// A tool on the terminal may take so long to set it right.
const PATIENCE: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

fn on_terminal() -> MutexGuard<'static, Option<OwnedFd>> {
    ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a tool that has the terminal until it ends.
pub(super) fn run_on_terminal(mut command: Command) -> std::io::Result<ExitStatus> {
    // The lock is held across the start, as for a guarded tool.
    let mut tool = on_terminal();
    let mut child = command.spawn()?;
    *tool = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    drop(tool);
    child.wait()
}

fn lifelines() -> MutexGuard<'static, BTreeMap<u32, ChildStdin>> {
    LIFELINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running tool under its guard. Dropping it ends the tool and all that the
/// tool started.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    pub(super) fn spawn(mut command: Command) -> std::io::Result<Self> {
        // The lock is held across the start, so that no signal finds a child
        // that is not in the list yet.
        let mut lifelines = lifelines();
        let mut child = command.spawn()?;
        if let Some(lifeline) = child.stdin.take() {
            lifelines.insert(child.id(), lifeline);
        }
        Ok(Self { child })
    }

    /// Waits until the tool ends.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        // Child::wait would close a standard input that is still its own; the
        // lifeline was taken out above.
        let status = self.child.wait().context("cannot wait for a child")?;
        lifelines().remove(&self.child.id());
        Ok(status)
    }

    /// The status if the tool has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look at a child")
    }

    /// Ends the tool and all that it started, and waits until they are gone.
    pub fn end(&mut self) -> Result<ExitStatus> {
        lifelines().remove(&self.child.id());
        self.child.wait().context("cannot wait for a child")
    }

    /// The guard's process number; the tool is its child.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // A destructor has nobody to tell of an error.
        let _ = self.end();
    }
}

/// Handles SIGINT, SIGTERM and SIGHUP from here on: children end first, then
/// `restore` runs (the terminal), then the program exits with status 130.
pub fn on_signals(restore: impl Fn() + Send + 'static) -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("cannot handle signals")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_none() {
            return;
        }
        INTERRUPTED.store(true, Ordering::SeqCst);
        end_children();
        restore();
        // Not `eprintln!`, which panics when the terminal has gone: nothing
        // may keep the program from ending here.
        let _ = writeln!(
            std::io::stderr(),
            "\ninterrupted; what was whole is kept, run the same command again to go on"
        );
        std::process::exit(i32::from(Fault::Interrupted.status()));
    });
    Ok(())
}

/// Never returns if a signal has come: the failure that the caller is about to
/// report is only its echo, and the program is about to exit.
pub fn park_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

fn end_children() {
    let mut lifelines = lifelines();
    let guards = lifelines
        .keys()
        .filter_map(|id| Pid::from_raw(i32::try_from(*id).ok()?))
        .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .collect::<Vec<_>>();
    lifelines.clear();
    for guard in &guards {
        // A process descriptor becomes readable when its process ends.
        let _ = poll(&mut [PollFd::new(guard, PollFlags::IN)], None);
    }
    // QEMU sets the terminal right when it ends; a shell that had it back before
    // would find its own settings undone.
    if let Some(tool) = &*on_terminal() {
        let mut ended = [PollFd::new(tool, PollFlags::IN)];
        let _ = pidfd_send_signal(tool, Signal::TERM);
        if poll(&mut ended, Some(&PATIENCE)) == Ok(0) {
            let _ = pidfd_send_signal(tool, Signal::KILL);
            let _ = poll(&mut ended, None);
        }
    }
}
