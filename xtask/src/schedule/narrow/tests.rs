//! Tests of narrowing with a fake runner.

use std::convert::Infallible;

use super::super::exact::ExactDelay;
use super::*;

/// Returns a schedule of this many delays of 10 ms, each at another offset.
fn schedule(count: u32) -> ExactSchedule {
    ExactSchedule {
        start_nanoseconds: 7,
        delays: (0..count)
            .map(|offset| ExactDelay {
                task: "t".to_owned(),
                function: "f".to_owned(),
                offset,
                until: None,
                arrival: 1,
                nanoseconds: 10_000_000,
            })
            .collect(),
    }
}

/// Returns the same with delays of 8 ms, of which only a few are within the budget.
fn short(count: u32) -> ExactSchedule {
    let mut schedule = schedule(count);
    for delay in &mut schedule.delays {
        delay.nanoseconds = 8_000_000;
    }
    schedule
}

fn length(schedule: &ExactSchedule, offset: u32) -> u64 {
    let delays = schedule.delays.iter();
    let of_offset = delays.filter(|delay| delay.offset == offset);
    of_offset.map(|delay| delay.nanoseconds).sum()
}

fn lengths(schedule: &ExactSchedule) -> Vec<(u32, u64)> {
    let delays = schedule.delays.iter();
    delays
        .map(|delay| (delay.offset, delay.nanoseconds))
        .collect()
}

/// Narrows with a fake runner. Returns the number of runs too.
fn narrowed(
    full: &ExactSchedule,
    limit: usize,
    fails: impl Fn(&ExactSchedule) -> Trial,
) -> (Narrowing, usize) {
    let mut runs = 0;
    let mut run = |schedule: &ExactSchedule| {
        runs += 1;
        Ok::<_, Infallible>(fails(schedule))
    };
    let Ok(narrowing) = narrow(full, limit, &mut run);
    (narrowing, runs)
}

fn same_if(same: bool) -> Trial {
    if same { Trial::Same } else { Trial::Passed }
}

fn delays(narrowing: Narrowing) -> NarrowedDelays {
    match narrowing {
        Narrowing::Narrowed(narrowed) => narrowed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_of_a_hundred_delays_is_found_and_shortened_in_few_runs() {
    for offset in [0, 1, 42, 98, 99] {
        let fails = |schedule: &ExactSchedule| same_if(length(schedule, offset) >= 80_000);
        let (narrowing, runs) = narrowed(&schedule(100), 30, fails);
        let narrowed = delays(narrowing);
        assert_eq!(lengths(&narrowed.schedule), [(offset, 100_000)]);
        assert_eq!(narrowed.schedule.start_nanoseconds, 7);
        assert_eq!((narrowed.deciding, narrowed.complete), (Some(0), true));
        assert!(runs <= 16, "{runs}");
    }
}

#[test]
fn two_delays_that_are_both_needed_stay_and_the_last_decides() {
    let fails = |schedule: &ExactSchedule| {
        same_if(length(schedule, 3) >= 1_500 && length(schedule, 11) >= 3_000_000)
    };
    let (narrowing, runs) = narrowed(&schedule(16), 30, fails);
    let narrowed = delays(narrowing);
    let expected = [(3, 2_000), (11, 5_000_000)];
    assert_eq!(lengths(&narrowed.schedule), expected);
    assert_eq!((narrowed.deciding, narrowed.complete), (Some(1), true));
    assert!(runs <= 24, "{runs}");
}

#[test]
fn one_longer_delay_stands_for_several() {
    // Either the sum of two delays is long enough, or one of them is.
    let fails = |schedule: &ExactSchedule| {
        same_if(length(schedule, 3) + length(schedule, 11) >= 15_000_000)
    };
    let (narrowing, runs) = narrowed(&schedule(16), 30, fails);
    let narrowed = delays(narrowing);
    assert_eq!(lengths(&narrowed.schedule), [(11, 20_000_000)]);
    assert!(narrowed.complete && runs <= 14, "{runs}");
}

#[test]
fn a_longer_last_delay_stands_for_one_of_several() {
    // The first delay is needed in any case; of the others, one longer is enough.
    let fails = |schedule: &ExactSchedule| {
        let rest = length(schedule, 2) + length(schedule, 3);
        same_if(length(schedule, 1) > 0 && rest >= 15_000_000)
    };
    let (narrowing, runs) = narrowed(&short(16), 30, fails);
    let narrowed = delays(narrowing);
    assert_eq!(lengths(&narrowed.schedule), [(1, 1_000), (3, 20_000_000)]);
    assert!(runs <= 30, "{runs}");
}

#[test]
fn another_failure_is_not_the_same_and_its_delay_does_not_decide() {
    // Without the second delay, the run fails in another way.
    let fails = |schedule: &ExactSchedule| match (length(schedule, 1), length(schedule, 2)) {
        (1.., 1..) => Trial::Same,
        (1.., 0) => Trial::Other,
        _ => Trial::Passed,
    };
    let narrowed = delays(narrowed(&schedule(4), 30, fails).0);
    assert_eq!(lengths(&narrowed.schedule), [(1, 1_000), (2, 1_000)]);
    assert_eq!(narrowed.deciding, Some(0));
}

#[test]
fn a_failure_without_delays_and_one_that_does_not_repeat_end_the_search() {
    let (narrowing, runs) = narrowed(&schedule(9), 30, |_| Trial::Same);
    assert_eq!((narrowing, runs), (Narrowing::WithoutDelays, 2));
    for trial in [Trial::Passed, Trial::Other] {
        let (narrowing, runs) = narrowed(&schedule(9), 30, |_| trial);
        assert_eq!((narrowing, runs), (Narrowing::NotRepeated, 1));
    }
}

#[test]
fn no_more_runs_than_the_limit_and_what_is_left_still_fails() {
    // Every delay is needed.
    let fails = |schedule: &ExactSchedule| {
        let delays = schedule.delays.iter();
        same_if(delays.filter(|delay| delay.nanoseconds > 0).count() == 16)
    };
    for limit in 4..60 {
        let (narrowing, runs) = narrowed(&schedule(16), limit, fails);
        let narrowed = delays(narrowing);
        assert!(runs <= limit, "{runs} of {limit}");
        assert_eq!(fails(&narrowed.schedule), Trial::Same);
    }
}

#[test]
fn whatever_the_failure_depends_on_the_result_fails_and_needs_each_delay() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.u32(1..40);
        // Fails with all delays, and by chance with any other set.
        let salt = random.u64(..);
        let one_in = random.choice([2, 3, 5, 20]).unwrap_or(2);
        let full = schedule(count);
        let fails = |schedule: &ExactSchedule| {
            let set = lengths(schedule)
                .into_iter()
                .filter(|(_, length)| *length > 0);
            let offsets: Vec<u32> = set.map(|(offset, _)| offset).collect();
            let mut chance = fastrand::Rng::with_seed(offsets.iter().fold(salt, |sum, offset| {
                sum.wrapping_mul(31).wrapping_add(u64::from(*offset) + 1)
            }));
            let by_chance = !offsets.is_empty() && chance.u32(0..one_in) == 0;
            same_if(offsets.len() == full.delays.len() || by_chance)
        };
        let (narrowing, runs) = narrowed(&full, 1000, fails);
        let narrowed = delays(narrowing);
        assert!(narrowed.complete && runs <= 1000, "{seed}: {runs}");
        assert_eq!(fails(&narrowed.schedule), Trial::Same, "{seed}");
        for index in 0..narrowed.schedule.delays.len() {
            let fewer = without(&narrowed.schedule, index);
            assert_eq!(fails(&fewer), Trial::Passed, "{seed}");
        }
    }
}
