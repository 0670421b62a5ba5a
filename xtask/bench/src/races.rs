//! The number of runs until a race shows: with aimed delays, with random ones, and without delays in real time.
//!
//! The seeds of a test case are in blocks of equal length that do not overlap. In each block the number of
//! schedules up to the first failure is counted from the block's first seed; a block without a failure
//! counts as longer than any other. A guest is deterministic, so all counts but the CPU time are the same on
//! each host, however busy it is.
//!
//! Plain repetitions have no seed. In virtual time all would be equal, so they run in real time, where they
//! depend on the host and on its load. They are counted in blocks of the same length.

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

/// The name of plain repetitions in real time, beside those of [`AIMS`].
const PLAIN: &str = "plain";

/// The runs of one race in one language with one way of choosing the delays.
#[derive(Debug, Clone, Serialize)]
pub struct RaceRuns {
    /// The word after `--aim`, or `plain` for runs in real time without delays.
    pub aim: &'static str,
    /// The number of runs.
    pub runs: usize,
    /// The number of those that failed.
    pub failed: usize,
    /// The runs up to the first failure in each block; null if the block has none.
    pub to_first_failure: Vec<Option<usize>>,
    /// CPU seconds, user and system, per run, with the share of the baseline run or of the boot.
    pub cpu_seconds: f64,
}

/// One race in one language.
#[derive(Debug, Clone, Serialize)]
pub struct RaceComparison {
    /// The race and its language.
    pub name: String,
    /// Repetitions in real time, without delays; null if none were requested.
    pub plain: Option<RaceRuns>,
    /// The schedules with each aim, in the order of [`AIMS`].
    pub aims: [RaceRuns; 2],
    /// True if the race does not show less often with aimed delays.
    pub reached: bool,
}

impl RaceRuns {
    /// Counts the results of runs, true for a failure, in blocks of this length. They took
    /// `cpu_seconds` together.
    fn new(aim: &'static str, failures: &[bool], block: usize, cpu_seconds: f64) -> Self {
        let first = |block: &[bool]| block.iter().position(|failed| *failed).map(|at| at + 1);
        Self {
            aim,
            runs: failures.len(),
            failed: failures.iter().filter(|failed| **failed).count(),
            to_first_failure: failures.chunks_exact(block).map(first).collect(),
            cpu_seconds: cpu_seconds / number(failures.len()),
        }
    }

    fn share(&self) -> f64 {
        number(self.failed) / number(self.runs)
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
            let test = |more: &[&str]| {
                let args = [&[&*name, "--lang", &language], more].concat();
                measure::test(self.root(), &self.args(&args))
            };
            let schedules = |count| ["--schedules", count, "--no-narrow", "--aim"];
            // Builds the module, and takes the snapshots.
            test(&[&schedules("1")[..], &[AIMS[0]]].concat())?;
            let measured = |aim: &'static str, args: &[&str]| -> Result<RaceRuns> {
                let mut failures = Vec::new();
                let cpu = measure::cpu(|| {
                    let runs = test(args)?.runs;
                    failures.extend(runs.iter().map(|run| run.verdict != "pass"));
                    Ok(())
                })?;
                Ok(RaceRuns::new(aim, &failures, block, cpu))
            };
            let aimed = |aim| measured(aim, &[&schedules(&count)[..], &[aim]].concat());
            let aims = [aimed(AIMS[0])?, aimed(AIMS[1])?];
            let plain = match self.plain_runs {
                0 => None,
                runs => {
                    let args = ["--time", "real", "--repeat", &runs.to_string()];
                    Some(measured(PLAIN, &args)?)
                }
            };
            let name = format!("{name} ({language})");
            xtask::errln!("bench: {name}");
            comparisons.push(RaceComparison {
                name,
                reached: EACH.holds(aims[0].share() / aims[1].share()),
                plain,
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

/// Returns the comparisons as a table for people. The columns of plain repetitions have a dash if there were
/// none.
pub fn table(comparisons: &[RaceComparison]) -> String {
    let row = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>7}")).collect();
        format!("{name:<24}{cells}")
    };
    let kinds = ["plain", "random", "aimed"];
    let heads: Vec<String> = [kinds; 3].concat().into_iter().map(str::to_owned).collect();
    let mut text = format!(
        "{:<24} {:>23} {:>23} {:>23}\n{}\n",
        "runs of races",
        "share that fails",
        "median to first",
        "CPU s to first",
        row("", &heads),
    );
    let show = |median: f64| match median.is_finite() {
        true => median.to_string(),
        false => "never".to_owned(),
    };
    let cpu = |runs: &RaceRuns| match runs.median() {
        count if count.is_finite() => format!("{:.1}", count * runs.cpu_seconds),
        _ => "-".to_owned(),
    };
    for RaceComparison {
        name,
        plain,
        aims: [random, aimed],
        reached,
    } in comparisons
    {
        let kinds = [plain.as_ref(), Some(random), Some(aimed)];
        let group = |cell: &dyn Fn(&RaceRuns) -> String| {
            kinds.map(|runs| runs.map_or_else(|| "-".to_owned(), cell))
        };
        let cells = [
            group(&|runs| format!("{:.3}", runs.share())),
            group(&|runs| show(runs.median())),
            group(&cpu),
        ];
        text += &format!("{}  {}\n", row(name, &cells.concat()), word(*reached));
    }
    let [random, aimed] = medians_of_all(comparisons);
    text += &format!(
        "{:<56} {:>7} {:>7}  aimed / random {ALL} {}\n",
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

    fn schedules(failures: &[usize], count: usize) -> RaceRuns {
        let failed: Vec<bool> = (1..=count).map(|seed| failures.contains(&seed)).collect();
        RaceRuns::new("random", &failed, 5, 10.0)
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
            plain: None,
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

    #[test]
    fn plain_repetitions_have_columns_beside_those_of_the_aims() {
        let found = schedules(&[2, 6, 11, 16], 20);
        let table = table(&[RaceComparison {
            name: "x (c)".to_owned(),
            plain: Some(schedules(&[], 20)),
            aims: [found.clone(), found],
            reached: true,
        }]);
        let row = table.lines().find(|line| line.starts_with("x (c)"));
        let cells: Vec<&str> = row.unwrap_or_default().split_whitespace().skip(2).collect();
        let expected = "0.000 0.200 0.200 never 1 1 - 0.5 0.5 reached";
        assert_eq!(cells.join(" "), expected, "{table}");
    }
}
