//! Clocks of the host, and runs of xtask.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::process::xtask_binary;
use xtask::report::json::{RunEntry, SuiteDocument};

/// Does `work`, and returns its duration in seconds.
pub fn wall(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

/// Does `work`, and returns the CPU seconds, user and system, that this process and
/// the children that it waits for spend on it.
pub fn cpu(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = cpu_seconds()?;
    work()?;
    Ok(cpu_seconds()? - before)
}

/// Returns the CPU seconds of this process and its children so far: fields 14 to 17
/// of `/proc/self/stat` (proc_pid_stat(5)).
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

/// Returns the xtask beside this program, to run on the clone at `root`.
pub fn xtask(root: &Path, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(xtask_binary()?);
    command
        .args(args)
        .arg("--no-install")
        .env("KMODLAB_WORKSPACE", root)
        .stdin(Stdio::null());
    Ok(command)
}

/// Runs `xtask test` with `args` on the clone at `root`, and returns its report.
/// Exit status 1, which means that a test case failed, is not an error.
pub fn test(root: &Path, args: &[&str]) -> Result<SuiteDocument> {
    let args = [&["test", "--json", "-"], args].concat();
    let mut command = xtask(root, &args)?;
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "{command:?} failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the one run of a report, which must have passed.
pub fn passed(report: &SuiteDocument) -> Result<&RunEntry> {
    let [run] = &report.runs[..] else {
        bail!("{} runs, not one", report.runs.len());
    };
    let RunEntry {
        lesson, message, ..
    } = run;
    ensure!(
        run.verdict == "pass",
        "{lesson}: {}: {message}",
        run.verdict
    );
    Ok(run)
}

/// Runs a command without output. The error of a failure has the output.
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
