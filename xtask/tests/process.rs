//! No tool outlives xtask, and the error of a failing tool shows its last lines.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::process::Tool;

/// A tool with a child, which prints the process numbers of both and would run for a quarter of an
/// hour.
const FAMILY: &str = "sleep 900 & echo $$ $!; wait";

fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

/// Waits until no process of `pids` is there.
fn gone(pids: &[String]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| alive(pid)) {
        ensure!(Instant::now() < deadline, "still there: {pids:?}");
        std::thread::yield_now();
    }
    Ok(())
}

fn pids(from: impl std::io::Read) -> Result<Vec<String>> {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line)?;
    let pids: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    ensure!(
        pids.len() == 2 && pids.iter().all(|pid| alive(pid)),
        "{line:?}"
    );
    Ok(pids)
}

#[test]
fn a_tool_ends_with_all_its_children_when_xtask_is_killed() -> Result<()> {
    // This test stands in for xtask: it holds the pipe that the guard reads.
    let (lifeline, held) = std::io::pipe()?;
    let mut guard = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["__guard", "0", "sh", "-c", FAMILY])
        .stdin(lifeline)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let family = pids(guard.stdout.take().context("a pipe")?)?;
    // The kernel closes the pipe of a killed process.
    drop(held);
    guard.wait()?;
    gone(&family)
}

#[test]
fn a_process_that_left_its_tools_group_ends_with_the_tool() -> Result<()> {
    // It would run for a quarter of an hour, and holds the pipe of the standard output open.
    let output = Tool::new("sh")
        .args([
            "-c",
            "setsid sh -c 'sleep 900 & echo $!; wait' & read -r _ < /proc/uptime; echo $!",
        ])
        .output()?;
    let left: Vec<String> = output.split_whitespace().map(str::to_owned).collect();
    ensure!(!left.is_empty(), "{output:?}");
    gone(&left)
}

#[test]
fn a_tool_ends_when_its_guard_is_killed() -> Result<()> {
    let (lifeline, _held) = std::io::pipe()?;
    let mut guard = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["__guard", "0", "sh", "-c", "echo $$ $$; exec sleep 900"])
        .stdin(lifeline)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let tool = pids(guard.stdout.take().context("a pipe")?)?;
    guard.kill()?;
    guard.wait()?;
    gone(&tool)
}

#[test]
fn a_tool_ends_when_its_handle_is_dropped() -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let tool = Tool::new("sh")
        .args(["-c", FAMILY])
        .spawn(Stdio::from(writer), Stdio::null())?;
    let family = pids(reader)?;
    drop(tool);
    gone(&family)
}

#[test]
fn background_processes_of_a_tool_end_with_it() -> Result<()> {
    let script = "sleep 900 >/dev/null 2>&1 & echo $$ $!";
    let printed = Tool::new("sh").args(["-c", script]).output()?;
    let family: Vec<String> = printed.split_whitespace().map(str::to_owned).collect();
    ensure!(family.len() == 2, "{printed:?}");
    gone(&family)
}

#[test]
fn the_error_of_a_failing_tool_has_its_last_lines_and_its_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let mut lines = Vec::new();
    let error = Tool::new("sh")
        .args(["-c", "echo out; echo err >&2; exit 7"])
        .run_logged("trying", &log, |line| lines.push(line.to_owned()))
        .expect_err("status 7");
    assert_eq!(lines, ["out", "err"]);
    let message = error.to_string();
    for part in ["trying failed", "exit status: 7", "err", "log"] {
        ensure!(message.contains(part), "{part:?} is not in {message}");
    }
    ensure!(std::fs::read_to_string(&log)?.contains("out\nerr\n"));
    Ok(())
}

#[test]
fn a_clean_environment_has_nothing_of_the_shell() -> Result<()> {
    let printed = Tool::new("env").clean_env().env("LLVM", "1").output()?;
    let names: Vec<&str> = printed
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    ensure!(
        names.contains(&"LLVM") && names.contains(&"PATH"),
        "{names:?}"
    );
    // cargo sets this for every test.
    ensure!(!names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
    Ok(())
}

/// The policy's number is the 41st field of `/proc/PID/stat` (proc_pid_stat(5)).
#[test]
fn a_tool_can_run_without_preempting_others() -> Result<()> {
    const SCHED_BATCH: &str = "3";
    let script = "echo $WORD; cat /proc/self/stat";
    let tool = Tool::new("sh").args(["-c", script]).env("WORD", "kept");
    let printed = tool.batch().output()?;
    let lines: Vec<&str> = printed.lines().collect();
    let [word, stat] = lines[..] else {
        bail!("{printed}");
    };
    assert_eq!(word, "kept");
    assert_eq!(stat.split(' ').nth(40), Some(SCHED_BATCH), "{stat}");
    Ok(())
}

#[test]
fn a_hangup_ends_xtask_unless_it_was_started_with_nohup() -> Result<()> {
    let ignored = |start: &str| -> Result<bool> {
        // It waits for a recording until the pipe is closed.
        let script = format!("{start} \"$0\" replay /dev/stdin");
        let mut xtask = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_xtask")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let status = Path::new("/proc")
            .join(xtask.id().to_string())
            .join("status");
        let deadline = Instant::now() + Duration::from_secs(10);
        // SIGTERM is caught from the moment the handler is there.
        let (caught, ignored) = loop {
            let text = std::fs::read_to_string(&status)?;
            let mask = |name: &str| -> Option<u64> {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                u64::from_str_radix(line.trim(), 16).ok()
            };
            let masks = mask("SigCgt:").zip(mask("SigIgn:")).context("no masks")?;
            if masks.0 >> 14 & 1 == 1 {
                break masks;
            }
            ensure!(Instant::now() < deadline, "no handler: {text}");
            std::thread::yield_now();
        };
        drop(xtask.stdin.take());
        xtask.wait()?;
        ensure!((caught ^ ignored) & 1 == 1, "SIGHUP is caught or ignored");
        Ok(ignored & 1 == 1)
    };
    // The tests themselves may have been started with nohup.
    assert!(!ignored("exec env --default-signal=HUP")?);
    assert!(ignored("trap '' HUP; exec")?);
    Ok(())
}

#[test]
fn a_missing_program_is_named() {
    let error = Tool::new("/nowhere/make")
        .output()
        .expect_err("no such program");
    assert!(error.to_string().contains("/nowhere/make"), "{error}");
}
