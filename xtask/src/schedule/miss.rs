//! A bound of the probability with which clean schedules have missed a race.
//!
//! PCT (Burckhardt et al., ASPLOS 2010) finds a bug of depth `d` with a probability of at least
//! `1 / (n * k^(d - 1))` in each run with `n` threads and `k` steps, because it draws `d - 1` steps
//! uniformly. A random schedule draws probe points by task, then line, then point, and draws in the guest
//! which arrivals are delayed and for how long. This file has the same statement for that choice: a lower bound
//! of the probability that a schedule delays a given arrival, or two given ones, by [`LONG_ENOUGH`]
//! or more. docs/races.md has the assumptions.

use std::collections::BTreeMap;

use super::{BUDGET_MILLISECONDS, Baseline, CHANCES, LONGEST, MOST, ProbeLine};

/// The length of a delay that the bound counts, in nanoseconds. Two tasks that come one after the other
/// are seldom further apart.
pub const LONG_ENOUGH: u32 = 500_000;

/// Lower bounds of the probability that one random schedule shows a race.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RaceProbability {
    /// A race that one delay at a point of the lesson's own lines shows, whatever else the schedule delays.
    pub one_delay: f64,
    /// A race that two delays at points of two of these lines show; `None` if there is only one line.
    pub two_delays: Option<f64>,
}

/// Returns the probability that the lines of two delays are drawn: `h` is a lower bound for the first one in
/// each draw, `g` for the second.
fn both(h: f64, g: f64, draws: i32) -> f64 {
    1.0 - (1.0 - h).powi(draws) - (1.0 - g).powi(draws) + (1.0 - h - g).max(0.0).powi(draws)
}

/// A line of the lesson's own source.
struct OwnLine {
    /// Lower bound of the probability with which a draw chooses it, if none has before.
    chosen: f64,
    points: f64,
}

impl RaceProbability {
    /// Returns the bounds for a module with this baseline; `None` if no line is the lesson's own.
    pub fn of(baseline: &Baseline) -> Option<Self> {
        let lines = own_lines(baseline);
        let draws: Vec<(f64, Draws)> = MOST
            .iter()
            .map(|most| Draws::new(*most, baseline))
            .map(|draws| (1.0 / count(MOST.len()), draws))
            .collect();
        let sum = |of: &dyn Fn(i32) -> f64, long: &dyn Fn(&Draws) -> f64| -> f64 {
            let terms = draws.iter();
            terms
                .map(|(share, draws)| share * draws.mean(of) * long(draws))
                .sum()
        };
        let smallest = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::min);
        let mut ones = lines.iter().map(|line| {
            let chosen = |draws: i32| 1.0 - (1.0 - line.chosen).powi(draws);
            sum(&chosen, &|draws| draws.one_is_long) / line.points
        });
        let twos = lines
            .iter()
            .enumerate()
            .flat_map(|(index, a)| lines[index + 1..].iter().map(move |b| (a, b)));
        let mut twos = twos.map(|(a, b)| {
            let chosen = |draws: i32| both(a.chosen, b.chosen, draws);
            sum(&chosen, &|draws| draws.two_are_long) / (a.points * b.points)
        });
        Some(Self {
            one_delay: smallest(&mut ones)?,
            two_delays: smallest(&mut twos),
        })
    }
}

/// Returns the probability that `schedules` schedules have all missed a race that each of them shows
/// with this probability.
pub fn missed(probability: f64, schedules: u32) -> f64 {
    (1.0 - probability).powf(f64::from(schedules))
}

fn own_lines(baseline: &Baseline) -> Vec<OwnLine> {
    let lines = &baseline.lines;
    let mut of_task: BTreeMap<&str, usize> = BTreeMap::new();
    for task in lines.iter().flat_map(|line| &line.tasks) {
        *of_task.entry(task).or_default() += 1;
    }
    let tasks = count(of_task.len());
    let chosen = |line: &ProbeLine| -> f64 {
        let shares = line.tasks.iter().map(|task| {
            let lines = of_task.get(&**task).copied().unwrap_or(0);
            1.0 / (tasks * count(lines))
        });
        shares.sum()
    };
    let own = lines.iter().filter(|line| line.is_own);
    own.map(|line| OwnLine {
        chosen: chosen(line),
        points: count(line.points.len()),
    })
    .collect()
}

/// The draws of a schedule with at most a given number of probe points.
struct Draws {
    /// The probabilities of 0, 1, 2, ... draws of a line: the other points are tasks' starts.
    counts: Vec<f64>,
    /// Probability that an arrival at a chosen point is delayed long enough.
    one_is_long: f64,
    /// The same for two arrivals.
    two_are_long: f64,
}

impl Draws {
    fn new(most: usize, baseline: &Baseline) -> Self {
        let mut counts = vec![0.0; most + 1];
        for (starts, probability) in halves(baseline.starts.len()).into_iter().enumerate() {
            counts[most - starts.min(most)] += probability;
        }
        // Any points may be the chosen ones, so those that tasks reach most often.
        let mut arrivals = baseline.arrivals.iter().take(most);
        let arrivals = arrivals.try_fold(0_u32, |sum, count| sum.checked_add((*count)?));
        // Without a number of arrivals, the budget may be spent.
        let others = arrivals.map(|arrivals| arrivals.saturating_sub(1));
        let (mut one_is_long, mut two_are_long) = (0.0, 0.0);
        let share = 1.0 / count(CHANCES.len() * LONGEST.len());
        for (chance, longest) in CHANCES
            .iter()
            .flat_map(|chance| LONGEST.iter().map(move |longest| (chance, longest)))
        {
            let limit = f64::from(1_u32 << longest);
            let long = (1.0 - f64::from(LONG_ENOUGH) / limit).max(0.0);
            let budget = f64::from(BUDGET_MILLISECONDS) * 1e6 - f64::from(LONG_ENOUGH);
            let left = others.map_or(0.0, |others| sum_is_at_most(others, budget / limit));
            let delayed = 1.0 / f64::from(*chance);
            one_is_long += share * delayed * long * left;
            // The first of the two is among those that use up the budget of the second.
            two_are_long += share * delayed * delayed * long * (long + left - 1.0).max(0.0);
        }
        Self {
            counts,
            one_is_long,
            two_are_long,
        }
    }

    /// Returns the mean of a function of the number of draws.
    fn mean(&self, of: &dyn Fn(i32) -> f64) -> f64 {
        let terms = (0..).zip(&self.counts);
        terms.map(|(draws, share)| share * of(draws)).sum()
    }
}

/// Returns the probabilities that 0, 1, 2, ... of `count` coins fall on one side.
fn halves(count: usize) -> Vec<f64> {
    let mut shares = vec![1.0];
    for _ in 0..count {
        let shifted = std::iter::once(0.0).chain(shares.iter().copied());
        let same = shares.iter().copied().chain([0.0]);
        shares = shifted.zip(same).map(|(a, b)| (a + b) / 2.0).collect();
    }
    shares
}

/// Returns a lower bound of the probability that the sum of `terms` numbers between 0 and 1, drawn
/// uniformly, is at most `limit`: the distribution of Irwin and Hall for a few numbers, Hoeffding's
/// inequality for more.
fn sum_is_at_most(terms: u32, limit: f64) -> f64 {
    const FEW: u32 = 12;
    let number = f64::from(terms);
    if limit >= number {
        return 1.0;
    }
    if terms > FEW {
        let above = (limit - number / 2.0).max(0.0);
        return 1.0 - (-2.0 * above * above / number).exp();
    }
    // The sum over k of (-1)^k * binomial(n, k) * (limit - k)^n / n!.
    let mut sum = 0.0;
    let mut binomial = 1.0;
    let power = i32::try_from(terms).unwrap_or(i32::MAX);
    for k in 0..=terms {
        let k = f64::from(k);
        if k > limit {
            break;
        }
        sum += binomial * (limit - k).powi(power);
        binomial *= -(number - k) / (k + 1.0);
    }
    let factorial: f64 = (1..=terms).map(f64::from).product();
    (sum / factorial).clamp(0.0, 1.0)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
