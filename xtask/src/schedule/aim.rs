//! Aim: which delays a seed stands for.
//!
//! Most schedules of random delays reverse no order that matters. The baseline run has the conflicts
//! between tasks with their times, and most seeds delay a task at one of these for as long as the other
//! task takes to come. The other seeds remain random, so every probe point may be delayed.

use std::collections::BTreeMap;

use super::conflicts::{Conflict, ConflictKind, MAX_GAP};
use super::exact::{ExactDelay, ExactSchedule, START_LIMIT};
use super::order::PerturbOrder;
use super::probe_points::ProbePoint;
use super::{Baseline, Schedule};

/// The choice of a seed's delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Aim {
    /// Three of four seeds reverse the order of conflicting accesses of the baseline run, the others
    /// are random
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
        match aimed_draw(seed, baseline, aim) {
            Some(mut random) => Self::Aimed(aimed(&mut random, &baseline.conflicts)),
            None => Self::Random(Schedule::new(seed, baseline)),
        }
    }

    /// Reports whether the schedule of a seed is random, for a module with this baseline.
    pub fn is_random(seed: u32, baseline: &Baseline, aim: Aim) -> bool {
        aimed_draw(seed, baseline, aim).is_none()
    }

    /// Returns the order that makes `perturb` apply this schedule to `module`, whose probe points are
    /// `points`.
    ///
    /// # Errors
    ///
    /// The first delay that is not at a probe point of the module.
    pub fn order(self, module: &str, points: &[ProbePoint]) -> Result<PerturbOrder, ExactDelay> {
        match self {
            Self::Random(schedule) => Ok(schedule.order(module)),
            Self::Aimed(schedule) => schedule.order(module, points, &[]),
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

/// Conflicts of one task at one point, of which a loop has several.
type Group<'a> = Vec<&'a Conflict>;

fn groups(conflicts: &[Conflict]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for conflict in conflicts {
        let leaves = conflict.kind == ConflictKind::Leaving;
        let key = (&conflict.task, conflict.point.address(), leaves);
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
            ConflictKind::Between => 3 * share,
        };
        // Most runs with a schedule have the order of the baseline run.
        let share = match conflict.gaps.is_empty() {
            true => (share / 4).max(1),
            false => share,
        };
        match conflict.is_step {
            true => 2 * share,
            false => share,
        }
    };
    group.iter().map(weight).max().unwrap_or(0)
}

/// Returns a random index, with a probability proportional to the weight there; `None` without a weight
/// above 0.
fn weighted(random: &mut fastrand::Rng, weights: &[u32]) -> Option<usize> {
    let sum: u32 = weights.iter().sum();
    let mut left = (sum > 0).then(|| random.u32(..sum))?;
    weights.iter().position(|weight| {
        let is_here = left < *weight;
        left = left.saturating_sub(*weight);
        is_here
    })
}

/// Returns the delays that reverse the order of a conflict, or make another task's access come in between.
fn delays(random: &mut fastrand::Rng, conflict: &Conflict) -> Vec<ExactDelay> {
    // Other tasks reach fewer probes than in the baseline run, and so may come at other times.
    let times = random.choice([1, 1, 2, 4]).unwrap_or(1);
    let mut margin = |margin: u64| margin / 2 + random.u64(..margin / 2);
    let margins = MARGINS.map(&mut margin);
    let leaving = margin(LEAVING_MARGIN);
    let after = match conflict.kind {
        ConflictKind::Leaving => leaving,
        _ => random.choice(margins).unwrap_or(margins[0]),
    };
    let own = conflict.remotes.iter().any(|remote| remote.is_own);
    let remotes = conflict
        .remotes
        .iter()
        .filter(|remote| remote.is_own || !own);
    let remote = random.choice(remotes.collect::<Vec<_>>());
    let both = conflict.gaps.is_empty() || random.u32(..SINGLE_ONE_OF) != 0;
    let mut delays = Vec::new();
    let nanoseconds = match remote.filter(|_| both) {
        Some(remote) => {
            let nanoseconds = remote.lead * times + margins[0];
            delays.push(ExactDelay {
                task: remote.task.clone(),
                function: remote.point.function.clone(),
                offset: remote.point.offset,
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
            let same = |other: &ExactDelay| {
                (&other.task, &other.function, other.offset, other.arrival)
                    == (&delay.task, &delay.function, delay.offset, delay.arrival)
            };
            if !schedule.delays.iter().any(same) {
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
mod tests {
    use std::collections::BTreeSet;

    use super::super::probe_points::ProbeKind;
    use super::super::{ProbeLine, RemoteAccess};
    use super::*;

    fn point(offset: u32) -> ProbePoint {
        ProbePoint {
            function: "f".to_owned(),
            offset,
            section: 1,
            section_offset: u64::from(offset),
            kind: ProbeKind::Access,
            operand: None,
            calls: None,
        }
    }

    fn conflict(task: &str, offset: u32, arrival: u32, kind: ConflictKind) -> Conflict {
        Conflict {
            point: point(offset),
            task: task.to_owned(),
            arrival,
            gaps: vec![300_000, MAX_GAP],
            remotes: Vec::new(),
            kind,
            is_own: offset < 16,
            is_step: false,
        }
    }

    fn baseline() -> Baseline {
        let line = ProbeLine {
            points: vec![point(0)],
            tasks: BTreeSet::from(["a".to_owned()]),
            is_own: true,
        };
        let own = [
            conflict("a", 0, 1, ConflictKind::First),
            conflict("a", 4, 1, ConflictKind::Between),
            conflict("a", 4, 2, ConflictKind::Between),
            conflict("b", 8, 1, ConflictKind::Leaving),
        ];
        let others = (16..48).map(|offset| conflict("b", offset, 1, ConflictKind::Between));
        Baseline {
            starts: Vec::new(),
            lines: vec![line],
            arrivals: Vec::new(),
            conflicts: own.into_iter().chain(others).collect(),
        }
    }

    /// Returns the delays of the aimed seeds among these.
    fn aimed_seeds(seeds: std::ops::Range<u32>) -> Vec<ExactSchedule> {
        let baseline = baseline();
        let schedules = seeds.map(|seed| SeededSchedule::new(seed, &baseline, Aim::Conflicts));
        schedules
            .filter_map(|schedule| match schedule {
                SeededSchedule::Aimed(schedule) => Some(schedule),
                SeededSchedule::Random(_) => None,
            })
            .collect()
    }

    #[test]
    fn about_three_of_four_seeds_are_aimed_within_the_budget_and_repeat() {
        let schedules = aimed_seeds(0..400);
        assert!((270..330).contains(&schedules.len()), "{}", schedules.len());
        for schedule in &schedules {
            assert!(schedule.is_within_budget(), "{schedule}");
            assert!((1..=4).contains(&schedule.delays.len()), "{schedule}");
        }
        assert_eq!(aimed_seeds(0..400), schedules);
    }

    #[test]
    fn each_conflict_is_chosen_and_the_lessons_own_lines_more_often() {
        let schedules = aimed_seeds(0..800);
        let count = |offset: u32, arrival: u32| {
            let mut delays = schedules.iter().flat_map(|schedule| &schedule.delays);
            let is_there = |delay: &&ExactDelay| (delay.offset, delay.arrival) == (offset, arrival);
            delays.by_ref().filter(is_there).count()
        };
        for arrival in [1, 2] {
            assert!(count(4, arrival) > 100, "{}", count(4, arrival));
        }
        assert!(count(8, 1) > 50, "{}", count(8, 1));
        let others: usize = (16..48).map(|offset| count(offset, 1)).sum();
        assert!((100..400).contains(&others), "{others}");
    }

    #[test]
    fn another_task_near_by_is_delayed_too_and_for_a_shorter_time() {
        let remote = RemoteAccess {
            point: point(60),
            task: "b".to_owned(),
            arrival: 2,
            lead: 300_000,
            lag: 100_000,
            is_own: true,
        };
        let conflict = Conflict {
            gaps: Vec::new(),
            remotes: vec![remote],
            ..conflict("a", 4, 1, ConflictKind::Between)
        };
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            let [other, own] = &delays(&mut random, &conflict)[..] else {
                panic!("two tasks are delayed");
            };
            assert_eq!((&*other.task, other.offset, other.arrival), ("b", 60, 2));
            assert_eq!((&*own.task, own.offset, own.arrival), ("a", 4, 1));
            assert!(other.nanoseconds > 300_000, "{other}");
            assert!(own.nanoseconds > other.nanoseconds + 100_000, "{own}");
        }
    }

    #[test]
    fn random_seeds_are_those_of_the_random_choice() {
        let baseline = baseline();
        for seed in 0..50 {
            let SeededSchedule::Random(schedule) =
                SeededSchedule::new(seed, &baseline, Aim::Random)
            else {
                panic!("seed {seed} is aimed");
            };
            let value = |schedule: Schedule| schedule.order("m").setting.value;
            assert_eq!(value(schedule), value(Schedule::new(seed, &baseline)));
        }
        let without = Baseline {
            conflicts: Vec::new(),
            ..baseline
        };
        let schedule = SeededSchedule::new(1, &without, Aim::Conflicts);
        assert!(matches!(schedule, SeededSchedule::Random(_)));
    }
}
