//! The guard, a process between xtask and a tool.
//!
//! A parent that is killed with SIGKILL cannot clean up, and a parent-death signal reaches a tool
//! but not the tool's own children. Therefore a second xtask, the guard, starts the tool in a
//! process group of its own. The guard holds the read end of a pipe from the first xtask. When
//! the pipe closes, for whatever reason, the guard kills the tool's group and waits for it. A guard
//! that is itself killed with SIGKILL leaves no QEMU behind either: the tool asks for a parent-death
//! signal, for which xtask starts once more and becomes the tool. The children of another tool, such
//! as the compilers of make, then run to their own end.
//!
//! A tool that uses the terminal must stay in the terminal's foreground group. Such a tool is a
//! single process, so the parent-death signal is enough.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, WaitOptions};

/// Hidden first argument that makes xtask a guard.
pub const GUARD: &str = "__guard";
/// Hidden first argument that makes xtask a guard of a tool on the terminal.
pub const TERMINAL_GUARD: &str = "__terminal-guard";
/// Hidden first argument that makes xtask a tool which is killed when its guard ends.
pub const GUARDED: &str = "__guarded";

/// Returns the command that runs `tool` under a guard, started by the programs `by` if there are
/// any: `xtask MODE PARENT-PID BY… PROGRAM ARG…`.
pub(super) fn command(mode: &str, by: &[OsString], tool: &Command, clean: bool) -> Result<Command> {
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

/// Returns the command that runs `tool` without a guard.
pub(super) fn bare(tool: &Command, clean: bool) -> Command {
    let mut command = Command::new(tool.get_program());
    inherit(&mut command, tool, clean);
    command
}

/// Adds the arguments, the working folder and the environment of `tool` to `command`.
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

/// Whether this process is the program, under whatever name, and not a test or the benchmark.
static IS_PROGRAM: AtomicBool = AtomicBool::new(false);

/// Notes that this process is the program, which can then start itself as a guard.
pub fn note_program() {
    IS_PROGRAM.store(true, Ordering::Relaxed);
}

/// Returns the path of this program; in a test or in the benchmark, of the xtask
/// that cargo built beside it.
///
/// # Errors
///
/// Fails if there is no xtask beside this program.
pub fn xtask_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    if IS_PROGRAM.load(Ordering::Relaxed) {
        // This is right even if cargo has replaced the file meanwhile.
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    own.ancestors()
        .map(|folder| folder.join("xtask"))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| anyhow!("no xtask beside {}: run cargo build first", own.display()))
}

/// Runs `PROGRAM ARG…` until it ends or standard input closes, then kills all processes that it
/// started, waits for them, and returns the program's exit status.
///
/// # Errors
///
/// Fails if the program is not given or cannot be started.
pub fn guard(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let _parent = args.next();
    let program = args.next().context("the guard needs a program")?;
    // A process that the tool leaves behind becomes a child of the guard, which waits for it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot become a subreaper")?;
    let mut child = Command::new(xtask_binary()?)
        .arg(GUARDED)
        .arg(std::process::id().to_string())
        .arg(&program)
        .args(args)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let end_group = move || {
        if let Some(group) = group {
            // An error means that the group is empty.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    };
    std::thread::spawn(move || {
        // Nobody writes to this pipe: the copy ends when the other end closes.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end_group();
    });
    let status = child.wait().context("cannot wait for the tool")?;
    end_group();
    // A process that left the tool's group becomes a child of the guard when its parent ends.
    loop {
        kill_children();
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            break;
        }
    }
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Kills the children of this process, of all its threads. A kernel without `CONFIG_PROC_CHILDREN` does not list
/// them, and they run to their own end.
fn kill_children() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                // An error means that it has ended.
                let _ = rustix::process::kill_process(child, Signal::KILL);
            }
        }
    }
}

/// Becomes `PROGRAM ARG…`, which gets `signal` when its parent ends: SIGTERM on a terminal, at which
/// QEMU restores the terminal, else SIGKILL.
///
/// # Errors
///
/// Fails if the program is not given or cannot be started.
pub fn become_tool(signal: Signal, mut args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let parent = args
        .next()
        .context("a tool needs the process number of its parent")?;
    let program = args.next().context("a guard needs a program")?;
    rustix::process::set_parent_process_death_signal(Some(signal))
        .context("cannot ask for the parent-death signal")?;
    // The parent may have died before the signal was asked for.
    let now = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    if parent.to_string_lossy() != now.to_string() {
        return Ok(ExitCode::from(1));
    }
    let error = Command::new(&program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
