//! Test cases of which all schedules passed, and the races that these may have missed.

use std::collections::BTreeSet;

use super::outcome::Outcome;
use super::plan::PlannedCase;
use super::suite::SuiteRun;
use crate::modules::Language;
use crate::schedule::miss::{RaceProbability, missed};
use crate::schedule::{Aim, SeededSchedule};

/// A test case of which all schedules passed.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanSchedules {
    /// The lesson's name.
    pub lesson: String,
    /// The language of its module.
    pub language: Language,
    /// Number of its schedules.
    pub schedules: u32,
    /// Number of those that are random.
    pub random: u32,
    /// The probability that one random schedule shows a race; `None` if no bound is known: no line is the
    /// lesson's own, or a loop may use up the time for delays.
    pub probability: Option<RaceProbability>,
    /// The lesson's own functions that no task reaches, so no schedule delays one there.
    pub unreached: Vec<String>,
}

impl CleanSchedules {
    /// Returns the maximum probability with which the random schedules miss a race that one delay shows;
    /// `None` if no bound is known.
    pub fn missed_with_one_delay(&self) -> Option<f64> {
        Some(missed(self.probability?.one_delay, self.random))
    }

    /// Returns the same for a race that two delays show, at two lines; `None` if there is only one line, or no
    /// bound is known.
    pub fn missed_with_two_delays(&self) -> Option<f64> {
        Some(missed(self.probability?.two_delays?, self.random))
    }
}

/// Returns the test cases of which all seeds passed, and random ones are among these.
pub fn clean_schedules(cases: &[PlannedCase<'_>], run: &SuiteRun, aim: Aim) -> Vec<CleanSchedules> {
    let pairs = cases.iter().zip(&run.schedules);
    pairs
        .filter_map(|(case, schedules)| {
            let baseline = schedules.as_ref()?.baseline()?;
            let is_of_case = |outcome: &&Outcome| {
                (&*outcome.lesson, outcome.language) == (case.lesson_name(), case.language())
            };
            let mut outcomes = run.outcomes.iter().filter(is_of_case);
            if !outcomes.clone().all(|outcome| outcome.verdict.passed()) {
                return None;
            }
            let seeds: BTreeSet<u32> = outcomes.by_ref().filter_map(Outcome::seed).collect();
            let is_random = |seed: &&u32| SeededSchedule::is_random(**seed, baseline, aim);
            let random = seeds.iter().filter(is_random).count();
            let probability = RaceProbability::of(baseline).filter(|it| it.one_delay > 0.0);
            let unreached = baseline.unreached.iter();
            let name = |symbol: &String| format!("{:#}", rustc_demangle::demangle(symbol));
            (random > 0).then(|| CleanSchedules {
                lesson: case.lesson_name().to_owned(),
                language: case.language(),
                schedules: u32::try_from(seeds.len()).unwrap_or(u32::MAX),
                random: u32::try_from(random).unwrap_or(u32::MAX),
                probability,
                unreached: unreached.map(name).collect(),
            })
        })
        .collect()
}
