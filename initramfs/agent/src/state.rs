//! The guest's state, which must be the same before and after a run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use kmodlab_protocol::State;

use crate::guest::Guest;
use crate::tasks::KnownTasks;

/// The guest's time between the end of the last command and the look at the state: a timer, a
/// work item or a callback that the lesson left behind runs meanwhile. In virtual time it costs
/// next to nothing.
const IDLE: Duration = Duration::from_secs(2);

/// The state before a run, to compare with.
pub struct Before {
    tasks: KnownTasks,
    proc: BTreeSet<String>,
}

/// Reads the state before a run.
pub fn before(guest: &Guest) -> (State, Before) {
    let mut proc = BTreeSet::new();
    walk(&guest.path("/proc"), "/proc", &mut |path| {
        proc.insert(path);
    });
    let state = State {
        modules: modules(guest),
        tasks: Vec::new(),
        proc: Vec::new(),
        taint: taint(guest),
    };
    let tasks = KnownTasks::read(guest);
    (state, Before { tasks, proc })
}

/// Waits until whatever a run left behind has had time to run.
pub fn idle() {
    std::thread::sleep(IDLE);
}

/// Reads the state after a run: only what was not there before, of tasks and paths.
pub fn after(guest: &Guest, before: &Before) -> State {
    let mut proc = Vec::new();
    walk(&guest.path("/proc"), "/proc", &mut |path| {
        if !before.proc.contains(&path) {
            proc.push(path);
        }
    });
    State {
        modules: modules(guest),
        tasks: before.tasks.others(guest),
        proc,
        taint: taint(guest),
    }
}

fn modules(guest: &Guest) -> Vec<String> {
    let modules = guest.read("/proc/modules").unwrap_or_default();
    String::from_utf8_lossy(&modules)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn taint(guest: &Guest) -> Option<u64> {
    let taint = guest.read("/proc/sys/kernel/tainted").ok()?;
    String::from_utf8_lossy(&taint).trim().parse().ok()
}

/// Calls `found` for each path below a folder of `/proc`, but for those of processes and of
/// `/proc/sys`.
fn walk(folder: &Path, name: &str, found: &mut dyn FnMut(String)) {
    let is_top = name == "/proc";
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        if is_top && (file == "sys" || file.starts_with(|letter: char| letter.is_ascii_digit())) {
            continue;
        }
        let path = format!("{name}/{file}");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &path, found);
        }
        found(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    fn write(guest: &Guest, path: &str, contents: &str) -> Result<()> {
        let path = guest.path(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(std::fs::write(path, contents)?)
    }

    #[test]
    fn only_additions_are_in_the_state_after() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        write(&guest, "/proc/modules", "old 1 0 - Live 0x0\n")?;
        write(&guest, "/proc/sys/kernel/tainted", "4096\n")?;
        write(&guest, "/proc/irq/1/x", "")?;
        let (state, before) = before(&guest);
        assert_eq!(state.modules, ["old"]);
        assert_eq!(state.taint, Some(4096));
        write(&guest, "/proc/driver/new", "")?;
        let state = after(&guest, &before);
        assert_eq!(state.modules, ["old"]);
        assert_eq!(state.proc, ["/proc/driver/new", "/proc/driver"]);
        Ok(())
    }
}
