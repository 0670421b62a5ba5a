//! Accesses that may come between two accesses of another task, whatever order the baseline run had.
//!
//! A baseline run reports each arrival at a probe point, which takes about 30 microseconds, and a run
//! with a schedule has only a few probes. So two tasks that come shortly after each other in the baseline
//! run may come in the other order in most runs, and a delay of the task that was first there delays the
//! task that is last anyway. The remedy delays both: the other task until the first access (`p` below) is
//! done in any case, and then the second access (`c`) until the other task's accesses (`r`) are done. The
//! names are those of AVIO (Lu et al., ASPLOS 2006), which looks for such triples in user space.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::baseline::{BaselineArrival, BaselineReport};
use super::conflicts::{conflict, range};
use super::exact::{ExactDelay, ExactSchedule};
use super::happens_before::HappensBefore;
use super::locks::CriticalSections;
use super::probe_points::ProbePoint;

/// An access of another task that is to come between two accesses of the delayed task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAccess {
    /// The point where the other task is delayed too.
    pub point: ProbePoint,
    /// The other task's name.
    pub task: String,
    /// The number of its arrival at the point, from 1, among those of all tasks of this name.
    pub arrival: u32,
    /// The time between the first access of the delayed task and this one, in nanoseconds.
    pub lead: u64,
    /// The time between the second access of the delayed task and the other task's, in nanoseconds.
    pub lag: u64,
    /// Whether the point is on a line of the lesson's own source.
    pub is_own: bool,
    /// The lock that the delayed task has taken near by and has from its first access to its second, if the other
    /// task has released it before its access.
    pub lock: Option<TakenLock>,
}

/// The call with which a task takes a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenLock {
    /// The call.
    pub point: ProbePoint,
    /// The number of the task's arrival there, from 1, among those of all tasks of its name.
    pub arrival: u32,
    /// The time between this call and the other task's access, in nanoseconds.
    pub lead: u64,
}

/// Time within which two tasks' accesses may have the other order in a run with fewer probes, in
/// nanoseconds: about 60 arrivals of a baseline run.
pub(super) const NEAR: u64 = 2_000_000;

/// Time for which the second task of a reversed pair runs before the first, in nanoseconds: about 15
/// arrivals of a baseline run.
const REVERSAL: u64 = 500_000;

/// Maximum number of further baseline runs.
const MAX_REVERSALS: usize = 2;

/// The part of the memory in which accesses are compared, as a power of two in bytes.
const BLOCK_BITS: u32 = 6;

/// The arrivals of a baseline run, in the order of time.
pub(super) struct SortedArrivals<'a> {
    pub all: Vec<&'a BaselineArrival>,
    /// The indices of those that use a block of memory, in ascending order.
    pub blocks: HashMap<u64, Vec<usize>>,
    pub before: HappensBefore<'a>,
    pub sections: CriticalSections<'a>,
}

impl<'a> SortedArrivals<'a> {
    pub(super) fn of(report: &'a BaselineReport) -> Self {
        let mut all: Vec<&BaselineArrival> = report.arrivals.iter().collect();
        all.sort_by_key(|arrival| arrival.clock_nanoseconds);
        let before = HappensBefore::of(&all);
        let sections = CriticalSections::of(&all);
        let mut blocks: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, arrival) in all.iter().enumerate() {
            if let Some((begin, end)) = range(arrival) {
                for block in begin >> BLOCK_BITS..=(end - 1) >> BLOCK_BITS {
                    blocks.entry(block).or_default().push(index);
                }
            }
        }
        Self {
            all,
            blocks,
            before,
            sections,
        }
    }

    /// Returns the indices of `p`, of the first of `r` and of the last of `r`, by the index of a task's second
    /// access `c`. Of several triples with the same `c` and first `r`, the one whose times differ least.
    pub(super) fn triples(&self) -> BTreeMap<usize, Vec<[usize; 3]>> {
        let pairs = self.near_pairs();
        let mut found: BTreeMap<usize, BTreeMap<usize, [usize; 3]>> = BTreeMap::new();
        for (&second, lasts) in &pairs {
            let earlier = pairs
                .range(..second)
                .rev()
                .take_while(|(first, _)| self.distance(**first, second) <= NEAR);
            for (&first, remotes) in earlier {
                if self.all[first].task != self.all[second].task {
                    continue;
                }
                let task = &*self.all[first].task;
                for &remote in remotes {
                    let other = (&*self.all[remote].task, remote);
                    if self
                        .sections
                        .exclude_between((task, [first, second]), other)
                    {
                        continue;
                    }
                    let same = |last: &&usize| {
                        self.all[**last].task == self.all[remote].task && **last >= remote
                    };
                    for &last in lasts.iter().filter(same) {
                        let triple = [first, remote, last];
                        let known = found.entry(second).or_default().entry(remote);
                        let known = known.or_insert(triple);
                        if self.spread(second, triple) < self.spread(second, *known) {
                            *known = triple;
                        }
                    }
                }
            }
        }
        let triples = found.into_iter();
        triples
            .map(|(second, triples)| (second, triples.into_values().collect()))
            .collect()
    }

    /// Returns the conflicts that are near and have no fixed order: by the index of an arrival, those of the other
    /// tasks' arrivals.
    fn near_pairs(&self) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut pairs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for indices in self.blocks.values() {
            for (position, &index) in indices.iter().enumerate() {
                let later = indices[position + 1..].iter().copied();
                let near = later.take_while(|other| self.distance(index, *other) <= NEAR);
                for other in near {
                    let (first, second) = (self.all[index], self.all[other]);
                    if conflict(first, second) && !self.before.orders(first, second) {
                        pairs.entry(index).or_default().insert(other);
                        pairs.entry(other).or_default().insert(index);
                    }
                }
            }
        }
        pairs
    }

    /// Returns the sum of a triple's distances, in nanoseconds.
    fn spread(&self, second: usize, [first, remote, last]: [usize; 3]) -> u64 {
        self.distance(first, remote) + self.distance(second, last)
    }

    /// Returns the remote access of a triple whose second access is at this index.
    pub(super) fn remote(
        &self,
        second: usize,
        [first, remote, last]: [usize; 3],
        is_own: impl FnOnce(&ProbePoint) -> bool,
    ) -> RemoteAccess {
        let arrival = self.all[remote];
        let task = |index: usize| &*self.all[index].task;
        let own = (task(first), [first, second]);
        let lock = self.sections.taken(own, (task(remote), remote));
        let lock = lock.filter(|call| self.distance(*call, remote) <= NEAR);
        RemoteAccess {
            point: arrival.point.clone(),
            task: arrival.task_name().to_owned(),
            arrival: arrival.arrival,
            lead: self.distance(first, remote),
            lag: self.distance(second, last),
            is_own: is_own(&arrival.point),
            lock: lock.map(|call| TakenLock {
                point: self.all[call].point.clone(),
                arrival: self.all[call].arrival,
                lead: self.distance(call, remote),
            }),
        }
    }

    /// Returns the time between two arrivals, in nanoseconds.
    fn distance(&self, one: usize, other: usize) -> u64 {
        let clock = |index: usize| self.all[index].clock_nanoseconds;
        clock(one).abs_diff(clock(other))
    }
}

/// Returns schedules of one delay each, which reverse the order of two tasks that come shortly after each
/// other in a baseline run: of each pair of tasks, the first one that allows it is delayed where both use
/// the same memory for the first time. Further baseline runs with these schedules meet the code that is
/// executed in the other order only.
pub fn reversals(report: &BaselineReport) -> Vec<ExactSchedule> {
    let arrivals = SortedArrivals::of(report);
    let mut known: BTreeSet<[&str; 2]> = BTreeSet::new();
    let mut schedules = Vec::new();
    for (first, seconds) in arrivals.near_pairs() {
        let later = seconds.into_iter().find(|second| *second > first);
        let Some(second) = later else { continue };
        let (first, second) = (arrivals.all[first], arrivals.all[second]);
        let mut tasks = [first.task_name(), second.task_name()];
        tasks.sort_unstable();
        if schedules.len() == MAX_REVERSALS || !known.insert(tasks) {
            continue;
        }
        let delay = ExactDelay {
            task: first.task_name().to_owned(),
            function: first.point.function.clone(),
            offset: first.point.offset,
            until: None,
            arrival: first.arrival,
            nanoseconds: second.clock_nanoseconds - first.clock_nanoseconds + REVERSAL,
        };
        schedules.push(ExactSchedule {
            start_nanoseconds: 0,
            delays: vec![delay],
        });
    }
    schedules
}

#[cfg(test)]
mod tests {
    use super::super::conflicts::tests::{arrival, call};
    use super::super::conflicts::{ConflictKind, all_conflicts, conflicts};
    use super::*;

    /// Returns the offsets of each delayed access and of its remote access, and the lead and the lag in
    /// milliseconds.
    fn remotes(arrivals: Vec<BaselineArrival>) -> Vec<(u32, u32, u64, u64)> {
        let report = BaselineReport {
            arrivals,
            removals: Vec::new(),
        };
        let mut found = Vec::new();
        for conflict in conflicts(&report, |_| true) {
            for remote in conflict.remotes {
                assert_eq!(conflict.kind, ConflictKind::Between);
                let (lead, lag) = (remote.lead / 1_000_000, remote.lag / 1_000_000);
                found.push((conflict.point.offset, remote.point.offset, lead, lag));
            }
        }
        found
    }

    #[test]
    fn an_access_may_come_in_between_whichever_task_was_first() {
        let a = |clock| {
            [
                arrival("a/1", 0, clock, 0x10_0000, false),
                arrival("a/1", 4, clock + 1, 0x10_0000, true),
            ]
        };
        let b = |clock| arrival("b/2", 8, clock, 0x10_0000, true);
        let first = a(10).into_iter().chain([b(12)]).collect();
        assert_eq!(remotes(first), [(4, 8, 2, 1)]);
        let second = std::iter::once(b(10)).chain(a(11)).collect();
        assert_eq!(remotes(second), [(4, 8, 1, 2)]);
        let far = a(10).into_iter().chain([b(14)]).collect();
        assert_eq!(remotes(far), []);
    }

    #[test]
    fn the_other_task_is_delayed_before_all_that_is_to_come_in_between() {
        let arrivals = vec![
            // A condition, and then the queue.
            arrival("b/2", 0, 10, 0x10_0000, true),
            arrival("b/2", 4, 11, 0x20_0000, true),
            arrival("a/1", 8, 11, 0x10_0000, false),
            arrival("a/1", 12, 12, 0x20_0000, true),
        ];
        assert_eq!(remotes(arrivals), [(4, 8, 1, 1), (12, 0, 1, 1)]);
    }

    #[test]
    fn a_lock_near_by_that_the_other_task_has_released_is_part_of_the_remote_access() {
        let lock = |arrival| call("mutex_lock", arrival);
        let unlock = |arrival| call("mutex_unlock", arrival);
        let remote_after = |taken| {
            let arrivals = [
                lock(arrival("a/1", 0, taken, 0x10_0000, true)),
                arrival("a/1", 4, 11, 0x20_0000, false),
                arrival("a/1", 8, 12, 0x20_0000, true),
                unlock(arrival("a/1", 12, 13, 0x10_0000, true)),
                lock(arrival("b/2", 16, 13, 0x10_0000, true)),
                unlock(arrival("b/2", 20, 13, 0x10_0000, true)),
                arrival("b/2", 24, 13, 0x20_0000, true),
            ];
            let mut found = conflicts(&report(arrivals), |_| true).into_iter();
            let mut remotes = found.find(|it| it.point.offset == 8)?.remotes.into_iter();
            remotes.find(|remote| remote.point.offset == 24)
        };
        let lock = |taken| {
            let lock = remote_after(taken)?.lock;
            lock.map(|it| (it.point.offset, it.arrival, it.lead))
        };
        assert_eq!(lock(11), Some((0, 1, NEAR)));
        assert!(remote_after(10).is_some());
        assert_eq!(lock(10), None);
    }

    #[test]
    fn the_order_of_a_task_and_the_one_that_starts_it_is_not_open() {
        let arrivals = vec![
            arrival("a/1", 0, 10, 0x10_0000, false),
            arrival("a/1", 4, 11, 0x10_0000, true),
            call("wake_up_process", arrival("a/1", 8, 11, 0x20_0000, true)),
            arrival("b/2", 12, 12, 0x10_0000, true),
        ];
        assert_eq!(remotes(arrivals), []);
    }

    #[test]
    fn the_first_of_two_tasks_that_are_near_is_delayed_in_a_further_baseline_run() {
        let arrivals = vec![
            arrival("b/2", 0, 10, 0x10_0000, true),
            arrival("a/1", 4, 11, 0x10_0000, false),
            arrival("a/1", 8, 12, 0x10_0000, true),
            // Too far away.
            arrival("c/3", 12, 15, 0x10_0000, true),
        ];
        let report = BaselineReport {
            arrivals,
            removals: Vec::new(),
        };
        let schedules: Vec<String> = reversals(&report).iter().map(ToString::to_string).collect();
        assert_eq!(schedules, ["start=0ms b@f+0x0#1=1.5ms"]);
    }

    fn report<const N: usize>(arrivals: [BaselineArrival; N]) -> BaselineReport {
        BaselineReport {
            arrivals: arrivals.into(),
            removals: Vec::new(),
        }
    }

    /// Returns the delayed tasks, with the offsets and the numbers of their arrivals.
    fn delayed(first: &BaselineReport, reversed: BaselineReport) -> Vec<(String, u32, u32)> {
        let found = all_conflicts(first, &[reversed], |_| true).into_iter();
        found
            .map(|it| (it.task, it.point.offset, it.arrival))
            .collect()
    }

    #[test]
    fn of_a_further_run_only_arrivals_count_that_the_first_does_not_have() {
        let b = |clock| arrival("b/2", 0, clock, 0x10_0000, true);
        let first = report([
            b(10),
            arrival("a/1", 4, 30, 0x10_0000, false),
            arrival("a/1", 8, 31, 0x90_0000, true),
        ]);
        let reversed = report([
            arrival("a/1", 4, 11, 0x10_0000, false),
            arrival("a/1", 12, 12, 0x10_0000, false),
            b(20),
        ]);
        let expected = [("b".to_owned(), 0, 1), ("a".to_owned(), 12, 1)];
        assert_eq!(delayed(&first, reversed), expected);
    }

    #[test]
    fn a_function_that_a_task_leaves_early_the_second_time_counts_where_it_does_not() {
        let second = |arrival: BaselineArrival| BaselineArrival {
            arrival: 2,
            ..arrival
        };
        let b = |clock| arrival("b/2", 0, clock, 0x10_0000, true);
        // Before `b` exists.
        let once = [
            arrival("a/1", 4, 1, 0x10_0000, false),
            arrival("a/1", 8, 2, 0x10_0000, true),
            call("wake_up_process", arrival("a/1", 12, 3, 0x90_0000, true)),
        ];
        let check = |clock| second(arrival("a/1", 4, clock, 0x10_0000, false));
        let [x, y, z] = once.clone();
        let first = report([x, y, z, b(10), check(30)]);
        let [x, y, z] = once;
        let count = second(arrival("a/1", 8, 12, 0x10_0000, true));
        let reversed = report([x, y, z, check(11), count, b(20)]);
        let expected = [("b".to_owned(), 0, 1), ("a".to_owned(), 8, 2)];
        assert_eq!(delayed(&first, reversed), expected);
    }
}
