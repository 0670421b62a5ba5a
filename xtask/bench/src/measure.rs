//! Clocks: the wall's, and the CPU's of this process with its children.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use xtask::process::xtask_binary;

/// Seconds on the wall that `work` takes.
pub fn wall(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

/// CPU seconds, user and system, that this process and the children that it
/// waits for spend on `work`.
pub fn cpu(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = cpu_seconds()?;
    work()?;
    Ok(cpu_seconds()? - before)
}

/// Fields 14 to 17 of `/proc/self/stat` (proc(5)), in clock ticks.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .context("/proc/self/stat has no name")?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(4)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()
        .context("/proc/self/stat has no CPU times")?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 ticks are three million years"
    )]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Runs the xtask beside this program, without output, on the clone at `workspace`.
pub fn xtask(workspace: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new(xtask_binary()?);
    run(command.args(args).env("KMODLAB_WORKSPACE", workspace))
}

/// Runs a command quietly; its failure is an error with its last words.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(())
}
