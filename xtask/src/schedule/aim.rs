//! Aim: which delays a seed stands for.
//!
//! Most schedules of random delays reverse no order that matters. The baseline run has the conflicts
//! between tasks with their times, and most seeds delay a task at one of these for as long as the other
//! task takes to come. Some let a task wait until another one comes again, or delay tasks in functions of the
//! kernel that the module calls. The other seeds remain random, so every probe point of the module may be delayed.

use std::collections::BTreeMap;

use super::conflicts::{Conflict, ConflictKind, MAX_GAP};
use super::delay::interrupt;
use super::exact::{ExactDelay, ExactSchedule, START_LIMIT};
use super::order::PerturbOrder;
use super::rendezvous::RendezvousSchedule;
use super::{Baseline, ModuleCode, Schedule, weak_memory};

/// The choice of a seed's delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Aim {
    /// One of six seeds lets a task wait for another one that comes again and again. Three of four others
    /// reverse the order of conflicting accesses of the baseline run, half of those that remain that of
    /// accesses in the kernel's functions, and the rest is random
    #[default]
    Conflicts,
    /// Each seed chooses probe points at random
    Random,
}

/// The schedule of a seed.
#[derive(Debug, Clone)]
pub enum SeededSchedule {
    /// `perturb` draws the delays at some points.
    Random(Schedule),
    /// The delays are known.
    Aimed(ExactSchedule),
    /// A task waits for another one.
    Rendezvous(Box<RendezvousSchedule>),
}

/// Number of seeds of which one is random.
const RANDOM_ONE_OF: u32 = 4;

/// Number of conflicts with another task's access near by, of which one is tried without a delay of that
/// task too.
const SINGLE_ONE_OF: u32 = 4;

/// Times by which a delay is longer than the baseline run's gap, at most, in nanoseconds.
const MARGINS: [u64; 3] = [200_000, 1_000_000, 4_000_000];

/// The same for a task that leaves the module: the kernel frees the module only after its removal.
const LEAVING_MARGIN: u64 = 10_000_000;

impl SeededSchedule {
    /// Returns the schedule of a seed, for a module with this baseline.
    pub fn new(seed: u32, baseline: &Baseline, aim: Aim) -> Self {
        if let Some(mut random) = held_draw(seed, baseline) {
            return Self::Aimed(held(&mut random, baseline, aim));
        }
        if let Some(schedule) = rendezvous_draw(seed, baseline, aim) {
            return Self::Rendezvous(Box::new(schedule));
        }
        if let Some(mut random) = aimed_draw(seed, baseline, aim) {
            return Self::Aimed(aimed(&mut random, &baseline.conflicts));
        }
        match kernel_draw(seed, baseline, aim) {
            Some(mut random) => Self::Aimed(aimed(&mut random, &baseline.kernel_conflicts)),
            None => Self::Random(Schedule::new(seed, baseline)),
        }
    }

    /// Reports whether the schedule of a seed is random, for a module with this baseline.
    pub fn is_random(seed: u32, baseline: &Baseline, aim: Aim) -> bool {
        if rendezvous_draw(seed, baseline, aim).is_some() {
            return false;
        }
        held_draw(seed, baseline)
            .or_else(|| aimed_draw(seed, baseline, aim))
            .or_else(|| kernel_draw(seed, baseline, aim))
            .is_none()
    }

    /// Returns the order that makes `perturb` apply this schedule to `module`, whose probe points are
    /// those of `code`.
    ///
    /// # Errors
    ///
    /// The first delay that is not at a place of the module's code.
    pub fn order(self, module: &str, code: &ModuleCode) -> Result<PerturbOrder, ExactDelay> {
        match self {
            Self::Random(schedule) => Ok(schedule.order(module)),
            Self::Aimed(schedule) => schedule.order(module, code, &[]),
            Self::Rendezvous(schedule) => Ok(schedule.order(module)),
        }
    }
}

/// Returns the random numbers for the delays of an aimed seed; `None` for a random seed.
fn aimed_draw(seed: u32, baseline: &Baseline, aim: Aim) -> Option<fastrand::Rng> {
    // Other numbers than those of the random schedule with the same seed.
    let mut random = fastrand::Rng::with_seed(u64::from(seed) | 1 << 32);
    let is_aimed = random.u32(..RANDOM_ONE_OF) != 0;
    (aim == Aim::Conflicts && is_aimed && !baseline.conflicts.is_empty()).then_some(random)
}

/// Number of the other seeds of which one delays a task in a function of the kernel.
const KERNEL_ONE_OF: u32 = 2;

/// Returns the random numbers for the delays of a seed in the kernel's functions; `None` for another seed.
fn kernel_draw(seed: u32, baseline: &Baseline, aim: Aim) -> Option<fastrand::Rng> {
    let mut random = fastrand::Rng::with_seed(u64::from(seed) | 3 << 32);
    // As in `held_draw`.
    random.u64(..);
    let is_in_kernel = random.u32(..KERNEL_ONE_OF) == 0;
    (aim == Aim::Conflicts && is_in_kernel && !baseline.kernel_conflicts.is_empty())
        .then_some(random)
}

/// Number of seeds of which one lets a task wait for another one, if that is possible.
const RENDEZVOUS_ONE_OF: u32 = 6;

/// Returns the schedule of a seed that lets a task wait for another one; `None` for another seed.
fn rendezvous_draw(seed: u32, baseline: &Baseline, aim: Aim) -> Option<RendezvousSchedule> {
    let mut random = fastrand::Rng::with_seed(u64::from(seed) | 4 << 32);
    // As in `held_draw`.
    random.u64(..);
    if aim != Aim::Conflicts || random.u32(..RENDEZVOUS_ONE_OF) != 0 {
        return None;
    }
    let Baseline {
        rendezvous,
        waits_long,
        starts,
        ..
    } = baseline;
    RendezvousSchedule::drawn(&mut random, rendezvous, *waits_long, starts)
}

/// Number of seeds of which one holds a store back, if that was requested.
const HELD_ONE_OF: u32 = 2;

/// Returns the random numbers for a seed that holds a store back; `None` for another seed.
fn held_draw(seed: u32, baseline: &Baseline) -> Option<fastrand::Rng> {
    let mut random = fastrand::Rng::with_seed(u64::from(seed) | 2 << 32);
    // The first numbers of similar seeds are similar: all random schedules would be among the others.
    random.u64(..);
    let is_held = random.u32(..HELD_ONE_OF) == 0;
    (is_held && !baseline.stores.is_empty()).then_some(random)
}

/// Returns a schedule that holds a store back, in half of all cases beside aimed delays.
fn held(random: &mut fastrand::Rng, baseline: &Baseline, aim: Aim) -> ExactSchedule {
    let store = weak_memory::drawn(random, &baseline.stores);
    let with_delays = random.bool() && aim == Aim::Conflicts && !baseline.conflicts.is_empty();
    let mut schedule = match with_delays {
        true => aimed(random, &baseline.conflicts),
        false => ExactSchedule {
            start_nanoseconds: random.u64(..START_LIMIT),
            delays: Vec::new(),
        },
    };
    let delays = std::mem::take(&mut schedule.delays);
    schedule.delays.extend(store);
    for delay in delays {
        schedule.delays.push(delay);
        if !schedule.is_within_budget() {
            schedule.delays.pop();
        }
    }
    schedule.fit();
    schedule
}

/// The same for an interrupt, in nanoseconds: it comes with a tick of the clock, and a lesson begins at any time
/// between two of these.
const INTERRUPT_MARGIN: u64 = 16_000_000;

/// Time by which the delays of a periodic interrupt and of the other task are longer than the period, at most, in
/// nanoseconds: four delays of two ticks each remain within the budget.
const PERIOD_MARGIN: u64 = 1_500_000;

/// Factor of the weight of a conflict in which the other task has released the lock that the delayed task has.
const RESPECTED_IN_PART: u32 = 3;

/// Number of draws of such a conflict of which one is tried without regard to the lock.
const WITHOUT_LOCK_ONE_OF: u32 = 4;

/// Maximum factor of the times of such a conflict: three delays with a larger one may be beyond the budget.
const TIMES_WITH_LOCK: u64 = 2;

/// Conflicts of one task at one point, of which a loop has several.
type Group<'a> = Vec<&'a Conflict>;

fn groups(conflicts: &[Conflict]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for conflict in conflicts {
        // These have other delays than the other kinds.
        let own = [ConflictKind::Leaving, ConflictKind::Periodic];
        let own = own.iter().position(|kind| *kind == conflict.kind);
        let key = (&conflict.task, conflict.point.address(), own);
        groups.entry(key).or_default().push(conflict);
    }
    groups.into_values().collect()
}

/// Returns the weight of a group. All points outside of the lesson's own source, of which there are `others`,
/// have together that of one of its own.
fn weight(group: &Group<'_>, others: u32) -> u32 {
    const OWN: u32 = 64;
    let weight = |conflict: &&Conflict| {
        let share = match conflict.is_own {
            true => OWN,
            false => (OWN / others.max(1)).max(1),
        };
        let share = match conflict.kind {
            ConflictKind::First | ConflictKind::Again | ConflictKind::Leaving => share,
            ConflictKind::Between | ConflictKind::Periodic => 3 * share,
        };
        // Most runs with a schedule have the order of the baseline run.
        let share = match conflict.gaps.is_empty() && conflict.kind != ConflictKind::Periodic {
            true => (share / 4).max(1),
            false => share,
        };
        let share = match conflict.is_step {
            true => 2 * share,
            false => share,
        };
        match conflict.remotes.iter().any(|remote| remote.lock.is_some()) {
            true => RESPECTED_IN_PART * share,
            false => share,
        }
    };
    group.iter().map(weight).max().unwrap_or(0)
}

/// Returns a random index, with a probability proportional to the weight there; `None` without a weight
/// above 0.
pub(super) fn weighted(random: &mut fastrand::Rng, weights: &[u32]) -> Option<usize> {
    let sum: u32 = weights.iter().sum();
    let mut left = (sum > 0).then(|| random.u32(..sum))?;
    weights.iter().position(|weight| {
        let is_here = left < *weight;
        left = left.saturating_sub(*weight);
        is_here
    })
}

/// Returns delays that let a task use memory while an interrupt that comes again and again does. The interrupt comes
/// with a tick of the clock and a lesson begins at any time between two ticks, so nobody knows the number of the
/// arrival before the task's access: the task waits for a period, and each arrival that it may be takes as long, if
/// the budget allows it.
fn periodic_delays(random: &mut fastrand::Rng, conflict: &Conflict) -> Vec<ExactDelay> {
    let Some(remote) = random.choice(&conflict.remotes) else {
        return Vec::new();
    };
    let nanoseconds = remote.lead + random.u64(..PERIOD_MARGIN);
    let own = |arrival| ExactDelay {
        task: conflict.task.clone(),
        function: conflict.point.function.clone(),
        offset: conflict.point.offset,
        until: None,
        arrival,
        nanoseconds: nanoseconds + remote.lag,
    };
    let last = conflict.arrival;
    let mut numbers = vec![last, last + 1];
    numbers.extend((last > 1).then(|| last - 1));
    let other = ExactDelay {
        task: remote.task.clone(),
        function: remote.point.function.clone(),
        offset: remote.point.offset,
        until: None,
        arrival: remote.arrival,
        nanoseconds,
    };
    let delays = std::iter::once(other).chain(numbers.into_iter().map(own));
    let mut schedule = ExactSchedule {
        start_nanoseconds: 0,
        delays: delays.collect(),
    };
    while !schedule.is_within_budget() {
        schedule.delays.pop();
    }
    schedule.delays
}

/// Returns the delays that reverse the order of a conflict, or make another task's access come in between.
fn delays(random: &mut fastrand::Rng, conflict: &Conflict) -> Vec<ExactDelay> {
    if conflict.kind == ConflictKind::Periodic {
        return periodic_delays(random, conflict);
    }
    // Other tasks reach fewer probes than in the baseline run, and so may come at other times.
    let times = random.choice([1, 1, 2, 4]).unwrap_or(1);
    let mut margin = |margin: u64| margin / 2 + random.u64(..margin / 2);
    let margins = MARGINS.map(&mut margin);
    let leaving = margin(LEAVING_MARGIN);
    let after = match conflict.kind {
        ConflictKind::Leaving => leaving,
        _ if interrupt(&conflict.task).is_some() => random.u64(..INTERRUPT_MARGIN),
        _ => random.choice(margins).unwrap_or(margins[0]),
    };
    let own = conflict.remotes.iter().any(|remote| remote.is_own);
    let remotes = conflict
        .remotes
        .iter()
        .filter(|remote| remote.is_own || !own);
    let with_lock = remotes.clone().filter(|remote| remote.lock.is_some());
    let with_lock: Vec<_> = with_lock.collect();
    let regards_lock = !with_lock.is_empty() && random.u32(..WITHOUT_LOCK_ONE_OF) != 0;
    let remote = match regards_lock {
        true => random.choice(with_lock),
        false => random.choice(remotes.collect::<Vec<_>>()),
    };
    let both = conflict.gaps.is_empty() || random.u32(..SINGLE_ONE_OF) != 0;
    let mut delays = Vec::new();
    let nanoseconds = match remote.filter(|_| both) {
        Some(remote) => {
            // Without this delay, the other task may wait for the lock until it is too late.
            let lock = remote.lock.as_ref().filter(|_| regards_lock);
            let times = lock.map_or(times, |_| times.min(TIMES_WITH_LOCK));
            let first = lock.map_or(0, |lock| lock.lead * times + margins[0]);
            delays.extend(lock.map(|lock| ExactDelay {
                task: conflict.task.clone(),
                function: lock.point.function.clone(),
                offset: lock.point.offset,
                until: None,
                arrival: lock.arrival,
                nanoseconds: first,
            }));
            let nanoseconds = first + remote.lead * times + margins[0];
            delays.push(ExactDelay {
                task: remote.task.clone(),
                function: remote.point.function.clone(),
                offset: remote.point.offset,
                until: None,
                arrival: remote.arrival,
                nanoseconds,
            });
            nanoseconds + remote.lag * times
        }
        None => {
            let gap = random.choice(conflict.gaps.iter().copied()).unwrap_or(0);
            (gap * times).min(MAX_GAP)
        }
    };
    delays.push(ExactDelay {
        task: conflict.task.clone(),
        function: conflict.point.function.clone(),
        offset: conflict.point.offset,
        until: None,
        arrival: conflict.arrival,
        nanoseconds: nanoseconds + after,
    });
    delays
}

fn aimed(random: &mut fastrand::Rng, conflicts: &[Conflict]) -> ExactSchedule {
    let mut schedule = ExactSchedule {
        start_nanoseconds: random.u64(..START_LIMIT),
        delays: Vec::new(),
    };
    let mut groups = groups(conflicts);
    let is_other = |group: &&Group<'_>| group.iter().all(|conflict| !conflict.is_own);
    let others = u32::try_from(groups.iter().filter(is_other).count()).unwrap_or(u32::MAX);
    let count = random.choice([1, 1, 1, 2]).unwrap_or(1);
    let mut slow: Option<&str> = None;
    for _ in 0..count {
        let slow_only = slow.is_some() && random.bool();
        let allowed =
            |group: &Group<'_>| !slow_only || group.first().map(|conflict| &*conflict.task) == slow;
        let weights = groups.iter().map(|group| match allowed(group) {
            true => weight(group, others),
            false => 0,
        });
        let Some(index) = weighted(random, &weights.collect::<Vec<u32>>()) else {
            break;
        };
        let Some(conflict) = random.choice(groups.remove(index)) else {
            break;
        };
        slow = slow.or(Some(&conflict.task));
        let known = schedule.delays.len();
        for delay in delays(random, conflict) {
            let mut others = schedule.delays.iter();
            if !others.any(|other| other.is_same_arrival(&delay)) {
                schedule.delays.push(delay);
            }
        }
        if !schedule.is_within_budget() {
            schedule.delays.truncate(known);
            break;
        }
    }
    schedule.fit();
    schedule
}

#[cfg(test)]
mod tests;
