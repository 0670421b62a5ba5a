//! `--at-failure`: runs test cases, and returns the commands of the one that failed for a person to go on with.

use anyhow::{Result, bail, ensure};

use super::divided::DividedCommands;
use super::test::complete;
use crate::failure::{Failure, Fault};
use crate::kernel::Configuration;
use crate::kernel::source::SourceRequest;
use crate::lesson::Lesson;
use crate::lesson::verdict::Verdict;
use crate::modules::Language;
use crate::pipeline::Built;
use crate::run::plan::{PlannedCase, TestCase};
use crate::run::{GuestKind, GuestSettings, Outcome, Prepared, SuiteNeeds, SuiteSettings};
use crate::session::Session;

/// The kernel and the guest in which the test cases run.
#[derive(Debug, Clone, Copy)]
pub struct TestedGuest<'a> {
    /// The kernel.
    pub source: &'a SourceRequest,
    /// Its configuration.
    pub configuration: &'a Configuration,
    /// The hardware and kernel parameters.
    pub settings: &'a GuestSettings,
}

/// Builds the lessons in `language`, runs them in virtual time, and returns what was built, and the commands of the
/// first that fails, of which those before the failure are typed. If all pass, all commands of the first but the last
/// are typed.
///
/// # Errors
///
/// Fails with a usage error if there is no lesson, with the lesson's fault if a module cannot be
/// built, and if a guest cannot be run.
pub fn run(
    session: &Session,
    guest: TestedGuest<'_>,
    lessons: &[Lesson],
    language: Language,
) -> Result<(Built, DividedCommands)> {
    ensure!(
        !lessons.is_empty(),
        Failure::usage("--at-failure: give a lesson, or the folder of a module")
    );
    let planned = planned(lessons, language);
    let needs = SuiteNeeds {
        source: guest.source,
        configuration: guest.configuration,
        settings: guest.settings,
        cases: &planned,
        schedules: false,
        guests: GuestKind::Resumed,
    };
    let prepared = Prepared::new(session, needs)?;
    prepared.built.all_modules()?;
    // The steps of a project without a text have the names of its modules.
    let lessons = lessons.iter();
    let lessons: Vec<Lesson> = lessons
        .map(|lesson| complete(lesson, &prepared.built))
        .collect();
    let planned = self::planned(&lessons, language);
    let settings = SuiteSettings::new(prepared.mode);
    let run = prepared.runner(session).suite(&planned, settings, &[]);
    let failed = |outcome: &&Outcome| outcome.verdict != Verdict::Pass;
    let Some((index, outcome)) = run.outcomes.iter().enumerate().find(|(_, own)| failed(own))
    else {
        let passes = match lessons.len() {
            1 => format!("{} passes", planned[0].name()),
            _ => format!("all test cases pass, {} too", planned[0].name()),
        };
        session
            .ui
            .note(format!("{passes}: all its commands but the last are typed"));
        let typed = typed(&lessons[0], None);
        return Ok((prepared.built, typed));
    };
    if let Verdict::Infrastructure { what } = &outcome.verdict {
        bail!(Failure::of(Fault::Host, what.clone()));
    }
    session
        .ui
        .note(format!("{}: {}", outcome.name(), outcome.verdict));
    let commands = lessons[index].transcript.steps.len();
    let location = outcome.verdict.location();
    let next = location.map_or(commands, |location| location.before.len());
    let typed = typed(&lessons[index], Some(next));
    Ok((prepared.built, typed))
}

fn typed(lesson: &Lesson, next: Option<usize>) -> DividedCommands {
    let steps = lesson.transcript.steps.iter();
    DividedCommands::before(steps.map(|step| step.command.clone()), next)
}

fn planned(lessons: &[Lesson], language: Language) -> Vec<PlannedCase<'_>> {
    let lessons = lessons.iter();
    lessons
        .map(|lesson| PlannedCase::Read(TestCase { lesson, language }))
        .collect()
}
