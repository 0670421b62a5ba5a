//! The guest's state, which must be the same before and after a run.

use std::time::Duration;

use kmodlab_protocol::{Registration, State, TRACKER_FILE};

use crate::entries::KnownEntries;
use crate::guest::Guest;
use crate::tasks::KnownTasks;

/// The guest's time between the end of the last command and the look at the state: a timer, a
/// work item or a callback that the lesson left behind runs meanwhile. In virtual time it costs
/// next to nothing.
const IDLE: Duration = Duration::from_secs(2);

/// The setting that makes the kernel give back memory, and its values: the first stops the lines
/// in the log about it, the second drops names and inodes (`drop_caches_sysctl_handler` in
/// fs/drop_caches.c).
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";
const QUIETLY_DROP_SLABS: [&str; 2] = ["4", "2"];

/// The lines of `/proc/meminfo` for memory that is free, or that files and programs use.
const NOT_OF_THE_KERNEL: [&str; 6] = [
    "MemFree",
    "Buffers",
    "Cached",
    "AnonPages",
    "KernelStack",
    "PageTables",
];

/// A loss of memory in KiB from which on the kernel must give back its caches before the loss
/// counts: that takes 0.2 million of the guest's instructions.
const MAX_CACHES_KIB: u64 = 1 << 10;

/// The state before a run, to compare with.
pub struct Before {
    memory_kib: Option<u64>,
    tasks: KnownTasks,
    entries: KnownEntries,
}

/// Reads the state before a run.
pub fn before(guest: &Guest) -> (State, Before) {
    drop_caches(guest);
    let memory_kib = memory(guest);
    let before = Before {
        memory_kib,
        tasks: KnownTasks::read(guest),
        entries: KnownEntries::read(guest),
    };
    let state = State {
        memory_kib,
        ..numbers(guest)
    };
    (state, before)
}

/// Waits until whatever a run left behind has had time to run.
pub fn idle() {
    std::thread::sleep(IDLE);
}

/// Reads the state after a run: of tasks and entries, only what was not there before.
pub fn after(guest: &Guest, before: &Before) -> State {
    let tasks = before.tasks.others(guest);
    let entries = before.entries.others(guest);
    let mut memory_kib = memory(guest);
    let lost = before.memory_kib.zip(memory_kib);
    if lost.is_some_and(|(before, after)| before.saturating_sub(after) > MAX_CACHES_KIB) {
        drop_caches(guest);
        memory_kib = memory(guest);
    }
    State {
        tasks,
        entries,
        registrations: registrations(guest),
        memory_kib,
        ..numbers(guest)
    }
}

/// Reads the parts of the state that both states have in whole, but for memory.
fn numbers(guest: &Guest) -> State {
    State {
        modules: modules(guest),
        taint: number(guest, "/proc/sys/kernel/tainted"),
        complaints: number(guest, "/sys/kernel/warn_count")
            .zip(number(guest, "/sys/kernel/oops_count"))
            .map(|(warnings, oopses)| warnings + oopses),
        ..State::default()
    }
}

/// Reports whether the kernel tracks what modules register.
pub fn tracks_registrations(guest: &Guest) -> bool {
    guest.read(TRACKER_FILE).is_ok()
}

/// Reads what removed modules left registered.
fn registrations(guest: &Guest) -> Vec<Registration> {
    let report = guest.read(TRACKER_FILE).unwrap_or_default();
    let report = String::from_utf8_lossy(&report);
    report.lines().filter_map(Registration::parse).collect()
}

fn modules(guest: &Guest) -> Vec<String> {
    let modules = guest.read("/proc/modules").unwrap_or_default();
    String::from_utf8_lossy(&modules)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Reads a file with one number.
fn number(guest: &Guest, path: &str) -> Option<u64> {
    let number = guest.read(path).ok()?;
    String::from_utf8_lossy(&number).trim().parse().ok()
}

/// Makes the kernel give back the memory for names and inodes of files.
fn drop_caches(guest: &Guest) {
    for value in QUIETLY_DROP_SLABS {
        let _ = guest.set(DROP_CACHES, value);
    }
}

/// Returns the memory that the kernel does not use itself, in KiB.
fn memory(guest: &Guest) -> Option<u64> {
    let meminfo = guest.read("/proc/meminfo").ok()?;
    memory_kib(&String::from_utf8_lossy(&meminfo))
}

/// Adds up the lines of `/proc/meminfo` (Documentation/filesystems/proc.rst) for memory that is
/// free or that files and programs use. Every line is `NAME: NUMBER kB`.
fn memory_kib(meminfo: &str) -> Option<u64> {
    let of = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    };
    NOT_OF_THE_KERNEL.into_iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_are_read_line_by_line() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        assert!(!tracks_registrations(&guest));
        assert_eq!(registrations(&guest), []);
        let path = guest.path(TRACKER_FILE);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, "timer x blink\ncache x a name\ncut\n")?;
        let registration = |kind: &str, name: &str| Registration {
            kind: kind.to_owned(),
            module: "x".to_owned(),
            name: name.to_owned(),
        };
        assert!(tracks_registrations(&guest));
        assert_eq!(
            registrations(&guest),
            [
                registration("timer", "blink"),
                registration("cache", "a name")
            ]
        );
        Ok(())
    }

    #[test]
    fn memory_of_files_and_programs_is_not_the_kernels() {
        let meminfo = "MemTotal:         248000 kB\nMemFree:          224592 kB\n\
                       MemAvailable:     221652 kB\nBuffers:               1 kB\n\
                       Cached:             4356 kB\nSwapCached:            0 kB\n\
                       AnonPages:           356 kB\nKernelStack:         640 kB\n\
                       PageTables:          368 kB\n";
        let sum = 224_592 + 1 + 4356 + 356 + 640 + 368;
        assert_eq!(memory_kib(meminfo), Some(sum));
        assert_eq!(memory_kib("MemFree: 5 kB\n"), None);
    }
}
