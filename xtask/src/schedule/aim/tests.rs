//! Tests of the choice of a seed's delays.

use std::collections::BTreeSet;

use super::super::between::NEAR;
use super::super::probe_points::{ProbeKind, ProbePoint};
use super::super::{ProbeLine, RemoteAccess, TakenLock};
use super::*;

fn point(offset: u32) -> ProbePoint {
    ProbePoint {
        function: "f".to_owned(),
        offset,
        section: 1,
        section_offset: u64::from(offset),
        in_kernel: false,
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

/// Returns an access of another task near by.
fn remote() -> RemoteAccess {
    RemoteAccess {
        point: point(60),
        task: "b".to_owned(),
        arrival: 2,
        lead: 300_000,
        lag: 100_000,
        is_own: true,
        lock: None,
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
        lines: vec![line],
        conflicts: own.into_iter().chain(others).collect(),
        ..Baseline::default()
    }
}

/// Returns the delays of the aimed seeds among these.
fn aimed_seeds(seeds: std::ops::Range<u32>) -> Vec<ExactSchedule> {
    let baseline = baseline();
    let schedules = seeds.map(|seed| SeededSchedule::new(seed, &baseline, Aim::Conflicts));
    schedules
        .filter_map(|schedule| match schedule {
            SeededSchedule::Aimed(schedule) => Some(schedule),
            SeededSchedule::Random(_) | SeededSchedule::Rendezvous(_) => None,
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
    let conflict = Conflict {
        gaps: Vec::new(),
        remotes: vec![remote()],
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
fn a_task_with_a_lock_is_delayed_where_it_takes_it_in_most_draws() {
    let lock = TakenLock {
        point: point(0),
        arrival: 3,
        lead: 200_000,
    };
    let remote = RemoteAccess {
        lock: Some(lock),
        ..remote()
    };
    let conflict = Conflict {
        gaps: Vec::new(),
        remotes: vec![remote],
        ..conflict("a", 4, 1, ConflictKind::Between)
    };
    let mut random = fastrand::Rng::with_seed(1);
    let mut with_lock = 0;
    for _ in 0..100 {
        let delays = delays(&mut random, &conflict);
        let [taking, other, own] = &delays[..] else {
            assert_eq!(delays.len(), 2);
            continue;
        };
        with_lock += 1;
        assert_eq!((&*taking.task, taking.offset, taking.arrival), ("a", 0, 3));
        assert_eq!((&*other.task, other.offset), ("b", 60));
        assert_eq!((&*own.task, own.offset), ("a", 4));
        // The other task waits at least until the first one goes on and reaches its first access.
        assert!(taking.nanoseconds > 200_000, "{taking}");
        assert!(other.nanoseconds > taking.nanoseconds + 300_000, "{other}");
        assert!(own.nanoseconds > other.nanoseconds + 100_000, "{own}");
    }
    assert!((60..90).contains(&with_lock), "{with_lock}");
}

#[test]
fn the_longest_three_delays_are_within_the_budget() {
    let lock = TakenLock {
        point: point(0),
        arrival: 3,
        lead: NEAR,
    };
    let conflict = Conflict {
        gaps: Vec::new(),
        remotes: vec![RemoteAccess {
            lead: NEAR,
            lag: NEAR,
            lock: Some(lock),
            ..remote()
        }],
        ..conflict("a", 4, 1, ConflictKind::Between)
    };
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let schedule = aimed(&mut random, std::slice::from_ref(&conflict));
        assert!(!schedule.delays.is_empty(), "seed {seed}");
        assert!(schedule.is_within_budget(), "{schedule}");
    }
}

#[test]
fn random_seeds_are_those_of_the_random_choice() {
    let baseline = baseline();
    for seed in 0..50 {
        let SeededSchedule::Random(schedule) = SeededSchedule::new(seed, &baseline, Aim::Random)
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

#[test]
fn each_arrival_of_a_periodic_interrupt_that_may_be_the_last_is_delayed_for_a_period() {
    let remote = RemoteAccess {
        point: point(8),
        task: "rmmod".to_owned(),
        arrival: 1,
        lead: 8_000_000,
        lag: 200_000,
        is_own: true,
        lock: None,
    };
    // The budget has room for fewer delays of a longer period.
    for (lead, last, expected) in [
        (8_000_000, 6, &[6, 7, 5][..]),
        (8_000_000, 1, &[1, 2]),
        (16_000_000, 6, &[6]),
    ] {
        let remote = RemoteAccess {
            lead,
            ..remote.clone()
        };
        let periodic = Conflict {
            gaps: Vec::new(),
            remotes: vec![remote],
            ..conflict("softirq", 4, last, ConflictKind::Periodic)
        };
        for seed in 0..20 {
            let mut random = fastrand::Rng::with_seed(seed);
            let schedule = aimed(&mut random, std::slice::from_ref(&periodic));
            assert!(schedule.is_within_budget());
            let (first, own) = schedule.delays.split_first().expect("delays");
            assert_eq!((&*first.task, first.offset), ("rmmod", 8));
            assert!(own.iter().all(|delay| delay.task == "softirq"));
            assert!(own.iter().all(|delay| delay.nanoseconds > lead));
            let arrivals: Vec<u32> = own.iter().map(|delay| delay.arrival).collect();
            assert_eq!(arrivals, expected);
        }
    }
}

#[test]
fn half_of_the_seeds_that_are_not_aimed_delay_in_the_kernel() {
    let without = baseline();
    let with = Baseline {
        kernel_conflicts: vec![conflict("k", 4, 1, ConflictKind::Between)],
        ..baseline()
    };
    let in_kernel = |seed: &u32| match SeededSchedule::new(*seed, &with, Aim::Conflicts) {
        SeededSchedule::Aimed(schedule) => schedule.delays.iter().any(|delay| delay.task == "k"),
        SeededSchedule::Random(_) | SeededSchedule::Rendezvous(_) => false,
    };
    let is_random = |seed: &u32| SeededSchedule::is_random(*seed, &without, Aim::Conflicts);
    let others: Vec<u32> = (0..400).filter(is_random).collect();
    let found: Vec<u32> = (0..400).filter(in_kernel).collect();
    assert!(found.iter().all(|seed| others.contains(seed)));
    assert!(
        (others.len() / 3..others.len() * 2 / 3).contains(&found.len()),
        "{} of {}",
        found.len(),
        others.len()
    );
    for seed in found {
        assert!(!SeededSchedule::is_random(seed, &with, Aim::Conflicts));
        assert!(SeededSchedule::is_random(seed, &with, Aim::Random));
    }
}

#[test]
fn about_one_of_six_seeds_lets_a_task_wait_for_another_one_if_that_is_possible() {
    let rendezvous = crate::schedule::Rendezvous {
        point: point(4),
        task: "a".to_owned(),
        arrival: 1,
        meeting_point: point(60),
        is_own: true,
        removes: true,
        is_call: true,
    };
    let with = Baseline {
        rendezvous: vec![rendezvous],
        ..baseline()
    };
    let waits = |baseline: &Baseline, aim, seed: &u32| {
        let schedule = SeededSchedule::new(*seed, baseline, aim);
        let waits = matches!(schedule, SeededSchedule::Rendezvous(_));
        assert!(!(waits && SeededSchedule::is_random(*seed, baseline, aim)));
        waits
    };
    let count =
        |baseline: &Baseline, aim| (0..600).filter(|seed| waits(baseline, aim, seed)).count();
    let aimed = count(&with, Aim::Conflicts);
    assert!((70..130).contains(&aimed), "{aimed}");
    assert_eq!(count(&with, Aim::Random), 0);
    assert_eq!(count(&baseline(), Aim::Conflicts), 0);
}
