//! Signals that end xtask: the handler ends the children, restores the terminal and exits with
//! status 130.

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

/// Write ends of the guards' pipes, by the guards' process numbers.
static LIFELINES: Mutex<BTreeMap<u32, ChildStdin>> = Mutex::new(BTreeMap::new());

/// The last tool that was started on the terminal.
static ON_TERMINAL: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Words of the work under way, for the message of an interruption.
static UNDER_WAY: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Maximum time that a tool on the terminal gets to restore it.
const TERMINAL_TIMEOUT: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

fn on_terminal() -> MutexGuard<'static, Option<OwnedFd>> {
    ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a tool on the terminal until it ends.
pub(super) fn run_on_terminal(mut command: Command) -> std::io::Result<ExitStatus> {
    // The lock is held during the start, as for a guarded tool.
    let mut tool = on_terminal();
    let mut child = command.spawn()?;
    *tool = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    drop(tool);
    child.wait()
}

fn lifelines() -> MutexGuard<'static, BTreeMap<u32, ChildStdin>> {
    LIFELINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tool that runs under its guard. Dropping it ends the tool and all processes that the tool
/// started.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    pub(super) fn spawn(mut command: Command) -> std::io::Result<Self> {
        // The lock is held during the start, so that the signal handler finds every child in the
        // map.
        let mut lifelines = lifelines();
        let mut child = command.spawn()?;
        if let Some(lifeline) = child.stdin.take() {
            lifelines.insert(child.id(), lifeline);
        }
        Ok(Self { child })
    }

    /// Waits until the tool ends, and returns its status.
    ///
    /// # Errors
    ///
    /// Fails if the guard cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        // Child::wait closes the child's standard input, if that is still in `child`; the pipe to
        // the guard is in the map.
        let status = self.child.wait().context("cannot wait for a child")?;
        lifelines().remove(&self.child.id());
        Ok(status)
    }

    /// Returns the tool's status if it has ended.
    ///
    /// # Errors
    ///
    /// Fails if the guard cannot be waited for.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look at a child")
    }

    /// Ends the tool and all processes that it started, waits for them, and returns the status.
    ///
    /// # Errors
    ///
    /// Fails if the guard cannot be waited for.
    pub fn end(&mut self) -> Result<ExitStatus> {
        lifelines().remove(&self.child.id());
        self.child.wait().context("cannot wait for a child")
    }

    /// Returns the guard's process number; the tool is a child of the guard.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // A destructor cannot report an error.
        let _ = self.end();
    }
}

/// Work that continues another time if it is interrupted. Dropping the value ends the work.
#[derive(Debug)]
pub struct Continuable(&'static str);

impl Continuable {
    /// Begins the work. If the program is interrupted before its end, the message has `words`, a clause.
    pub fn begin(words: &'static str) -> Self {
        under_way().push(words);
        Self(words)
    }
}

impl Drop for Continuable {
    fn drop(&mut self) {
        let mut under_way = under_way();
        if let Some(index) = under_way.iter().position(|words| *words == self.0) {
            under_way.remove(index);
        }
    }
}

fn under_way() -> MutexGuard<'static, Vec<&'static str>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the message of an interruption, with the words of the work under way.
fn interruption() -> String {
    let mut clauses = vec!["interrupted: what is finished stays in the cache"];
    for words in under_way().iter() {
        if !clauses.contains(words) {
            clauses.push(words);
        }
    }
    clauses.join("; ")
}

/// Installs a handler for SIGINT, SIGTERM and SIGHUP, which ends the children, calls `restore` for
/// the terminal, and exits with status 130. A SIGHUP that is ignored stays so: `nohup` starts a
/// program like this, which is to outlive its terminal.
///
/// # Errors
///
/// Fails if the handler cannot be installed.
pub fn on_signals(restore: impl Fn() + Send + 'static) -> Result<()> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let handled = hangup.into_iter().chain([SIGINT, SIGTERM]);
    let mut signals =
        signal_hook::iterator::Signals::new(handled).context("cannot handle signals")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_none() {
            return;
        }
        INTERRUPTED.store(true, Ordering::SeqCst);
        end_children();
        restore();
        // `eprintln!` panics if the terminal is gone; nothing may prevent the exit.
        let _ = writeln!(std::io::stderr(), "\n{}", interruption());
        std::process::exit(i32::from(Fault::Interrupted.status()));
    });
    Ok(())
}

/// Reports whether this process ignores a signal, which proc_pid_status(5) has as a mask.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Parks this thread for ever if a signal that ends the program has arrived: the failure which the
/// caller is about to report is then a consequence of the signal, and the program exits soon.
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
        if poll(&mut ended, Some(&TERMINAL_TIMEOUT)) == Ok(0) {
            let _ = pidfd_send_signal(tool, Signal::KILL);
            let _ = poll(&mut ended, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_names_the_work_under_way() {
        let none = "interrupted: what is finished stays in the cache";
        assert_eq!(interruption(), none);
        let grading = Continuable::begin("a");
        let kernels = [Continuable::begin("b"), Continuable::begin("b")];
        assert_eq!(interruption(), format!("{none}; a; b"));
        drop(grading);
        assert_eq!(interruption(), format!("{none}; b"));
        drop(kernels);
        assert_eq!(interruption(), none);
    }
}
