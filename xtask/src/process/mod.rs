//! Child processes that never outlive xtask, and whose output is recorded.

mod guard;
mod sandbox;
mod signals;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

pub use guard::{GUARD, GUARDED, TERMINAL_GUARD, become_tool, guard, note_program, xtask_binary};
pub use sandbox::{CompilerLimits, SANDBOX, SANDBOX_FAILED, Sandbox, has_landlock, sandbox};
pub use signals::{Continuable, Guarded, on_signals, park_if_interrupted};

/// Number of the last lines of a tool's output that an error shows.
const LAST_LINES: usize = 25;

/// A program with its arguments, environment and working folder.
///
/// It runs in a process group of its own under a guard, a second xtask that kills the whole
/// group when the first xtask ends; see [`guard`].
#[derive(Debug)]
pub struct Tool {
    command: Command,
    clean: bool,
    /// Programs that start the tool, such as chrt, with their options.
    by: Vec<OsString>,
}

impl Tool {
    /// Creates a command line; `program` is a path or a name on the PATH.
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

    /// Sets a variable of the tool's environment, which is xtask's otherwise.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from the tool's environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Removes from the tool's environment all variables except PATH, HOME, TMPDIR and those set
    /// with [`Tool::env`], and sets the C locale. The CFLAGS or MAKEFLAGS of the user's shell then
    /// change no result.
    pub fn clean_env(mut self) -> Self {
        self.clean = true;
        self
    }

    /// Sets the tool's working folder.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts the tool with the policy `SCHED_BATCH` (sched(7)), under which a thread that wakes
    /// does not preempt another one. Changes nothing if util-linux's chrt is missing or fails.
    pub fn batch(mut self) -> Self {
        const CHRT: [&str; 3] = ["chrt", "--batch", "0"];
        let tried = Self::new(CHRT[0]).args(&CHRT[1..]).arg("true");
        if tried.capture().is_ok_and(|(status, ..)| status.success()) {
            self.by.extend(CHRT.map(OsString::from));
        }
        self
    }

    /// Starts the tool in `sandbox`. The host's kernel must have Landlock.
    ///
    /// # Errors
    ///
    /// Fails if a path of the sandbox has a colon.
    pub fn sandboxed(mut self, sandbox: &Sandbox) -> Result<Self> {
        let (name, readable) = sandbox.variable()?;
        self.by.extend(sandbox.command());
        Ok(self.env(name, readable))
    }

    /// Returns the command line, quoted for a POSIX shell.
    pub fn quoted(&self) -> String {
        let words = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>();
        shlex::try_join(words.iter().map(AsRef::as_ref)).unwrap_or_else(|_| words.join(" "))
    }

    /// Runs the tool, appends its output to the file `log` and passes each line to `on_line`.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be written, and if the tool cannot be started or fails; then the
    /// error begins with `what`, shows the last lines of the output and names the log.
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

    /// Runs the tool and returns its standard output.
    ///
    /// # Errors
    ///
    /// Fails if the tool cannot be started, and if it fails; then the error shows its standard
    /// error.
    pub fn output(&self) -> Result<String> {
        let (status, stdout, stderr) = self.capture()?;
        if !status.success() {
            bail!("{} failed ({status}): {}", self.quoted(), stderr.trim());
        }
        Ok(stdout)
    }

    /// Runs the tool and returns its status, standard output and standard error.
    ///
    /// # Errors
    ///
    /// Fails if the tool cannot be started. A tool that ends with another status than 0 is not an
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

    /// Returns the tool as a plain command without a guard: for measurements, and for a tool
    /// that ends when its standard input does.
    pub fn bare(self) -> Command {
        guard::bare(&self.command, self.clean)
    }

    /// Starts the tool under its guard, without standard input.
    ///
    /// # Errors
    ///
    /// Fails if the program does not exist or cannot be started.
    pub fn spawn(&self, stdout: Stdio, stderr: Stdio) -> Result<Guarded> {
        let program = PathBuf::from(self.command.get_program());
        if which(&program).is_none() {
            return Err(Failure::host(format!(
                "there is no program {}; `{} doctor` lists what is missing",
                program.display(),
                crate::program::name()
            ))
            .into());
        }
        let mut command = guard::command(GUARD, &self.by, &self.command, self.clean)?;
        command.stdout(stdout).stderr(stderr);
        Guarded::spawn(command).with_context(|| format!("cannot run {}", self.quoted()))
    }

    /// Runs the tool on xtask's own terminal, in xtask's process group, and returns its status.
    /// The tool gets SIGTERM if xtask ends first.
    ///
    /// QEMU sets `O_NONBLOCK` on its terminal, which is a flag of the open file description and
    /// so would hold for the user's shell too, whose output could be lost. Therefore the terminal
    /// is opened again for the tool.
    ///
    /// # Errors
    ///
    /// Fails if the tool cannot be started.
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

/// Opens the terminal behind a descriptor of xtask again; returns `None` if the descriptor is not
/// a terminal, or if the terminal is another user's.
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

/// Opens a page in the user's browser.
///
/// # Errors
///
/// Fails if the host has no `xdg-open`, or if that fails.
pub fn open_in_browser(page: &Path) -> Result<()> {
    let Some(opener) = which("xdg-open") else {
        return Err(Failure::host(format!(
            "xdg-open is missing; open {} in a browser",
            page.display()
        ))
        .into());
    };
    let status = Tool::new(opener).arg(page).run_on_terminal()?;
    ensure!(
        status.success(),
        Failure::host(format!("xdg-open failed ({status})"))
    );
    Ok(())
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
