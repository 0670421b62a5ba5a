//! The processes of an xtask.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Returns the numbers of all descendants of `ancestor`.
pub fn processes_below(ancestor: u32) -> Vec<u32> {
    // The kernel lists a child with the thread that started it.
    let children = |pid: u32| -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|text| {
                let numbers = text.split_whitespace().filter_map(|pid| pid.parse().ok());
                numbers.collect::<Vec<u32>>()
            })
            .collect()
    };
    let mut all = Vec::new();
    let mut below = children(ancestor);
    while let Some(pid) = below.pop() {
        all.push(pid);
        below.extend(children(pid));
    }
    all
}

/// Returns the first of `pids` whose name begins with `name`.
pub fn named(pids: &[u32], name: &str) -> Option<u32> {
    let is = |pid: &&u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| comm.starts_with(name))
    };
    pids.iter().find(is).copied()
}

/// Returns true for a process that has not ended.
pub fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(!stat.rsplit_once(") ")?.1.starts_with('Z')))
        .unwrap_or(false)
}

/// Sends a process a signal.
pub fn kill(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process number")?;
    Ok(kill_process(pid, signal)?)
}

/// Waits until `found` returns a value. The time limit only ends a broken test.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = found() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain: {what}");
        // Leaves the CPU to the processes that the test waits for.
        std::thread::sleep(Duration::from_millis(1));
    }
}
