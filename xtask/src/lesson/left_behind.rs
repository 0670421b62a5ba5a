//! Compares a guest's state before and after a lesson.

use std::collections::BTreeSet;

use kmodlab_protocol::{KernelThread, State};

/// Flags of the kernel's taint mask that every lesson's module sets: it is built out of tree
/// (bit 12) and not signed (bit 13); see Documentation/admin-guide/tainted-kernels.rst.
const ALLOWED_TAINT: u64 = 1 << 12 | 1 << 13;

/// `PF_WQ_WORKER` of include/linux/sched.h: a thread of a workqueue, which the kernel starts
/// and ends at any time.
const WORKQUEUE_WORKER: u64 = 0x20;

/// The beginning of these threads' names.
const WORKER_NAME: &str = "kworker/";

/// Returns everything that a lesson left behind, one sentence each. `after` has only additions,
/// but for modules and the taint mask.
pub fn left_behind(before: &State, after: &State) -> Vec<String> {
    let mut left = Vec::new();
    let known: BTreeSet<&String> = before.modules.iter().collect();
    let modules: BTreeSet<&String> = after.modules.iter().collect();
    for name in modules.difference(&known) {
        left.push(format!("the module {name} is still loaded"));
    }
    let mut threads: Vec<&KernelThread> = after.threads.iter().collect();
    threads.sort();
    for KernelThread { pid, name, .. } in threads.into_iter().filter(|thread| !is_worker(thread)) {
        left.push(format!("the kernel thread {pid} [{name}] still runs"));
    }
    let paths: BTreeSet<&String> = after.proc.iter().collect();
    for path in paths {
        left.push(format!("{path} is still there"));
    }
    match (before.taint, after.taint) {
        (Some(before), Some(after)) => {
            for bit in (0..64).filter(|bit| after & !before & !ALLOWED_TAINT & 1 << bit != 0) {
                left.push(format!("the kernel is tainted: {}", taint_name(bit)));
            }
        }
        _ => left.push("the guest could not read its taint mask".to_owned()),
    }
    left
}

/// Reports whether a thread belongs to a workqueue. A worker gets its flag when it first runs
/// (`worker_thread` in kernel/workqueue.c); one that is being created has its name alone.
fn is_worker(thread: &KernelThread) -> bool {
    let KernelThread {
        name,
        state,
        flags,
        has_run,
        ..
    } = thread;
    let being_created = name.starts_with(WORKER_NAME) && !has_run && "DR".contains(*state);
    flags & WORKQUEUE_WORKER != 0 || being_created
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

    fn thread(pid: u32, name: &str, state: char, flags: u64, has_run: bool) -> KernelThread {
        KernelThread {
            pid,
            name: name.to_owned(),
            state,
            flags,
            has_run,
        }
    }

    #[test]
    fn workers_and_allowed_taint_are_not_left_behind() {
        let before = State {
            modules: vec!["virtio".to_owned()],
            taint: Some(512),
            ..State::default()
        };
        let after = State {
            threads: vec![
                thread(59, "kworker/0:2", 'I', 69_238_880, true),
                thread(72, "kworker/0:3", 'D', 2_129_984, false),
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
            ..State::default()
        };
        let after = State {
            modules: vec!["x".to_owned()],
            threads: vec![
                thread(62, "kworker/x", 'S', 2_129_984, false),
                thread(60, "odd) name (\n1 2", 'S', 2_129_984, true),
            ],
            proc: vec!["/proc/driver/x".to_owned()],
            taint: Some(4736),
        };
        assert_eq!(
            left_behind(&before, &after),
            [
                "the module x is still loaded",
                "the kernel thread 60 [odd) name (\n1 2] still runs",
                "the kernel thread 62 [kworker/x] still runs",
                "/proc/driver/x is still there",
                "the kernel is tainted: the kernel died: an oops or a BUG (bit 7)",
                "the kernel is tainted: the kernel issued a warning (bit 9)",
            ]
        );
        assert_eq!(
            left_behind(&before, &State::default()),
            ["the guest could not read its taint mask"]
        );
    }
}
