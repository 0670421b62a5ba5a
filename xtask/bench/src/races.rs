//! The number of schedules until a race shows, with aimed and with random delays.
//!
//! The seeds of a test case are in blocks of equal length that do not overlap. In each block the number of
//! schedules up to the first failure is counted from the block's first seed; a block without a failure
//! counts as longer than any other. A guest is deterministic, so all counts but the CPU time are the same on
//! each host, however busy it is.

use anyhow::Result;
use serde::Serialize;
use xtask::lesson::Lesson;

use crate::figures::Bench;
use crate::measure;
use crate::results::{self, Aim as Bound, word};

/// Bound of the median of all blocks of all races, aimed over random.
const ALL: Bound = Bound::AtMost(0.5);

/// Bound of the share of failing schedules, random over aimed, of each race.
const EACH: Bound = Bound::AtMost(1.0);

/// The ways of choosing a seed's delays: names of `--aim`.
const AIMS: [&str; 2] = ["random", "conflicts"];

/// The schedules of one race in one language with one aim.
#[derive(Debug, Clone, Serialize)]
pub struct RaceSchedules {
    /// The word after `--aim`.
    pub aim: &'static str,
    /// The number of schedules.
    pub schedules: usize,
    /// The number of those that failed.
    pub failed: usize,
    /// The schedules up to the first failure in each block; null if the block has none.
    pub to_first_failure: Vec<Option<usize>>,
    /// CPU seconds, user and system, per schedule, with the share of the baseline run.
    pub cpu_seconds: f64,
}

/// One race in one language.
#[derive(Debug, Clone, Serialize)]
pub struct RaceComparison {
    /// The race and its language.
    pub name: String,
    /// The schedules with each aim, in the order of [`AIMS`].
    pub aims: [RaceSchedules; 2],
    /// True if the race does not show less often with aimed delays.
    pub reached: bool,
}

impl RaceSchedules {
    /// Counts the results of schedules, true for a failure, in blocks of this length. They took
    /// `cpu_seconds` together.
    fn new(aim: &'static str, failures: &[bool], block: usize, cpu_seconds: f64) -> Self {
        let first = |block: &[bool]| block.iter().position(|failed| *failed).map(|at| at + 1);
        Self {
            aim,
            schedules: failures.len(),
            failed: failures.iter().filter(|failed| **failed).count(),
            to_first_failure: failures.chunks_exact(block).map(first).collect(),
            cpu_seconds: cpu_seconds / number(failures.len()),
        }
    }

    fn share(&self) -> f64 {
        number(self.failed) / number(self.schedules)
    }

    fn median(&self) -> f64 {
        median(&self.to_first_failure)
    }
}

/// Returns the median; infinite if it is in a block without a failure.
fn median<'a>(counts: impl IntoIterator<Item = &'a Option<usize>>) -> f64 {
    let counts = counts.into_iter();
    results::median(
        counts
            .map(|count| count.map_or(f64::INFINITY, number))
            .collect(),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are thousands of schedules"
)]
fn number(count: usize) -> f64 {
    count as f64
}

impl Bench<'_> {
    /// Runs the schedules of all races.
    pub fn races(&self) -> Result<Vec<RaceComparison>> {
        let block = self.block;
        let count = (block * self.blocks).to_string();
        let mut comparisons = Vec::new();
        for (Lesson { name, .. }, language) in self.races_in_languages()? {
            let language = language.to_string();
            let schedules = |count: &str, aim: &str| {
                let args = [&name, "--lang", &language, "--schedules", count];
                let args = [&args[..], &["--aim", aim, "--no-narrow"]].concat();
                measure::test(self.root(), &self.args(&args))
            };
            // Builds the module, and takes the snapshots.
            schedules("1", AIMS[0])?;
            let measured = |aim: &'static str| -> Result<RaceSchedules> {
                let mut failures = Vec::new();
                let cpu = measure::cpu(|| {
                    let runs = schedules(&count, aim)?.runs;
                    failures.extend(runs.iter().map(|run| run.verdict != "pass"));
                    Ok(())
                })?;
                Ok(RaceSchedules::new(aim, &failures, block, cpu))
            };
            let aims = [measured(AIMS[0])?, measured(AIMS[1])?];
            let name = format!("{name} ({language})");
            xtask::errln!("bench: {name}");
            comparisons.push(RaceComparison {
                name,
                reached: EACH.holds(aims[0].share() / aims[1].share()),
                aims,
            });
        }
        Ok(comparisons)
    }
}

/// Returns the medians over all blocks of all races, in the order of [`AIMS`].
fn medians_of_all(comparisons: &[RaceComparison]) -> [f64; 2] {
    [0, 1].map(|aim| {
        let aims = comparisons.iter().map(|one| &one.aims[aim]);
        median(aims.flat_map(|aim| &aim.to_first_failure))
    })
}

/// Reports whether the median of all races is within its bound.
pub fn all_reached(comparisons: &[RaceComparison]) -> bool {
    let [random, aimed] = medians_of_all(comparisons);
    ALL.holds(aimed / random)
}

/// Returns the comparisons as a table for people.
pub fn table(comparisons: &[RaceComparison]) -> String {
    let mut text = format!(
        "{:<24} {:>17} {:>17} {:>17}\n{:<24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "schedules of races",
        "share that fails",
        "median to first",
        "CPU s to first",
        "",
        "random",
        "aimed",
        "random",
        "aimed",
        "random",
        "aimed"
    );
    let show = |median: f64| match median.is_finite() {
        true => median.to_string(),
        false => "never".to_owned(),
    };
    for RaceComparison {
        name,
        aims,
        reached,
    } in comparisons
    {
        let cpu = |aim: &RaceSchedules| match aim.median() {
            count if count.is_finite() => format!("{:.1}", count * aim.cpu_seconds),
            _ => "-".to_owned(),
        };
        let mut line = format!("{name:<24}");
        for aim in aims {
            line += &format!(" {:>8.3}", aim.share());
        }
        for aim in aims {
            line += &format!(" {:>8}", show(aim.median()));
        }
        for aim in aims {
            line += &format!(" {:>8}", cpu(aim));
        }
        text += &format!("{line}  {}\n", word(*reached));
    }
    let [random, aimed] = medians_of_all(comparisons);
    text += &format!(
        "{:<42} {:>8} {:>8}  aimed / random {ALL} {}\n",
        "all blocks of all races",
        show(random),
        show(aimed),
        word(all_reached(comparisons))
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedules(failures: &[usize], count: usize) -> RaceSchedules {
        let failed: Vec<bool> = (1..=count).map(|seed| failures.contains(&seed)).collect();
        RaceSchedules::new("random", &failed, 5, 0.5)
    }

    #[test]
    fn blocks_do_not_overlap_and_one_without_a_failure_is_longer_than_any() {
        let counted = schedules(&[3, 4, 11, 20], 20);
        assert_eq!(counted.to_first_failure, [Some(3), None, Some(1), Some(5)]);
        assert!((counted.median() - 5.0).abs() < f64::EPSILON);
        assert_eq!(counted.failed, 4);
        let never = schedules(&[3], 20);
        assert!(never.median().is_infinite());
    }

    #[test]
    fn a_race_that_aimed_schedules_never_find_reaches_no_bound() {
        let compare = |random, aimed| RaceComparison {
            name: "x".to_owned(),
            aims: [random, aimed],
            reached: false,
        };
        let found = schedules(&[1, 6, 11, 16], 20);
        let never = schedules(&[], 20);
        assert!(!all_reached(&[compare(found.clone(), never.clone())]));
        assert!(!all_reached(&[compare(found.clone(), found.clone())]));
        let late = schedules(&[3, 8, 13, 18], 20);
        assert!(all_reached(&[compare(late, found.clone())]));
        assert!(all_reached(&[compare(never.clone(), found)]));
        assert!(!EACH.holds(never.share() / never.share()));
    }
}
