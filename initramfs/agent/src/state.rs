//! The guest's state, which must be the same before and after a run.

use std::collections::BTreeSet;
use std::path::Path;

use kmodlab_protocol::{KernelThread, State};

use crate::guest::Guest;

/// The process that all kernel threads are children of.
const KTHREADD: u32 = 2;

/// The state before a run, to compare with.
pub struct Before {
    pids: BTreeSet<u32>,
    proc: BTreeSet<String>,
}

/// Reads the state before a run.
pub fn before(guest: &Guest) -> (State, Before) {
    let pids: BTreeSet<u32> = processes(guest).collect();
    let mut proc = BTreeSet::new();
    walk(&guest.path("/proc"), "/proc", &mut |path| {
        proc.insert(path);
    });
    let state = State {
        modules: modules(guest),
        threads: pids.iter().filter_map(|pid| thread(guest, *pid)).collect(),
        proc: proc.iter().cloned().collect(),
        taint: taint(guest),
    };
    (state, Before { pids, proc })
}

/// Reads the state after a run: only what was not there before, of processes and paths.
pub fn after(guest: &Guest, before: &Before) -> State {
    let mut proc = Vec::new();
    walk(&guest.path("/proc"), "/proc", &mut |path| {
        if !before.proc.contains(&path) {
            proc.push(path);
        }
    });
    State {
        modules: modules(guest),
        threads: processes(guest)
            .filter(|pid| !before.pids.contains(pid))
            .filter_map(|pid| thread(guest, pid))
            .collect(),
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

fn processes(guest: &Guest) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(guest.path("/proc"));
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns the description of a process that is a kernel thread.
fn thread(guest: &Guest, pid: u32) -> Option<KernelThread> {
    // One that has just ended has no file any more.
    let stat = guest.read(&format!("/proc/{pid}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

/// Reads the fields of proc_pid_stat(5). The name, in parentheses, may hold spaces, parentheses
/// and line ends; no field after it does.
fn parse(stat: &str) -> Option<KernelThread> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    // Fields count from 3 here: state, parent, four more, then flags, four more, and the ticks
    // that it ran, in user mode and in the kernel.
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let parent: u32 = fields.get(1)?.parse().ok()?;
    (parent == KTHREADD).then_some(())?;
    Some(KernelThread {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        flags: fields.get(6)?.parse().ok()?,
        has_run: fields.get(11..13).is_none_or(|ticks| ticks != ["0", "0"]),
    })
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
        write(&guest, "/proc/1/stat", "1 (init) S 0 1 1 0 -1 0 0")?;
        write(&guest, "/proc/34/stat", "34 (khvcd) R 2 0 0 0 -1 2129984 0")?;
        let (state, before) = before(&guest);
        assert_eq!(state.modules, ["old"]);
        assert_eq!(state.taint, Some(4096));
        assert_eq!(
            state.proc,
            ["/proc/irq", "/proc/irq/1", "/proc/irq/1/x", "/proc/modules"]
        );
        assert_eq!(state.threads.len(), 1);
        write(&guest, "/proc/driver/new", "")?;
        let stat = "60 (odd) name (\n1 2) D 2 0 0 0 -1 5 0 0 0 0 0 0 0 0 20 0";
        write(&guest, "/proc/60/stat", stat)?;
        let state = after(&guest, &before);
        assert_eq!(state.modules, ["old"]);
        assert_eq!(state.proc, ["/proc/driver/new", "/proc/driver"]);
        let thread = KernelThread {
            pid: 60,
            name: "odd) name (\n1 2".to_owned(),
            state: 'D',
            flags: 5,
            has_run: false,
        };
        assert_eq!(state.threads, [thread]);
        Ok(())
    }

    #[test]
    fn a_process_that_is_not_a_kernel_thread_is_left_out() {
        assert_eq!(parse("53 (sleep) S 1 0 0 0 -1 4194304 57"), None);
        assert_eq!(parse("53 (sleep"), None);
    }
}
