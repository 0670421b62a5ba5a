//! Conflicts: accesses of two tasks to the same memory, of which one writes (Snowboard, Gong et al.,
//! SOSP 2021), and tasks that leave a module shortly before its removal. The interrupts of a CPU, in which
//! timers run too, count as one task, and its softirqs as another.
//!
//! The baseline run has the order and the times. A delay of the task that comes first, for as long as the
//! other takes to come, reverses the order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::baseline::{BaselineArrival, BaselineReport};
use super::between::{RemoteAccess, SortedArrivals};
use super::kernel_code::with_objects;
use super::probe_points::ProbePoint;

/// An arrival of a task at a probe point, whose delay reverses the order of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The point.
    pub point: ProbePoint,
    /// The task's name.
    pub task: String,
    /// The number of the arrival at the point, from 1, among those of all tasks of this name.
    pub arrival: u32,
    /// The times until other tasks use the same memory, in nanoseconds, in ascending order.
    pub gaps: Vec<u64>,
    /// The accesses of other tasks that may come between this access and an earlier one of the task,
    /// whatever order the baseline run had. Empty only if there are gaps.
    pub remotes: Vec<RemoteAccess>,
    /// The reason for the delay.
    pub kind: ConflictKind,
    /// Whether the point is on a line of the lesson's own source.
    pub is_own: bool,
    /// Whether the task is about to lock, to sleep, or to free something.
    pub is_step: bool,
}

/// The reason for a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// The task uses memory here that it shares with the other task for the first time.
    First,
    /// The task has used shared memory before: the other task comes in between.
    Between,
    /// The task has just used memory that the other task has used several times, and may use again.
    Again,
    /// The task leaves the module, which is then removed.
    Leaving,
    /// An interrupt that comes again and again uses the memory for the last time before the other task.
    Periodic,
}

/// Maximum time until the other task's access, in nanoseconds: all delays of a run together are not
/// much longer.
pub(super) const MAX_GAP: u64 = 30_000_000;

/// Parts of the names of functions that lock, begin to sleep, or free something.
const STEPS: [&str; 4] = ["lock", "prepare_to_wait", "kfree", "remove"];

/// The same after an access of an interrupt, and the maximum period of a periodic one: less than the maximum
/// delay of an interrupt (`SPIN` in modules/tools/perturb/perturb.rs).
const MAX_INTERRUPT_GAP: u64 = 19_000_000;

/// The symbol of each module's init function.
pub(super) const INIT: &str = "init_module";

/// Assumed times until a task uses memory again, in nanoseconds: a loop of a shell, a tick of the clock.
const AGAIN: [u64; 2] = [500_000, 4_000_000];

/// Gaps of a conflict that differ by less than this count as one, in nanoseconds.
const EQUAL_GAPS: u64 = 20_000;

/// An arrival by its index, the reason for a delay there, and the times until other tasks use the same
/// memory, in nanoseconds.
type DelayedArrival = (usize, ConflictKind, Vec<u64>);

/// Returns the conflicts of a baseline run, and of further ones with the order of two tasks reversed: of
/// these only those of arrivals that the first does not have. (A task that has executed a function once may
/// leave it early the second time, because the other task was first.)
pub fn all_conflicts(
    report: &BaselineReport,
    reversed: &[BaselineReport],
    mut is_own: impl FnMut(&ProbePoint) -> bool,
) -> Vec<Conflict> {
    let arrivals = report.arrivals.iter();
    let met: BTreeSet<_> = arrivals
        .map(|it| (it.task_name(), it.point.address(), it.arrival))
        .collect();
    let mut found = conflicts(report, &mut is_own);
    for report in reversed {
        let others = conflicts(report, &mut is_own).into_iter();
        found.extend(
            others.filter(|it| !met.contains(&(&*it.task, it.point.address(), it.arrival))),
        );
    }
    found
}

/// Returns the conflicts of a run with probes at the module's calls, and in the functions of the kernel that it
/// calls: of those where a task is in the kernel.
pub fn kernel_conflicts(report: &BaselineReport) -> Vec<Conflict> {
    let found = conflicts(&with_objects(report), |_| true).into_iter();
    found.filter(|it| it.point.in_kernel).collect()
}

/// Returns the conflicts of a baseline run, in the order of time. `is_own` reports whether a point is on a
/// line of the lesson's own source.
pub(super) fn conflicts(
    report: &BaselineReport,
    mut is_own: impl FnMut(&ProbePoint) -> bool,
) -> Vec<Conflict> {
    let sorted = SortedArrivals::of(report);
    let (arrivals, blocks, before) = (&sorted.all[..], &sorted.blocks, &sorted.before);
    let excludes = |first: usize, second: usize| {
        let at = |index: usize| (&*arrivals[index].task, index);
        sorted.sections.exclude(at(first), at(second))
    };
    // By the index of the first access: those of the second.
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    // The accesses of memory that another task uses at any time.
    let mut shared: BTreeSet<usize> = BTreeSet::new();
    for indices in blocks.values() {
        for (position, &index) in indices.iter().enumerate() {
            let first = arrivals[index];
            let mut others = indices.iter().map(|index| arrivals[*index]);
            if others.any(|other| conflict(first, other)) {
                shared.insert(index);
            }
            let later = indices[position + 1..].iter().copied();
            let seconds = later
                .take_while(|other| gap(first, arrivals[*other]) <= max_gap(first))
                .filter(|other| conflict(first, arrivals[*other]))
                .filter(|other| !before.orders(first, arrivals[*other]))
                .filter(|other| !excludes(index, *other));
            let seconds: Vec<usize> = seconds.collect();
            if !seconds.is_empty() {
                found.entry(index).or_default().extend(seconds);
            }
        }
    }
    let triples = sorted.triples();
    for index in triples.keys() {
        found.entry(*index).or_default();
    }
    let periodic = periodic_interrupts(&sorted, &found, &mut is_own);
    let mut conflicts: Vec<DelayedArrival> = Vec::new();
    for (index, seconds) in found {
        let first = arrivals[index];
        let is_open = |earlier: &usize| {
            let earlier = arrivals[*earlier];
            let mut seconds = seconds.iter().map(|index| arrivals[*index]);
            earlier.task == first.task && seconds.any(|second| !before.orders(earlier, second))
        };
        let is_between = triples.contains_key(&index) || shared.range(..index).any(is_open);
        let kind = match is_between {
            true => ConflictKind::Between,
            false => ConflictKind::First,
        };
        // A task that waits may as well come later: its next access is in the same order.
        if !calls(&first.point, &["wait_for_completion"]) {
            let gaps = seconds.iter().map(|second| gap(first, arrivals[*second]));
            conflicts.push((index, kind, gaps.collect()));
        }
    }
    conflicts.extend(again(arrivals, blocks));
    conflicts.extend(leaving(report, arrivals));
    conflicts.sort_by_key(|(index, kind, _)| (*index, *kind));
    let conflicts = conflicts.into_iter().map(|(index, kind, mut gaps)| {
        let arrival = arrivals[index];
        gaps.sort_unstable();
        gaps.dedup_by(|later, earlier| *later - *earlier < EQUAL_GAPS);
        let triples = triples
            .get(&index)
            .filter(|_| kind == ConflictKind::Between);
        let triples = triples.into_iter().flatten();
        let remotes = triples.map(|triple| sorted.remote(index, *triple, &mut is_own));
        Conflict {
            remotes: remotes.collect(),
            point: arrival.point.clone(),
            task: arrival.task_name().to_owned(),
            arrival: arrival.arrival,
            gaps,
            kind,
            is_own: is_own(&arrival.point),
            is_step: calls(&arrival.point, &STEPS),
        }
    });
    conflicts.chain(periodic).collect()
}

/// Returns the last arrivals of interrupts that come repeatedly, such as timers, before another task uses the same
/// memory. The leads of the remote accesses are the time between two arrivals.
fn periodic_interrupts(
    sorted: &SortedArrivals<'_>,
    found: &BTreeMap<usize, Vec<usize>>,
    mut is_own: impl FnMut(&ProbePoint) -> bool,
) -> Vec<Conflict> {
    let mut periodic = Vec::new();
    for (&index, seconds) in found {
        let first = sorted.all[index];
        let is_same = |arrival: &BaselineArrival, number| {
            arrival.point.address() == first.point.address()
                && (arrival.task_name(), arrival.arrival) == (first.task_name(), number)
        };
        let find = |number| sorted.all.iter().find(|arrival| is_same(arrival, number));
        let Some(before) = find(first.arrival - 1).filter(|_| !first.in_task) else {
            continue;
        };
        let period = gap(before, first);
        if find(first.arrival + 1).is_some() || period > MAX_INTERRUPT_GAP {
            continue;
        }
        // The first and the last access of each task.
        let mut tasks: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for second in seconds {
            let ends = tasks.entry(&sorted.all[*second].task);
            let ends = ends.or_insert([*second, *second]);
            *ends = [ends[0].min(*second), ends[1].max(*second)];
        }
        let remotes = tasks.into_values().map(|[begin, end]| RemoteAccess {
            lead: period,
            ..sorted.remote(begin, [begin, begin, end], &mut is_own)
        });
        periodic.push(Conflict {
            remotes: remotes.collect(),
            point: first.point.clone(),
            task: first.task_name().to_owned(),
            arrival: first.arrival,
            gaps: Vec::new(),
            kind: ConflictKind::Periodic,
            is_own: is_own(&first.point),
            is_step: false,
        });
    }
    periodic
}

/// Returns the arrivals of tasks that have just used memory which another task has used several times.
fn again(arrivals: &[&BaselineArrival], blocks: &HashMap<u64, Vec<usize>>) -> Vec<DelayedArrival> {
    let mut found: BTreeSet<usize> = BTreeSet::new();
    for indices in blocks.values() {
        for (position, &index) in indices.iter().enumerate() {
            let second = arrivals[index];
            let mut earlier = indices[..position].iter().map(|index| arrivals[*index]);
            let is_init = |arrival: &BaselineArrival| arrival.point.function == INIT;
            if earlier.any(|first| first.arrival > 1 && !is_init(first) && conflict(first, second))
            {
                let mut later = arrivals[index + 1..].iter();
                let next = later.position(|arrival| arrival.task == second.task);
                found.extend(next.map(|next| index + 1 + next));
            }
        }
    }
    let found = found.into_iter();
    found
        .map(|index| (index, ConflictKind::Again, AGAIN.to_vec()))
        .collect()
}

/// Returns the last arrival of each task that is about to leave the module when it is removed.
fn leaving(report: &BaselineReport, arrivals: &[&BaselineArrival]) -> Vec<DelayedArrival> {
    let mut leaving = Vec::new();
    for removal in &report.removals {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, arrival) in arrivals.iter().enumerate() {
            if arrival.clock_nanoseconds <= removal.clock_nanoseconds {
                last.insert(&arrival.task, index);
            }
        }
        for (task, index) in last {
            let arrival = arrivals[index];
            let gap = removal.clock_nanoseconds - arrival.clock_nanoseconds;
            // The kernel does not remove a module whose init function has not returned.
            let is_init = arrival.point.function == INIT;
            if *task != removal.task && !is_init && gap <= max_gap(arrival) {
                leaving.push((index, ConflictKind::Leaving, vec![gap]));
            }
        }
    }
    leaving
}

fn calls(point: &ProbePoint, parts: &[&str]) -> bool {
    let calls = point.calls.as_deref().unwrap_or("");
    parts.iter().any(|part| calls.contains(part))
}

/// Returns the begin and the end of the memory that a task uses at a point.
pub(super) fn range(arrival: &BaselineArrival) -> Option<(u64, u64)> {
    let operand = arrival.point.operand?;
    let begin = arrival.address;
    // The first page belongs to nobody: such a number is not an address.
    (begin >= 4096).then(|| Some((begin, begin.checked_add(operand.bytes)?)))?
}

/// Returns the time between two arrivals, in nanoseconds.
fn gap(first: &BaselineArrival, second: &BaselineArrival) -> u64 {
    second
        .clock_nanoseconds
        .saturating_sub(first.clock_nanoseconds)
}

/// Returns the maximum time from an access to that of another task for which a delay may reverse their order.
fn max_gap(first: &BaselineArrival) -> u64 {
    match first.in_task {
        true => MAX_GAP,
        false => MAX_INTERRUPT_GAP,
    }
}

pub(super) fn conflict(first: &BaselineArrival, second: &BaselineArrival) -> bool {
    let writes = |arrival: &BaselineArrival| arrival.point.operand.is_some_and(|it| it.writes);
    let overlaps = range(first)
        .zip(range(second))
        .is_some_and(|(a, b)| a.0 < b.1 && b.0 < a.1);
    overlaps && first.task != second.task && (writes(first) || writes(second))
}

#[cfg(test)]
pub(super) mod tests;
