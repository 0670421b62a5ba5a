//! Compares the bounds with a simulation of the drawing code: [`Schedule::new`], and the draws of
//! `perturb` (`random`, `some_time` and `drawn` in modules/tools/perturb/perturb.rs).

use std::collections::BTreeSet;

use super::super::tests::point;
use super::super::{ProbeLine, ProbePoint, Schedule};
use super::*;

/// SplitMix64, as in `perturb`.
struct Guest {
    state: u64,
    left: u64,
}

impl Guest {
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn drawn(&mut self, schedule: &Schedule) -> u64 {
        if !self.random().is_multiple_of(u64::from(schedule.chance)) {
            return 0;
        }
        let time = self.random() % (1 << schedule.longest);
        let time = time.min(self.left);
        self.left -= time;
        time
    }
}

/// Returns a module in which the first task runs a line more than the second one; both come at each point
/// once. The last line stands for all that are not the lesson's.
fn baseline(own: u32, points: u32, starts: u32) -> Baseline {
    let lines = (0..=own).map(|line| {
        let is_own = line < own;
        let count = if is_own { points } else { 40 };
        let tasks = if line == 0 { &["a"][..] } else { &["a", "b"] };
        ProbeLine {
            points: (0..count).map(|n| point("f", 100 * line + n)).collect(),
            tasks: tasks.iter().map(ToString::to_string).collect(),
            is_own,
        }
    });
    let lines: Vec<ProbeLine> = lines.collect();
    let all = lines.iter().flat_map(|line| &line.points);
    Baseline {
        starts: (0..starts).map(|n| point("f", 100 * own + n)).collect(),
        arrivals: all.map(|_| Some(2)).collect(),
        lines,
        ..Baseline::default()
    }
}

/// Returns for each set of `wanted` how many of these seeds delay the first arrivals of the second task at all of
/// its points long enough. All other arrivals come before.
fn shown(baseline: &Baseline, wanted: &[Vec<ProbePoint>], seeds: u32) -> Vec<u32> {
    let mut counts = vec![0; wanted.len()];
    for seed in 0..seeds {
        let schedule = Schedule::new(seed, baseline);
        for (count, wanted) in counts.iter_mut().zip(wanted) {
            *count += u32::from(is_shown(&schedule, wanted));
        }
    }
    counts
}

fn is_shown(schedule: &Schedule, wanted: &[ProbePoint]) -> bool {
    if !wanted.iter().all(|point| schedule.points.contains(point)) {
        return false;
    }
    let mut guest = Guest {
        state: u64::from(schedule.seed),
        left: u64::from(BUDGET_MILLISECONDS) * 1_000_000,
    };
    // The delay of the lesson's beginning.
    guest.random();
    let others = 2 * schedule.points.len() - wanted.len();
    for _ in 0..others {
        guest.drawn(schedule);
    }
    wanted
        .iter()
        .all(|_| guest.drawn(schedule) >= u64::from(LONG_ENOUGH))
}

/// Returns four standard deviations of a number of successes, at least two successes.
fn noise(probability: f64, runs: f64) -> f64 {
    4.0 * (probability * (1.0 - probability) * runs).sqrt().max(0.5)
}

#[test]
fn the_bounds_hold_in_a_simulation_of_the_draws_and_are_not_far_from_it() {
    const SEEDS: u32 = 40_000;
    let runs = f64::from(SEEDS);
    for (own, points, starts) in [(2, 1, 0), (6, 1, 2), (6, 3, 1), (12, 2, 3)] {
        let baseline = baseline(own, points, starts);
        let bounds = RaceProbability::of(&baseline).expect("own lines");
        let of_line = |line: u32| point("f", 100 * line);
        let ones = (0..own).map(|line| vec![of_line(line)]);
        let twos = (1..own).map(|line| vec![of_line(0), of_line(line)]);
        let counts = shown(&baseline, &ones.chain(twos).collect::<Vec<_>>(), SEEDS);
        let (ones, twos) = counts.split_at(own as usize);
        let least = ones.iter().min().copied().map_or(0.0, f64::from);
        let bound = bounds.one_delay * runs;
        assert!(
            least + noise(bounds.one_delay, runs) >= bound,
            "{own}: {least} < {bound}"
        );
        assert!(bound >= 0.3 * least, "{own}: {bound} is far below {least}");

        let two = bounds.two_delays.expect("two own lines");
        let least = twos.iter().min().copied().map_or(0.0, f64::from);
        let bound = two * runs;
        assert!(
            least + noise(two, runs) >= bound,
            "{own}: {least} < {bound}"
        );
        assert!(bound >= 0.05 * least, "{own}: {bound} is far below {least}");
    }
}

#[test]
fn without_an_own_line_or_a_number_of_arrivals_there_is_no_bound() {
    let mut baseline = baseline(3, 1, 1);
    baseline.arrivals.insert(0, None);
    let bounds = RaceProbability::of(&baseline).expect("own lines");
    assert_eq!((bounds.one_delay, bounds.two_delays), (0.0, Some(0.0)));
    let others = baseline.lines.split_off(3);
    let without = Baseline {
        lines: others,
        ..baseline
    };
    assert_eq!(RaceProbability::of(&without), None);
}

#[test]
fn the_distribution_of_a_sum_is_that_of_irwin_and_hall_or_below() {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(sum_is_at_most(0, 0.5), 1.0));
    assert!(near(sum_is_at_most(1, 0.25), 0.25));
    assert!(near(sum_is_at_most(2, 0.5), 0.125));
    assert!(near(sum_is_at_most(2, 1.5), 0.875));
    assert!(near(sum_is_at_most(3, 3.0), 1.0));
    assert!(near(sum_is_at_most(12, 6.0), 0.5));
    // For more numbers it is a bound: exactly it would be a half.
    assert!(near(sum_is_at_most(13, 6.5), 0.0));
    assert!((0.9..1.0).contains(&sum_is_at_most(20, 16.0)));
}

#[test]
fn clean_schedules_miss_less_the_more_there_are() {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(missed(0.5, 0), 1.0));
    assert!(near(missed(0.5, 3), 0.125));
    let names: BTreeSet<String> = BTreeSet::from(["a".to_owned()]);
    let line = ProbeLine {
        points: vec![point("f", 1)],
        tasks: names,
        is_own: true,
    };
    let single = Baseline {
        lines: vec![line],
        arrivals: vec![Some(1)],
        ..Baseline::default()
    };
    let bounds = RaceProbability::of(&single).expect("an own line");
    assert_eq!(bounds.two_delays, None);
    // Only the length and the chance are drawn.
    let long = [
        0.0,
        1.0 - 500_000.0 / 1_048_576.0,
        1.0 - 500_000.0 / 8_388_608.0,
        1.0 - 500_000.0 / 33_554_432.0,
    ];
    let expected = long.iter().sum::<f64>() / 4.0 * (5.0 / 6.0);
    assert!(near(bounds.one_delay, expected), "{bounds:?}");
}
