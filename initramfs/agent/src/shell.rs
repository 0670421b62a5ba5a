//! One shell for all commands of a run.
//!
//! The shell reads its script from a pipe, command by command, so folders, variables and
//! background jobs hold from one command to the next. Each command is a here-document that the
//! shell runs with `.`: whatever the command's text is, the shell knows its end, and `return`
//! ends the command. The command's output goes to a file in memory, and nothing wakes the agent
//! before the command has ended. The shell's own standard error goes nowhere, so that `set -x`
//! traces a command and not these lines. Programs that a command starts have neither the script
//! nor the pipe for its status, which the shell itself keeps at a descriptor that a command can
//! find: a status counts only with the token of its command.
//!
//! The shell is in a mount namespace of its own, so that no mount of a command reaches the agent,
//! and without the capability to look into a process with more capabilities: the agent's memory
//! and descriptors have the tag of its messages and the later commands. A command can still read
//! the memory and the script of the shell.

use std::io::{PipeReader, Read as _, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::guest::uptime;
use crate::output::Output;

/// The shell's first line. Its standard output is the file for output, and its standard error
/// the pipe for statuses; both move out of the way of the commands.
const PROLOGUE: &str = "exec </dev/null 9>&2 8>&1 >/dev/null 2>&1; cd
kmodlab_status() { return \"$1\"; }
";

/// The line behind a command.
const END: &str = "kmodlab-end";

/// The program that starts a shell in a session of its own.
pub const SETSID: &str = "/usr/bin/setsid";

/// The programs that start the shell in a session and a mount namespace of its own.
pub const LAUNCHER: [&str; 3] = [SETSID, "/usr/bin/unshare", "-m"];

/// Takes from all programs that this process starts the capability to look into a process with
/// more capabilities than their own.
pub fn protect_from_children() -> Result<()> {
    remove_capability_from_bounding_set(CapabilitySet::SYS_PTRACE)
        .context("cannot remove a capability")
}

/// The folders of busybox's programs.
pub const PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin";

/// An event that the agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The command ended, with this exit status.
    CommandEnded(u8),
    /// The shell itself ended, with this exit status.
    ShellEnded(i32),
    /// The other file can be read.
    Readable,
    /// The time is over.
    TimeOver,
    /// The commands printed as much as they may.
    OutputFull,
}

/// The guest's time between two looks at the length of the output while a command runs, in
/// nanoseconds. A command that prints too much is killed, which ends nearly every such command;
/// a look finds a loop that starts one after the other. Lessons' commands are shorter, so that
/// nothing wakes the agent while they run.
const LOOK: u64 = 10_000_000_000;

/// The shell, in a session and process group of its own.
pub struct Shell {
    pid: Pid,
    script: ChildStdin,
    statuses: PipeReader,
    /// The file that the commands' output goes to.
    pub output: Output,
    /// The beginning of a status.
    partial: String,
    /// Stands before the status of the current command.
    token: String,
    /// Becomes readable when a child ends.
    children: PipeReader,
    ended: Option<i32>,
}

impl Shell {
    /// Starts the shell in `folder`, which is also its home.
    ///
    /// `launcher` is the program that executes the rest of its arguments, with its own.
    pub fn start(folder: &Path, launcher: &[&str]) -> Result<Self> {
        let (children, child_ended) = std::io::pipe().context("cannot make a pipe")?;
        rustix::io::ioctl_fionbio(&children, true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, child_ended)
            .context("cannot handle SIGCHLD")?;
        let (statuses, statuses_writer) = std::io::pipe().context("cannot make a pipe")?;
        let output = Output::new(folder)?;
        // With a relative program or a folder, std would need sockets, which this kernel lacks.
        let (program, arguments) = launcher.split_first().context("no launcher")?;
        let mut child = Command::new(program)
            .args(arguments)
            // The shell opens this file anew, and no child of the shell inherits it.
            .args(["sh", "/proc/self/fd/0"])
            .env("PATH", PATH)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(output.writer()?)
            .stderr(statuses_writer)
            .spawn()
            .context("cannot start a shell")?;
        let pid = Pid::from_child(&child);
        let script = child
            .stdin
            .take()
            .context("the shell has no standard input")?;
        let mut shell = Self {
            pid,
            script,
            statuses,
            output,
            partial: String::new(),
            token: String::new(),
            children,
            ended: None,
        };
        shell.write(PROLOGUE);
        Ok(shell)
    }

    /// Returns its PID.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Starts a command, whose `$?` is at first the status of the previous one. Only a status
    /// with this token is the command's.
    pub fn start_command(&mut self, command: &str, previous: u8, token: &str) {
        token.clone_into(&mut self.token);
        let status = match previous {
            0 => String::new(),
            status => format!("kmodlab_status {status}\n"),
        };
        let mut end = END.to_owned();
        while command.lines().any(|line| line == end) {
            end.push('-');
        }
        self.write(&format!(
            "{status}\\. /proc/self/fd/7 7<<'{end}' </dev/null >&8 2>&8 8>&- 9>&-\n\
             {command}\n{end}\n\
             kmodlab_status=$?; \\unset -f echo; \\echo \"{token} $kmodlab_status\" >&9\n"
        ));
    }

    /// Lets the shell end.
    pub fn finish(&mut self) {
        self.write("exit 0\n");
    }

    fn write(&mut self, text: &str) {
        // A shell that has ended is reported by its status.
        let _ = self.script.write_all(text.as_bytes());
    }

    /// Waits for an event until `deadline`, a time of the guest's clock in nanoseconds, or
    /// until `other` can be read.
    pub fn wait(&mut self, deadline: u64, other: Option<&dyn std::os::fd::AsFd>) -> Result<Event> {
        self.wait_and_look(deadline, other, LOOK)
    }

    fn wait_and_look(
        &mut self,
        deadline: u64,
        other: Option<&dyn std::os::fd::AsFd>,
        look: u64,
    ) -> Result<Event> {
        loop {
            // Before the shell's end: its last command may have ended too.
            if let Some(status) = self.status() {
                return Ok(Event::CommandEnded(status));
            }
            if let Some(status) = self.ended {
                return Ok(Event::ShellEnded(status));
            }
            let left = deadline.saturating_sub(uptime().0);
            if left == 0 {
                return Ok(Event::TimeOver);
            }
            let wait = Duration::from_nanos(left.min(look));
            let wait = Timespec::try_from(wait).context("a long time")?;
            let mut files = vec![
                PollFd::new(&self.statuses, PollFlags::IN),
                PollFd::new(&self.children, PollFlags::IN),
            ];
            let other = other.map(std::os::fd::AsFd::as_fd);
            files.extend(other.iter().map(|file| PollFd::new(file, PollFlags::IN)));
            match poll(&mut files, Some(&wait)) {
                Ok(0) if self.output.is_full()? => return Ok(Event::OutputFull),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for an event"),
            }
            let ready: Vec<bool> = files
                .iter()
                .map(|file| !file.revents().is_empty())
                .collect();
            if ready[0] {
                self.read_statuses()?;
            }
            if ready[1] {
                self.reap();
            }
            if ready.get(2) == Some(&true) {
                return Ok(Event::Readable);
            }
        }
    }

    fn read_statuses(&mut self) -> Result<()> {
        let mut buffer = [0; 64];
        let count = self
            .statuses
            .read(&mut buffer)
            .context("cannot read a status")?;
        if count == 0 {
            // Every writer has gone: the shell has ended, or is about to.
            self.reap_shell()?;
        }
        self.partial
            .push_str(&String::from_utf8_lossy(&buffer[..count]));
        Ok(())
    }

    /// Returns the status of the current command if it has come. Other lines are a command's
    /// own: a command can find the pipe.
    fn status(&mut self) -> Option<u8> {
        while let Some((line, rest)) = self.partial.split_once('\n') {
            let status = line
                .strip_prefix(&self.token)
                .and_then(|status| status.strip_prefix(' ')?.parse().ok())
                .filter(|_| !self.token.is_empty());
            self.partial = rest.to_owned();
            if status.is_some() {
                self.token.clear();
                return status;
            }
        }
        None
    }

    /// Collects the children that have ended; every process whose parent has ended becomes a
    /// child of process 1.
    fn reap(&mut self) {
        let mut buffer = [0; 64];
        while (&self.children)
            .read(&mut buffer)
            .is_ok_and(|count| count > 0)
        {}
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.note(pid, status);
        }
    }

    fn reap_shell(&mut self) -> Result<()> {
        while self.ended.is_none() {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.note(pid, status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(error) => return Err(anyhow!("the shell is lost: {error}")),
            }
        }
        Ok(())
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        if pid == self.pid {
            let signal = status.terminating_signal().map(|signal| 128 + signal);
            self.ended = status.exit_status().or(signal).or(Some(255));
        }
    }

    /// Ends the processes that the commands left in the background.
    pub fn kill_group(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
