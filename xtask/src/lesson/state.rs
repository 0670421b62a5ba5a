//! What a lesson left behind: its guest's state before and after, compared.

use std::collections::BTreeSet;

use super::record::State;

/// Flags of the kernel's taint mask that a lesson's module sets by being what
/// it is: built out of tree (bit 12) and not signed (bit 13); see
/// Documentation/admin-guide/tainted-kernels.rst.
const ALLOWED_TAINT: u64 = 1 << 12 | 1 << 13;

/// `PF_WQ_WORKER` of include/linux/sched.h: a workqueue's thread, which comes
/// and goes as the kernel likes.
const WORKQUEUE_WORKER: u64 = 0x20;

/// How the names of these threads begin.
const WORKER_NAME: &str = "kworker/";

/// The process that all kernel threads are children of.
const KTHREADD: &str = "2";

/// What is there after a lesson and was not there before, one sentence each.
pub fn left_over(before: &State, after: &State) -> Vec<String> {
    let mut left = Vec::new();
    let old = modules(before);
    for name in modules(after).difference(&old) {
        left.push(format!("the module {name} is still loaded"));
    }
    let old = threads(before);
    for (pid, name) in threads(after).difference(&old) {
        left.push(format!("the kernel thread {pid} [{name}] still runs"));
    }
    let old = lines(&before.proc);
    for path in lines(&after.proc).difference(&old) {
        left.push(format!("{path} is still there"));
    }
    match (taint(before), taint(after)) {
        (Some(before), Some(after)) => {
            for bit in (0..64).filter(|bit| after & !before & !ALLOWED_TAINT & 1 << bit != 0) {
                left.push(format!("the kernel is tainted: {}", taint_name(bit)));
            }
        }
        _ => left.push("the guest did not tell its taint mask".to_owned()),
    }
    left
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

fn modules(state: &State) -> BTreeSet<&str> {
    lines(&state.modules)
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect()
}

/// Process number and full name of every kernel thread that is no workqueue's.
///
/// The fields of `/proc/PID/stat` are in proc_pid_stat(5). The name, in
/// parentheses, may hold spaces, parentheses and line ends; no field after it
/// does.
fn threads(state: &State) -> BTreeSet<(&str, &str)> {
    let mut threads = BTreeSet::new();
    let mut rest = state.threads.as_str();
    while let Some((pid, after)) = rest.split_once(" (") {
        // The next process begins at the next line `NUMBER (`.
        let end = after
            .match_indices('\n')
            .map(|(at, _)| at)
            .find(|at| begins_process(&after[at + 1..]))
            .unwrap_or(after.len());
        let (process, next) = after.split_at(end);
        rest = next.trim_start_matches('\n');
        let Some((name, fields)) = process.rsplit_once(") ") else {
            continue;
        };
        // Fields count from 3 here: state, parent, four more, then flags, four
        // more, and the ticks that it ran, in user mode and in the kernel.
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let (Some(&state), Some(&parent), Some(Ok(flags))) = (
            fields.first(),
            fields.get(1),
            fields.get(6).map(|flags| flags.parse::<u64>()),
        ) else {
            continue;
        };
        // A worker says what it is when it first runs (`worker_thread` in
        // kernel/workqueue.c); one that is just being made has its name alone.
        let has_not_run = fields.get(11..13).is_some_and(|ticks| ticks == ["0", "0"]);
        let being_made = name.starts_with(WORKER_NAME) && has_not_run && "DR".contains(state);
        if parent == KTHREADD && flags & WORKQUEUE_WORKER == 0 && !being_made {
            threads.insert((pid, name));
        }
    }
    threads
}

fn begins_process(text: &str) -> bool {
    text.split_once(" (")
        .is_some_and(|(pid, _)| !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit()))
}

fn taint(state: &State) -> Option<u64> {
    state.taint.trim().parse().ok()
}

/// What a bit of the taint mask says, in the kernel's own words.
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

    fn state(modules: &str, threads: &str, proc: &str, taint: &str) -> State {
        State {
            modules: modules.to_owned(),
            threads: threads.to_owned(),
            proc: proc.to_owned(),
            taint: taint.to_owned(),
        }
    }

    #[test]
    fn what_was_there_before_may_stay() {
        let before = state(
            "virtio 1 0 - Live 0x0\n",
            "2 (kthreadd) S 0 0 0 0 -1 2129984 0\n34 (khvcd) R 2 0 0 0 -1 2129984 0\n",
            "/proc/irq\n",
            "512\n",
        );
        assert_eq!(left_over(&before, &before), [""; 0]);
        let after = state(
            "",
            // A user's process, a workqueue's thread, and one that is being made.
            "53 (sleep) S 1 0 0 0 -1 4194304 57\n59 (kworker/0:2) I 2 0 0 0 -1 69238880 0\n\
             72 (kworker/0:3) D 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 652 0\n",
            "",
            "12800\n",
        );
        assert_eq!(left_over(&before, &after), [""; 0]);
    }

    #[test]
    fn every_kind_is_named() {
        let before = state("", "34 (khvcd) R 2 0 0 0 -1 2129984 0\n", "", "0\n");
        let after = state(
            "x 16384 0 - Live 0x0 (O)\n",
            "34 (khvcd) R 2 0 0 0 -1 2129984 0\n\
             60 (odd) name (\n1 2) S 2 0 0 0 -1 2129984 0\n\
             61 (khvcd) R 2 0 0 0 -1 2129984 0\n\
             62 (kworker/x) S 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 652 0\n",
            "/proc/driver/x\n",
            "4736\n",
        );
        assert_eq!(
            left_over(&before, &after),
            [
                "the module x is still loaded",
                "the kernel thread 60 [odd) name (\n1 2] still runs",
                "the kernel thread 61 [khvcd] still runs",
                "the kernel thread 62 [kworker/x] still runs",
                "/proc/driver/x is still there",
                "the kernel is tainted: the kernel died: an oops or a BUG (bit 7)",
                "the kernel is tainted: the kernel issued a warning (bit 9)",
            ]
            .map(|line| line)
        );
        assert_eq!(
            left_over(&before, &State::default()),
            ["the guest did not tell its taint mask"]
        );
    }
}
