//! The comparison of failing with passing schedules, with the places in the sources.

use super::narrow::NarrowedRace;
use super::outcome::Outcome;
use super::scheduled::{main_module, point_location, symbols_of};
use crate::lesson::Origin;
use crate::modules::Language;
use crate::pipeline::Built;
use crate::schedule::findings::{Findings, ScheduleRun, SuspectPoint};
use crate::session::Session;
use crate::symbols::SourceLocation;

/// The differences between failing and passing schedules of one test case, and their places in
/// the sources.
#[derive(Debug, Clone)]
pub struct RaceFindings {
    /// The lesson's name.
    pub lesson: String,
    /// The lesson's origin.
    pub origin: Origin,
    /// The language of its module.
    pub language: Language,
    /// Those of [`Outcome::kernel_options`], and `--run` and `--record`.
    pub kernel_options: String,
    /// The options without which a seed has another meaning, each behind a space.
    pub seed_options: &'static str,
    /// The findings.
    pub findings: Findings,
    /// The source location of each suspect point, if it is in the lesson's own source.
    pub source_locations: Vec<Option<SourceLocation>>,
    /// The narrowed schedule of the first seed that fails, if it was requested.
    pub narrowed: Option<NarrowedRace>,
}

/// Compares the outcomes of several schedules, for each test case by itself. Test cases without
/// a failure or without schedules are left out. `seed_options` are the options without which a
/// seed has another meaning, and `run_options` are `--run` and
/// `--record`, each behind a space.
pub fn race_findings(
    session: &Session,
    built: &Built,
    outcomes: &[Outcome],
    narrowed: &[NarrowedRace],
    seed_options: &'static str,
    run_options: &str,
) -> Vec<RaceFindings> {
    outcomes
        .chunk_by(|a, b| (&a.lesson, a.language) == (&b.lesson, b.language))
        .filter_map(|outcomes| {
            let runs: Vec<ScheduleRun<'_>> = outcomes.iter().filter_map(schedule_run).collect();
            let findings = Findings::of(&runs)?;
            let first = outcomes.first()?;
            let Outcome {
                lesson,
                origin,
                language,
                kernel_options,
                ..
            } = first;
            let mut symbols = symbols_of(session, built, origin, *language);
            let module = main_module(built, origin, *language).ok()?;
            let points = findings.suspects.iter();
            let source_locations = points
                .map(|SuspectPoint { point, .. }| point_location(&mut symbols, &module.name, point))
                .collect();
            Some(RaceFindings {
                lesson: lesson.clone(),
                origin: origin.clone(),
                language: *language,
                kernel_options: format!("{kernel_options}{run_options}"),
                seed_options,
                findings,
                source_locations,
                narrowed: narrowed
                    .iter()
                    .find(|race| (&race.lesson, race.language) == (lesson, *language))
                    .cloned(),
            })
        })
        .collect()
}

fn schedule_run(outcome: &Outcome) -> Option<ScheduleRun<'_>> {
    let scheduled = outcome.scheduled.as_ref()?;
    Some(ScheduleRun {
        seed: outcome.seed()?,
        failed: outcome.failed(),
        delays: &scheduled.report.delays,
        messages: &scheduled.messages,
    })
}
