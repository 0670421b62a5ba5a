//! Compares a guest's state before and after a lesson.

use std::collections::BTreeSet;

use kmodlab_protocol::{Entry, Registration, State, Task};

/// Flags of the kernel's taint mask that every lesson's module sets: it is built out of tree
/// (bit 12) and not signed (bit 13); see Documentation/admin-guide/tainted-kernels.rst.
const ALLOWED_TAINT: u64 = 1 << 12 | 1 << 13;

/// Flags of the taint mask that a report in the log sets: the kernel died, or issued a warning.
const REPORT_TAINT: u64 = 1 << 7 | 1 << 9;

/// The function that a worker of the kernel's workqueues executes, which the kernel starts and
/// ends at any time (kernel/workqueue.c).
const WORKER: &str = "worker_thread+";

/// The beginnings of the names of the functions where the kernel is entered: by a thread of the
/// kernel when it starts, and by a program (arch/x86/entry/entry_64.S).
const OUTERMOST: [&str; 4] = ["ret_from_fork", "entry_", "asm_", "common_interrupt"];

/// Memory in KiB from which on a lesson lost it. The kernel used 1.1 MiB less to 0.1 MiB more
/// after the lessons and 350 schedules of the races, and up to 1.1 MiB more after lessons in real
/// time (November 2026). KASAN keeps up to 8 MiB of freed memory in a guest with 256 MiB.
const MAX_LOST_KIB: u64 = 12 << 10;

/// Returns everything that a lesson left behind, one sentence each. `after` has only additions,
/// but for modules and numbers.
pub fn left_behind(before: &State, after: &State) -> Vec<String> {
    let mut left = objects_left_behind(before, after);
    left.extend(numbers_left_behind(before, after));
    left
}

/// Returns the same for a lesson whose log has a report that is accepted: the report's own traces in the kernel's
/// numbers are accepted too.
pub fn left_behind_beside_report(before: &State, after: &State) -> Vec<String> {
    let after = State {
        taint: after.taint.map(|taint| taint & !REPORT_TAINT),
        complaints: before.complaints,
        ..after.clone()
    };
    left_behind(before, &after)
}

/// Returns the objects that a lesson left behind: modules, tasks, entries and registrations.
pub fn objects_left_behind(before: &State, after: &State) -> Vec<String> {
    let mut left = Vec::new();
    let known: BTreeSet<&String> = before.modules.iter().collect();
    let modules: BTreeSet<&String> = after.modules.iter().collect();
    for name in modules.difference(&known) {
        left.push(format!("the module {name} is still loaded"));
    }
    let tasks: BTreeSet<&Task> = after.tasks.iter().collect();
    left.extend(tasks.into_iter().filter_map(|task| task_left(task, &known)));
    let entries: BTreeSet<&Entry> = after.entries.iter().collect();
    left.extend(entries.into_iter().filter_map(|entry| match entry {
        Entry::Path(path) => match path.strip_prefix("/sys/module/") {
            Some(module) if modules.contains(&module.to_owned()) => None,
            Some(module) => Some(format!(
                "the module {module} is still loaded, but hidden from the list of modules"
            )),
            None => Some(format!("{path} is still there")),
        },
        Entry::Line { file, line } => Some(format!("{file} still has the line \"{line}\"")),
    }));
    let registrations: BTreeSet<&Registration> = after.registrations.iter().collect();
    left.extend(registrations.into_iter().map(registration_left));
    left
}

/// Returns what a lesson left behind by the kernel's numbers. They change with a report in the
/// kernel's log too.
fn numbers_left_behind(before: &State, after: &State) -> Vec<String> {
    let mut left = Vec::new();
    match (before.taint, after.taint) {
        (Some(before), Some(after)) => {
            for bit in (0..64).filter(|bit| after & !before & !ALLOWED_TAINT & 1 << bit != 0) {
                left.push(format!("the kernel is tainted: {}", taint_name(bit)));
            }
        }
        _ => left.push("the guest could not read its taint mask".to_owned()),
    }
    // A kernel before 6.1 does not count them.
    if let (Some(before), Some(after)) = (before.complaints, after.complaints)
        && let count @ 1.. = after.saturating_sub(before)
    {
        left.push(format!(
            "the kernel's log lacks warnings or oopses that the kernel counted: {count}"
        ));
    }
    if let (Some(before), Some(after)) = (before.memory_kib, after.memory_kib)
        && let lost @ MAX_LOST_KIB.. = before.saturating_sub(after)
    {
        left.push(format!(
            "{} MiB of memory did not come back",
            lost.div_ceil(1024)
        ));
    }
    left
}

/// Describes a task that should not be there; `known` are the modules from before the lesson.
fn task_left(task: &Task, known: &BTreeSet<&String>) -> Option<String> {
    let Task {
        pid,
        name,
        is_kernel_thread,
        ..
    } = task;
    let kind = match is_kernel_thread {
        true => "kernel thread",
        false => "process",
    };
    if let Some(owner) = foreign_code(task, known) {
        return Some(format!(
            "the {kind} {pid} [{name}] still runs, in code of {owner}"
        ));
    }
    let is_worker = task.stack.iter().any(|frame| frame.starts_with(WORKER));
    (*is_kernel_thread && !is_worker).then(|| format!("the {kind} {pid} [{name}] still runs"))
}

/// Describes something that a module left registered.
fn registration_left(registration: &Registration) -> String {
    let Registration { kind, module, name } = registration;
    let demangled = rustc_demangle::demangle(name);
    let calls = format!("{demangled:#} of the removed module {module}");
    match kind.as_str() {
        "timer" => format!("a timer is still armed: it will call {calls}"),
        "hrtimer" => format!("an hrtimer is still armed: it will call {calls}"),
        "delayed_work" => format!("a delayed work item is still armed: it will call {calls}"),
        "work" => format!("a work item is still queued: it will call {calls}"),
        "kprobe" => format!("a kprobe of the removed module {module} is still registered"),
        "cache" => format!("the slab cache {name} of the removed module {module} is still there"),
        _ => format!("{kind} {name} of the removed module {module} is still there"),
    }
}

/// Returns the owner of code that a task executes and that is neither in the kernel image nor in
/// a module from before the lesson.
fn foreign_code(task: &Task, known: &BTreeSet<&String>) -> Option<String> {
    let module = |frame: &String| {
        let (_, module) = frame.strip_suffix(']')?.rsplit_once(" [")?;
        (!known.iter().any(|known| *known == module)).then(|| format!("the module {module}"))
    };
    let module = task.stack.iter().find_map(module);
    // The kernel reads a stack up to the first code that it does not know. The stack of a task
    // that runs at the moment of the look may be wrong.
    let is_whole = |frame: &String| OUTERMOST.iter().any(|name| frame.starts_with(name));
    let is_cut = task.state != 'R' && task.stack.last().is_some_and(|frame| !is_whole(frame));
    module.or_else(|| is_cut.then(|| "a removed module".to_owned()))
}

/// Returns the meaning of a bit of the taint mask.
fn taint_name(bit: u32) -> String {
    let name = match bit {
        0 => "a proprietary module was loaded",
        1 => "a module was loaded by force",
        3 => "a module was unloaded by force",
        4 => "a processor reported a machine check",
        5 => "a bad page was met",
        7 => "the kernel died: an oops or a BUG",
        9 => "the kernel issued a warning",
        14 => "a soft lockup occurred",
        _ => return format!("bit {bit} of the taint mask is set"),
    };
    format!("{name} (bit {bit})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KTHREAD: [&str; 3] = [
        "kthread+0xd6/0xf0",
        "ret_from_fork+0x31/0x40",
        "ret_from_fork_asm+0x11/0x20",
    ];

    fn task(pid: u32, name: &str, is_kernel_thread: bool, stack: &[&str]) -> Task {
        Task {
            pid,
            name: name.to_owned(),
            state: 'S',
            is_kernel_thread,
            stack: stack.iter().map(|frame| (*frame).to_owned()).collect(),
        }
    }

    fn thread(pid: u32, name: &str, stack: &[&str]) -> Task {
        task(pid, name, true, &[stack, &KTHREAD].concat())
    }

    #[test]
    fn workers_and_allowed_taint_are_not_left_behind() {
        let before = State {
            modules: vec!["virtio".to_owned()],
            taint: Some(512),
            ..State::default()
        };
        let after = State {
            tasks: vec![
                thread(59, "kworker/0:2", &["worker_thread+0x20f/0x280"]),
                thread(
                    9,
                    "kworker/0:1",
                    &[
                        "msleep+0x1/0x2",
                        "work+0x1/0x2 [virtio]",
                        "worker_thread+0x1/0x2",
                    ],
                ),
                task(
                    70,
                    "sleep",
                    false,
                    &[
                        "do_syscall_64+0x1/0x2",
                        "entry_SYSCALL_64_after_hwframe+0x4b/0x53",
                    ],
                ),
            ],
            taint: Some(12800),
            ..State::default()
        };
        assert_eq!(left_behind(&before, &after), [""; 0]);
    }

    #[test]
    fn every_kind_is_named() {
        let before = State {
            taint: Some(0),
            complaints: Some(1),
            memory_kib: Some(353_601),
            ..State::default()
        };
        let after = State {
            modules: vec!["x".to_owned()],
            tasks: vec![
                task(
                    63,
                    "cat",
                    false,
                    &[
                        "read+0x1/0x2 [x]",
                        "entry_SYSCALL_64_after_hwframe+0x4b/0x53",
                    ],
                ),
                task(61, "kworker/9:9", true, &["msleep+0x27/0x30"]),
                thread(62, "kworker/R-x", &["rescuer_thread+0x392/0x3e0"]),
                thread(60, "odd) name (\n1 2", &["kthread_worker_fn+0x1/0x2"]),
            ],
            entries: vec![
                Entry::Line {
                    file: "/proc/misc".to_owned(),
                    line: "125 x".to_owned(),
                },
                Entry::Path("/sys/module/x".to_owned()),
                Entry::Path("/sys/module/y".to_owned()),
                Entry::Path("/proc/driver/x".to_owned()),
            ],
            registrations: ["timer x blink", "work x _RNvCs1_1x3run", "cache x a name"]
                .into_iter()
                .filter_map(Registration::parse)
                .collect(),
            taint: Some(4736),
            complaints: Some(3),
            memory_kib: Some(200_000),
        };
        assert_eq!(
            left_behind(&before, &after),
            [
                "the module x is still loaded",
                "the kernel thread 60 [odd) name (\n1 2] still runs",
                "the kernel thread 61 [kworker/9:9] still runs, in code of a removed module",
                "the kernel thread 62 [kworker/R-x] still runs",
                "the process 63 [cat] still runs, in code of the module x",
                "/proc/driver/x is still there",
                "the module y is still loaded, but hidden from the list of modules",
                "/proc/misc still has the line \"125 x\"",
                "the slab cache a name of the removed module x is still there",
                "a timer is still armed: it will call blink of the removed module x",
                "a work item is still queued: it will call x::run of the removed module x",
                "the kernel is tainted: the kernel died: an oops or a BUG (bit 7)",
                "the kernel is tainted: the kernel issued a warning (bit 9)",
                "the kernel's log lacks warnings or oopses that the kernel counted: 2",
                "151 MiB of memory did not come back",
            ]
        );
        let beside = left_behind_beside_report(&before, &after);
        let all = left_behind(&before, &after);
        assert_eq!(
            beside,
            [&all[..all.len() - 4], &all[all.len() - 1..]].concat()
        );
        assert_eq!(
            left_behind(&before, &State::default()),
            ["the guest could not read its taint mask"]
        );
    }
}
