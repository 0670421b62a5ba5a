//! The guard: what stands between xtask and a tool it runs.
//!
//! A parent that is killed with SIGKILL cannot clean up after itself, and a
//! parent-death signal reaches a tool but not the tool's own children. So a
//! tool is started through a second xtask, in a process group of its own. That
//! one holds the read end of a pipe from the first: when the pipe closes,
//! for whatever reason, the guard kills the tool's group and waits for it.
//!
//! A tool that uses the terminal must stay in the terminal's foreground group;
//! for that one, a single process, the parent-death signal is enough.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, WaitOptions};

/// The hidden first argument that makes xtask a guard.
pub const GUARD: &str = "__guard";
/// The hidden first argument that makes xtask a guard on the terminal.
pub const TERMINAL_GUARD: &str = "__terminal-guard";

/// `tool` as it is run under a guard, started by the programs `by` with their options, if
/// there are any: `xtask MODE PARENT-PID BY… PROGRAM ARG…`.
pub(super) fn command(mode: &str, by: &[String], tool: &Command, clean: bool) -> Result<Command> {
    let mut command = Command::new(xtask_binary()?);
    command
        .arg(mode)
        .arg(std::process::id().to_string())
        .args(by)
        .arg(tool.get_program());
    inherit(&mut command, tool, clean);
    if mode == GUARD {
        command.process_group(0).stdin(Stdio::piped());
    }
    Ok(command)
}

/// `tool` as it is run without a guard.
pub(super) fn bare(tool: &Command, clean: bool) -> Command {
    let mut command = Command::new(tool.get_program());
    inherit(&mut command, tool, clean);
    command
}

/// Gives `command` the arguments, the folder and the environment of `tool`.
fn inherit(command: &mut Command, tool: &Command, clean: bool) {
    if clean {
        command.env_clear().env("LC_ALL", "C");
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
    }
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = tool.get_current_dir() {
        command.current_dir(folder);
    }
    command.args(tool.get_args());
}

/// Returns the path of this program; in a test or in the benchmark, of the xtask
/// that cargo built beside it.
///
/// # Errors
///
/// Fails if there is no xtask beside this program.
pub fn xtask_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    if own
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("xtask"))
        && own.parent().is_some_and(|folder| !folder.ends_with("deps"))
    {
        // Even if cargo has replaced the file meanwhile.
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    own.ancestors()
        .map(|folder| folder.join("xtask"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| anyhow!("no xtask beside {}: cargo build first", own.display()))
}

/// Runs `PROGRAM ARG…` until it ends, or until standard input closes; then
/// kills all that it started, and waits until it is gone.
pub fn guard(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let _parent = args.next();
    let program = args.next().context("the guard needs a program")?;
    // What the tool leaves behind becomes the guard's child, to be waited for.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot become a subreaper")?;
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let end_group = move || {
        if let Some(group) = group {
            // An error means that nobody is left in the group.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    };
    std::thread::spawn(move || {
        // Nothing is ever written: this returns when the other end is gone.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end_group();
    });
    let status = child.wait().context("cannot wait for the tool")?;
    end_group();
    while rustix::process::wait(WaitOptions::empty()).is_ok() {}
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Becomes `PROGRAM ARG…`, with SIGTERM to come when xtask dies. QEMU ends
/// on SIGTERM and sets the terminal right.
pub fn terminal_guard(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let parent = args.next().context("the guard needs its parent's number")?;
    let program = args.next().context("the guard needs a program")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .context("cannot ask for the parent-death signal")?;
    // The parent may have died before the signal was asked for.
    let now = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    if parent.to_string_lossy() != now.to_string() {
        return Ok(ExitCode::from(1));
    }
    let error = Command::new(&program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
