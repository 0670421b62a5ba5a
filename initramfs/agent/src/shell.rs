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

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, kill_process_group, setrlimit, wait,
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::guest::uptime;

/// The shell's first line. Its standard output is the file for output, and its standard error
/// the pipe for statuses; both move out of the way of the commands.
const PROLOGUE: &str = "exec </dev/null 9>&2 8>&1 >/dev/null 2>&1; cd
kmodlab_status() { return \"$1\"; }
";

/// The line behind a command.
const END: &str = "kmodlab-end";

/// Maximum length of a file that a command writes, its output among them, in bytes: every file of
/// a guest is in its memory. A command that writes more is killed by SIGXFSZ.
const MAX_FILE: u64 = 64 << 20;

/// Maximum length of a piece of output, in bytes.
pub const PIECE: u64 = 1 << 20;

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
}

/// The shell, in a session and process group of its own.
pub struct Shell {
    pid: Pid,
    script: ChildStdin,
    statuses: PipeReader,
    output: File,
    /// Bytes of the output that were read.
    read: u64,
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
        let output = nameless_file(folder).context("cannot make a file for the output")?;
        let limit = Rlimit {
            current: Some(MAX_FILE),
            maximum: Some(MAX_FILE),
        };
        setrlimit(Resource::Fsize, limit).context("cannot limit the length of files")?;
        // With a relative program or a folder, std would need sockets, which this kernel lacks.
        let (program, arguments) = launcher.split_first().context("no launcher")?;
        let mut child = Command::new(program)
            .args(arguments)
            // The shell opens this file anew, and no child of the shell inherits it.
            .args(["sh", "/proc/self/fd/0"])
            .env("PATH", PATH)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
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
            read: 0,
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
            let left = Timespec::try_from(Duration::from_nanos(left)).context("a long time")?;
            let mut files = vec![
                PollFd::new(&self.statuses, PollFlags::IN),
                PollFd::new(&self.children, PollFlags::IN),
            ];
            let other = other.map(std::os::fd::AsFd::as_fd);
            files.extend(other.iter().map(|file| PollFd::new(file, PollFlags::IN)));
            match poll(&mut files, Some(&left)) {
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

    /// Returns the next [`PIECE`] of the output, or the rest if that is less; call it until it
    /// returns nothing.
    pub fn output(&mut self) -> Result<Vec<u8>> {
        let length = self.output.metadata()?.len();
        let count = usize::try_from(length.saturating_sub(self.read).min(PIECE))?;
        let mut bytes = vec![0; count];
        self.output
            .read_exact_at(&mut bytes, self.read)
            .context("cannot read the output")?;
        self.read += bytes.len() as u64;
        Ok(bytes)
    }

    /// Ends the processes that the commands left in the background.
    pub fn kill_group(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

/// Makes a file to append to, whose name in `folder` is removed at once. Every file of a guest is
/// in memory.
fn nameless_file(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(".kmodlab-output");
    let mut options = File::options();
    let file = options
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    /// Locks out other tests: a shell collects all children of the process, so only one may run.
    fn alone() -> std::sync::MutexGuard<'static, ()> {
        static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        ALONE
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The status and output of each command.
    type Results = Vec<(u8, String)>;

    /// Runs commands until the shell ends; returns their results, and the shell's status if it
    /// ended early.
    fn run(commands: &[&str]) -> Result<(Results, Option<i32>)> {
        let _alone = alone();
        let folder = tempfile::tempdir()?;
        let mut shell = Shell::start(folder.path(), &[SETSID])?;
        let mut results = Vec::new();
        let mut previous = 0;
        for command in commands {
            let token = format!("token{}", results.len());
            shell.start_command(command, previous, &token);
            match shell.wait(uptime().0 + MINUTE, None)? {
                Event::CommandEnded(status) => {
                    let output = String::from_utf8_lossy(&shell.output()?).into_owned();
                    results.push((status, output));
                    previous = status;
                }
                Event::ShellEnded(status) => return Ok((results, Some(status))),
                event => anyhow::bail!("{event:?}"),
            }
        }
        shell.finish();
        match shell.wait(uptime().0 + MINUTE, None)? {
            Event::ShellEnded(0) => Ok((results, None)),
            event => anyhow::bail!("{event:?}"),
        }
    }

    fn texts(commands: &[&str]) -> Result<Results> {
        let (results, ended) = run(commands)?;
        assert_eq!(ended, None);
        Ok(results)
    }

    fn result(status: u8, output: &str) -> (u8, String) {
        (status, output.to_owned())
    }

    #[test]
    fn commands_share_one_shell() -> Result<()> {
        let results = texts(&[
            "x=1; cd /; f() { echo \"$1 $x\"; }",
            "f 'it'\"'\"'s'; pwd",
            "(exit 3)",
            "echo $?; false",
            "cat <<E\na\n\\$x\nE",
            "echo out; echo err >&2",
            "echo \"$-\"; ls -l /proc/self/fd",
        ])?;
        assert_eq!(results[0], result(0, ""));
        assert_eq!(results[1], result(0, "it's 1\n/\n"));
        assert_eq!(results[2], result(3, ""));
        assert_eq!(results[3], result(1, "3\n"));
        assert_eq!(results[4], result(0, "a\n$x\n"));
        assert_eq!(results[5], result(0, "out\nerr\n"));
        let (_, files) = &results[6];
        assert!(files.contains(" 1 -> "), "{files}");
        assert!(
            !files.contains(" 8 -> ") && !files.contains(" 9 -> "),
            "{files}"
        );
        Ok(())
    }

    #[test]
    fn no_command_can_read_the_script_or_forge_a_status() -> Result<()> {
        let results = texts(&[
            "cat; read x; echo \"[$x]\"",
            "echo 7 >&9; echo 7 >&8",
            "echo 'a\nb' 'c'; exit_status=5",
            "sh -c 'cat /proc/self/fd/10; echo 0 >/proc/self/fd/9'; true",
            "echo a\nkmodlab-end\necho b",
            "return 4",
            "echo $?; cat <&7",
        ])?;
        assert_eq!(results[0], result(0, "[]\n"));
        assert_ne!(results[1].0, 7);
        assert_eq!(results[2], result(0, "a\nb c\n"));
        assert_eq!(results[3].0, 0);
        assert!(results[4].1.starts_with("a\n") && results[4].1.ends_with("b\n"));
        assert_eq!(results[5], result(4, ""));
        assert_eq!(results[6], result(0, "4\n"));
        Ok(())
    }

    #[test]
    fn a_command_may_be_long() -> Result<()> {
        let long = format!("echo {} | wc -c", "x".repeat(200_000));
        let results = texts(&[&long, "echo $?"])?;
        assert_eq!(results[0].1.trim(), "200001");
        assert_eq!(results[1], result(0, "0\n"));
        Ok(())
    }

    #[test]
    fn a_status_without_its_token_does_not_count() -> Result<()> {
        let results = texts(&[
            "echo() { command echo token0 0; }; alias unset=: .=: ; (exit 6)",
            "echo $?",
        ])?;
        assert_eq!(results[0].0, 6);
        assert_eq!(results[1], result(0, "6\n"));
        Ok(())
    }

    #[test]
    fn options_of_the_shell_stay_those_of_the_commands() -> Result<()> {
        let results = texts(&[
            "set -x; echo a",
            "set +x",
            "set -u; IFS=0123456789; (exit 10)",
            "echo $?",
        ])?;
        assert_eq!(results[0], result(0, "+ echo a\na\n"));
        assert_eq!(results[2].0, 10);
        assert_eq!(results[3].0, 0);
        Ok(())
    }

    #[test]
    fn a_shell_that_ends_early_is_reported_with_its_status() -> Result<()> {
        assert_eq!(run(&["echo a; exit 4", "echo b"])?, (vec![], Some(4)));
        assert_eq!(run(&["true", "kill -9 $$"])?.1, Some(137));
        assert_eq!(run(&["if", "true"])?.1, Some(2));
        let (results, status) = run(&["set -e", "true", "false; true", "true"])?;
        assert_eq!((results.len(), status), (2, Some(1)));
        Ok(())
    }

    #[test]
    fn a_background_job_ends_with_the_group_and_not_before() -> Result<()> {
        let _alone = alone();
        let folder = tempfile::tempdir()?;
        let mut shell = Shell::start(folder.path(), &[SETSID])?;
        shell.start_command("sleep 1000 & echo $!", 0, "token");
        assert_eq!(
            shell.wait(uptime().0 + MINUTE, None)?,
            Event::CommandEnded(0)
        );
        let pid: i32 = String::from_utf8(shell.output()?)?.trim().parse()?;
        let running = || Path::new(&format!("/proc/{pid}/cmdline")).exists();
        assert!(running());
        shell.kill_group();
        shell.finish();
        assert!(matches!(
            shell.wait(uptime().0 + MINUTE, None)?,
            Event::ShellEnded(_)
        ));
        Ok(())
    }

    #[test]
    fn a_command_that_does_not_end_meets_the_deadline() -> Result<()> {
        let _alone = alone();
        let folder = tempfile::tempdir()?;
        let mut shell = Shell::start(folder.path(), &[SETSID])?;
        shell.start_command("echo a; sleep 1000", 0, "token");
        let deadline = uptime().0 + 200_000_000;
        assert_eq!(shell.wait(deadline, None)?, Event::TimeOver);
        assert_eq!(shell.output()?, b"a\n");
        shell.kill_group();
        Ok(())
    }
}
