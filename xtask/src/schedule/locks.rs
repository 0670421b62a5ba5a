//! Locks: which accesses exclude each other, and which lock a task respects only in part of what it does.
//!
//! Two accesses with the same lock cannot come between each other, so no delay has to try it. A task that writes
//! shared memory *after* it has released the lock can come between two accesses of a task that has the lock, but
//! only if it got the lock first: the other one keeps it waiting otherwise, for as long as its own delay lasts. A
//! third delay lets it go first. (Eraser, Savage et al., SOSP 1997, reports memory that no lock always protects.)

use std::collections::{BTreeMap, HashMap};

use super::baseline::BaselineArrival;

/// An effect of a call on a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockCall {
    Takes,
    Releases,
    /// Releases a lock that is not the call's first argument while it waits, and takes it again.
    Waits,
}

/// A critical section, from the call that takes the lock to the one that releases it, by their indices.
#[derive(Debug, Clone, Copy)]
struct CriticalSection {
    lock: u64,
    take: usize,
    /// The greatest index if it has no end.
    release: usize,
}

/// The critical sections of each task, in the order of their ends. Interrupts have none: one that wants the lock of
/// the task below it is not kept waiting, but for ever.
pub(super) struct CriticalSections<'a>(HashMap<&'a str, Vec<CriticalSection>>);

impl<'a> CriticalSections<'a> {
    /// Finds the sections among arrivals in the order of time.
    pub(super) fn of(arrivals: &[&'a BaselineArrival]) -> Self {
        let mut sections: HashMap<&str, Vec<CriticalSection>> = HashMap::new();
        // By the task and the lock: where it was taken.
        let mut open: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        for (index, arrival) in arrivals.iter().enumerate() {
            let function = arrival.point.calls.as_deref();
            let function = function.filter(|_| arrival.in_task && !arrival.point.in_kernel);
            let Some(call) = function.and_then(lock_call) else {
                continue;
            };
            let (task, lock) = (&*arrival.task, arrival.address);
            let known = sections.entry(task).or_default();
            let mut close = |lock, take| {
                known.push(CriticalSection {
                    lock,
                    take,
                    release: index,
                });
            };
            match call {
                LockCall::Takes => {
                    // The end was in the kernel.
                    if let Some(take) = open.insert((task, lock), index) {
                        close(lock, take);
                    }
                }
                LockCall::Releases => {
                    if let Some(take) = open.remove(&(task, lock)) {
                        close(lock, take);
                    }
                }
                LockCall::Waits => {
                    for ((owner, lock), take) in &mut open {
                        if *owner == task {
                            close(*lock, *take);
                            *take = index;
                        }
                    }
                }
            }
        }
        for ((task, lock), take) in open {
            let release = usize::MAX;
            sections.entry(task).or_default().push(CriticalSection {
                lock,
                take,
                release,
            });
        }
        Self(sections)
    }

    /// Reports whether an access of another task cannot come between two accesses of a task, because both
    /// tasks have the same lock.
    pub(super) fn exclude_between(
        &self,
        (task, [from, to]): (&str, [usize; 2]),
        (other, remote): (&str, usize),
    ) -> bool {
        let mut own = self.sections(task);
        own.any(|own| own.take <= from && to <= own.release && self.is_in(other, remote, own.lock))
    }

    /// Reports whether an access of another task cannot come while a task is delayed at an access, because both
    /// tasks have the same lock.
    pub(super) fn exclude(
        &self,
        (task, index): (&str, usize),
        (other, remote): (&str, usize),
    ) -> bool {
        let mut own = self.sections(task);
        own.any(|own| own.has(index) && self.is_in(other, remote, own.lock))
    }

    /// Returns the index of the call with which a task took a lock that it has from one access to another, and that
    /// the other task has released before its access `outside`. Of several, the last.
    pub(super) fn taken(
        &self,
        (task, [from, to]): (&str, [usize; 2]),
        (other, outside): (&str, usize),
    ) -> Option<usize> {
        let is_respected_in_part = |lock: u64| {
            let mut sections = self.sections(other);
            sections.any(|it| it.lock == lock && it.release < outside)
                && !self.is_in(other, outside, lock)
        };
        let held = self.sections(task);
        held.filter(|own| own.has(from) && own.has(to))
            .filter(|own| is_respected_in_part(own.lock))
            .map(|own| own.take)
            .max()
    }

    fn sections(&self, task: &str) -> impl Iterator<Item = &CriticalSection> {
        self.0.get(task).into_iter().flatten()
    }

    /// Reports whether a task takes or has this lock.
    fn is_in(&self, task: &str, index: usize, lock: u64) -> bool {
        let mut sections = self.sections(task);
        sections.any(|it| it.lock == lock && it.take <= index && index <= it.release)
    }
}

impl CriticalSection {
    /// Reports whether the task has the lock at this arrival.
    fn has(&self, index: usize) -> bool {
        self.take < index && index <= self.release
    }
}

/// Returns the effect of a function on the lock that is its first argument. Locks for reading exclude
/// nobody who reads, and a lock that is only tried may not be taken: these have none.
fn lock_call(function: &str) -> Option<LockCall> {
    let demangled = format!("{:#}", rustc_demangle::demangle(function));
    if demangled.contains("CondVar") && demangled.contains("wait") {
        return Some(LockCall::Waits);
    }
    let name = demangled.rsplit("::").next().unwrap_or("");
    let has = |wanted: &str| name.split('_').any(|word| word == wanted);
    let is_exclusive = ["lock", "unlock"].contains(&name) || has("mutex") || has("spin");
    match is_exclusive || has("write") {
        true if has("unlock") => Some(LockCall::Releases),
        true if has("lock") => Some(LockCall::Takes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::conflicts::tests::{arrival, call};
    use super::*;

    const LOCK: u64 = 0x10_0000;

    fn calls(function: &str, task: &str, clock: u64) -> BaselineArrival {
        call(function, arrival(task, 0, clock, LOCK, true))
    }

    fn store(task: &str, clock: u64) -> BaselineArrival {
        arrival(task, 8, clock, 0x20_0000, true)
    }

    #[test]
    fn accesses_with_one_lock_exclude_each_other() {
        let arrivals = [
            store("a/1", 0),
            calls("mutex_lock", "a/1", 1),
            store("a/1", 2),
            calls("mutex_unlock", "a/1", 3),
            store("b/2", 4),
            calls("mutex_lock", "b/2", 5),
            store("b/2", 6),
            calls("mutex_unlock", "b/2", 7),
        ];
        let arrivals: Vec<&BaselineArrival> = arrivals.iter().collect();
        let sections = CriticalSections::of(&arrivals);
        let between =
            |from, to, remote| sections.exclude_between(("a/1", [from, to]), ("b/2", remote));
        assert!(between(1, 3, 5) && between(2, 3, 6) && between(1, 2, 7));
        // Before a task has the lock, or where the other one has not got it.
        assert!(!between(0, 2, 6) && !between(1, 3, 4));
        let during = |index, remote| sections.exclude(("a/1", index), ("b/2", remote));
        assert!(during(2, 6) && during(3, 5) && during(2, 7));
        assert!(!during(1, 6) && !during(0, 6) && !during(2, 4));
    }

    #[test]
    fn a_lock_does_not_keep_an_interrupt_out() {
        let arrivals = [
            calls("_raw_spin_lock", "a/1", 0),
            store("a/1", 1),
            BaselineArrival {
                in_task: false,
                ..calls("_raw_spin_lock", "softirq/cpu0", 2)
            },
            calls("_raw_spin_unlock", "a/1", 3),
        ];
        let arrivals: Vec<&BaselineArrival> = arrivals.iter().collect();
        let sections = CriticalSections::of(&arrivals);
        assert!(!sections.exclude(("a/1", 1), ("softirq/cpu0", 2)));
        assert!(!sections.exclude_between(("a/1", [0, 3]), ("softirq/cpu0", 2)));
    }

    #[test]
    fn a_lock_is_respected_in_part_if_it_is_released_before_an_access() {
        let arrivals = [
            store("b/2", 0),
            calls("mutex_lock", "a/1", 1),
            store("a/1", 2),
            calls("mutex_unlock", "a/1", 3),
            store("a/1", 4),
            calls("mutex_lock", "b/2", 5),
            store("b/2", 6),
            calls("mutex_unlock", "b/2", 7),
            store("b/2", 8),
        ];
        let arrivals: Vec<&BaselineArrival> = arrivals.iter().collect();
        let sections = CriticalSections::of(&arrivals);
        let taken = |from, to, outside| sections.taken(("a/1", [from, to]), ("b/2", outside));
        assert_eq!(taken(2, 3, 8), Some(1));
        // The other task has it, too, or has never had it.
        assert_eq!(taken(2, 3, 6), None);
        assert_eq!(taken(2, 3, 0), None);
        // The task itself has not got it, or not up to the end.
        assert_eq!(taken(4, 4, 8), None);
        assert_eq!(taken(2, 4, 8), None);
    }

    #[test]
    fn a_task_that_waits_for_a_condition_releases_its_lock() {
        let wait = "_RNvMs0_NtNtCs8sY0e6sj61O_6kernel4sync7condvarNtB5_7CondVar4wait";
        let arrivals = [
            calls("mutex_lock", "a/1", 0),
            store("a/1", 1),
            call(wait, arrival("a/1", 4, 2, 0x30_0000, true)),
            store("a/1", 3),
            calls("mutex_unlock", "a/1", 4),
            calls("mutex_lock", "b/2", 5),
        ];
        let arrivals: Vec<&BaselineArrival> = arrivals.iter().collect();
        let sections = CriticalSections::of(&arrivals);
        let between = |from, to| sections.exclude_between(("a/1", [from, to]), ("b/2", 5));
        assert!(between(1, 2) && between(3, 4));
        assert!(!between(1, 3));
    }

    #[test]
    fn locks_are_known_by_their_functions_names() {
        let lock =
            "_RNvXNtNtNtCs8sY0e6sj61O_6kernel4sync4lock5mutexNtB2_12MutexBackendNtB4_7Backend";
        for (function, expected) in [
            ("mutex_lock", Some(LockCall::Takes)),
            ("rust_helper_mutex_lock", Some(LockCall::Takes)),
            ("_raw_spin_lock_irqsave", Some(LockCall::Takes)),
            ("_raw_write_lock", Some(LockCall::Takes)),
            (&format!("{lock}4lock"), Some(LockCall::Takes)),
            ("_raw_spin_unlock_irqrestore", Some(LockCall::Releases)),
            (&format!("{lock}6unlock"), Some(LockCall::Releases)),
            (&format!("{lock}4init"), None),
            ("mutex_trylock", None),
            ("mutex_is_locked", None),
            ("_raw_read_lock", None),
            ("__rcu_read_lock", None),
            ("sched_clock", None),
            ("lock_sock_nested", None),
            ("__mutex_init", None),
        ] {
            assert_eq!(lock_call(function), expected, "{function}");
        }
    }
}
