//! Child processes that never outlive xtask, with their output kept.

mod guard;
mod signals;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

pub use guard::{GUARD, TERMINAL_GUARD, guard, terminal_guard, xtask_binary};
pub use signals::{Guarded, on_signals, park_if_interrupted};

/// How many of the last lines of a tool's output a failure shows.
const LAST_LINES: usize = 25;

/// A program with its arguments, environment and folder.
///
/// It runs in a process group of its own under a guard, a second xtask that
/// ends the whole group when xtask is no more; see [`guard`].
#[derive(Debug)]
pub struct Tool {
    command: Command,
    clean: bool,
    /// The programs that start it, with their options.
    by: Vec<String>,
}

impl Tool {
    /// Starts a command line; `program` is a path or a name on the PATH.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            command: Command::new(program),
            clean: false,
            by: Vec::new(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable in the environment that the tool otherwise inherits.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of the tool's environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Gives the tool no variable of xtask's environment but PATH, HOME, TMPDIR
    /// and those set with [`Tool::env`]; messages are in the C locale. A
    /// CFLAGS or MAKEFLAGS of the user's shell then changes no result.
    pub fn clean_env(mut self) -> Self {
        self.clean = true;
        self
    }

    /// Sets the folder the tool runs in.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The tool's threads do not take a CPU from another when they wake then
    /// (`SCHED_BATCH`, sched(7)), where util-linux's chrt is there and may do that.
    pub fn batch(self) -> Self {
        self.started_by(&["chrt", "--batch", "0"])
    }

    /// All of the tool's threads are on the CPU that xtask is on now, where
    /// util-linux's taskset is there and may do that.
    pub fn on_one_cpu(self) -> Self {
        let cpu = rustix::thread::sched_getcpu().to_string();
        self.started_by(&["taskset", "--cpu-list", &cpu])
    }

    fn started_by(mut self, program: &[&str]) -> Self {
        let tried = Self::new(program[0]).args(&program[1..]).arg("true");
        if tried.capture().is_ok_and(|(status, ..)| status.success()) {
            self.by.extend(program.iter().map(|&word| word.to_owned()));
        }
        self
    }

    /// The command line, quoted as a POSIX shell reads it.
    pub fn quoted(&self) -> String {
        let words = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>();
        shlex::try_join(words.iter().map(AsRef::as_ref)).unwrap_or_else(|_| words.join(" "))
    }

    /// Runs the tool, appends all that it prints to the file `log` and hands
    /// each line to `on_line`. If it fails, the error says what was tried
    /// (`what`), shows the last lines and names the log.
    pub fn run_logged(&self, what: &str, log: &Path, mut on_line: impl FnMut(&str)) -> Result<()> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        writeln!(file, "$ {}", self.quoted())
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let mut child = self.spawn(Stdio::from(writer.try_clone()?), Stdio::from(writer))?;
        let mut last = std::collections::VecDeque::new();
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            file.write_all(&line)
                .with_context(|| format!("cannot write the log {}", log.display()))?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            on_line(&text);
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(text);
            line.clear();
        }
        let status = child.wait()?;
        park_if_interrupted();
        if !status.success() {
            bail!(
                "{what} failed ({status}): {}\n{}\nthe whole log: {}",
                self.quoted(),
                last.make_contiguous().join("\n"),
                log.display()
            );
        }
        Ok(())
    }

    /// Runs the tool and returns what it wrote to its standard output; what
    /// it wrote to standard error is in the error if it fails.
    pub fn output(&self) -> Result<String> {
        let (status, stdout, stderr) = self.capture()?;
        if !status.success() {
            bail!("{} failed ({status}): {}", self.quoted(), stderr.trim());
        }
        Ok(stdout)
    }

    /// Runs the tool and returns its status, standard output and standard
    /// error.
    pub fn capture(&self) -> Result<(ExitStatus, String, String)> {
        let (out_reader, out_writer) = std::io::pipe().context("cannot make a pipe")?;
        let (err_reader, err_writer) = std::io::pipe().context("cannot make a pipe")?;
        let mut child = self.spawn(Stdio::from(out_writer), Stdio::from(err_writer))?;
        let errors = std::thread::spawn(move || read_all(err_reader));
        let stdout = read_all(out_reader)?;
        let stderr = errors.join().unwrap_or_else(|_| Ok(String::new()))?;
        let status = child.wait()?;
        park_if_interrupted();
        Ok((status, stdout, stderr))
    }

    /// The tool as a plain command without a guard, for who measures it.
    pub fn bare(self) -> Command {
        guard::bare(&self.command, self.clean)
    }

    /// Starts the tool under its guard, with no standard input.
    pub fn spawn(&self, stdout: Stdio, stderr: Stdio) -> Result<Guarded> {
        let program = PathBuf::from(self.command.get_program());
        if which(&program).is_none() {
            return Err(Failure::host(format!(
                "there is no program {}; `cargo xtask doctor` says what is missing",
                program.display()
            ))
            .into());
        }
        let mut command = guard::command(GUARD, &self.by, &self.command, self.clean)?;
        command.stdout(stdout).stderr(stderr);
        Guarded::spawn(command).with_context(|| format!("cannot run {}", self.quoted()))
    }

    /// Runs the tool on xtask's own terminal, in its process group, until it
    /// ends. It is sent SIGTERM if xtask ends first.
    ///
    /// QEMU makes its terminal one that does not wait, which holds for all who
    /// share its opening: a shell would lose a line that it prints while QEMU
    /// does. So the tool has openings of its own.
    pub fn run_on_terminal(&self) -> Result<ExitStatus> {
        let mut command = guard::command(TERMINAL_GUARD, &self.by, &self.command, self.clean)?;
        if let Some(terminal) = opened_again(0, std::io::stdin()) {
            command.stdin(terminal);
        }
        if let Some(terminal) = opened_again(1, std::io::stdout()) {
            command.stdout(terminal);
        }
        let status = signals::run_on_terminal(command)
            .with_context(|| format!("cannot run {}", self.quoted()))?;
        park_if_interrupted();
        Ok(status)
    }
}

/// The terminal that xtask has as this descriptor, opened once more; `None` if it is
/// no terminal, or another user's.
fn opened_again(number: u8, descriptor: impl IsTerminal) -> Option<OwnedFd> {
    if !descriptor.is_terminal() {
        return None;
    }
    let path = format!("/proc/self/fd/{number}");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

fn read_all(mut reader: impl std::io::Read) -> Result<String> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the path of `program`: `program` itself if it is a path to a file, else the first
/// file of that name on the PATH.
pub fn which(program: impl AsRef<Path>) -> Option<PathBuf> {
    let program = program.as_ref();
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    programs(std::env::split_paths(&path), program).next()
}

/// Returns the files called `name` in `folders`, in their order.
pub fn programs(
    folders: impl IntoIterator<Item = PathBuf>,
    name: impl AsRef<Path>,
) -> impl Iterator<Item = PathBuf> {
    folders
        .into_iter()
        .map(move |folder| folder.join(&name))
        .filter(|program| program.is_file())
}
