//! A lesson whose threads are held up: what its guest is given for that.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::initramfs::GuestFile;
use crate::lesson::Lesson;
use crate::modules::Language;
use crate::pipeline::Prepared;
use crate::schedule::findings::{Findings, Run, Telling};
use crate::schedule::{self, Line, MOST_PLACES, Place, Schedule};
use crate::session::Session;
use crate::symbols::{Spot, Symbols};
use crate::vm::GuestRun;

use super::guest::{lesson_files, modules_of};
use super::outcome::Outcome;
use super::plan::Play;
use super::scripted::scripted;

/// The files that a guest needs to hold up the lesson's threads.
pub(super) fn files(
    prepared: &Prepared,
    lesson: &Lesson,
    schedule: &Schedule,
) -> Result<Vec<GuestFile>> {
    let module = modules_of(prepared, schedule::MODULE, Language::Rust).next();
    let module = module.context("the module that holds up others was not built")?;
    let perturb = std::fs::read(&module.stripped)
        .with_context(|| format!("cannot read {}", module.stripped.display()))?;
    Ok(schedule.files(&lesson.name, perturb))
}

/// The lines of the lesson's module that its lesson comes by, with their places: it
/// is played for that, and nobody is held up. That there are none is an error.
pub fn lines(session: &Session, prepared: &Prepared, play: &Play<'_>) -> Result<Vec<Line>> {
    let Play { lesson, language } = *play;
    let module = modules_of(prepared, &lesson.name, language).next();
    let module = module.context("the lesson's module was not built")?;
    let mut met = Vec::new();
    for some in schedule::places(&module.path)?.chunks(MOST_PLACES) {
        let survey = Schedule::survey(some);
        let mut files = lesson_files(prepared, play)?;
        files.extend(self::files(prepared, lesson, &survey)?);
        let (_, run) = scripted(session, prepared, &lesson.transcript, files, &mut |_| ())?;
        met.extend(survey.met(&run.debug));
    }
    // Else every schedule would do nothing, and pass.
    ensure!(
        !met.is_empty(),
        "there is nothing to hold up: no place in {}'s module was met when the lesson was played",
        play.name()
    );
    let mut symbols = symbols(session, prepared, &lesson.name, language);
    let mut lines: BTreeMap<_, Vec<Place>> = BTreeMap::new();
    for place in met {
        let spot = symbols.spot_of(&lesson.name, &place.function, place.offset);
        let line = match spot {
            Some(spot) => (spot.file, spot.line),
            None => (place.function.clone(), 0),
        };
        lines.entry(line).or_default().push(place);
    }
    let line = |places| Line { places };
    Ok(lines.into_values().map(line).collect())
}

fn symbols<'a>(
    session: &Session,
    prepared: &'a Prepared,
    lesson: &'a str,
    language: Language,
) -> Symbols<'a> {
    let modules = modules_of(prepared, lesson, language);
    let paths = modules.map(|module| (&*module.name, &*module.path));
    Symbols::new(&prepared.kernel, paths, session.workspace.modules())
}

/// Plays a lesson as `seed` wants it, whose module has these lines.
pub fn seed(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    seed: u32,
    lines: &[Line],
) -> Result<GuestRun> {
    let mut files = lesson_files(prepared, play)?;
    files.extend(self::files(
        prepared,
        play.lesson,
        &Schedule::new(seed, lines),
    )?);
    let transcript = &play.lesson.transcript;
    let (_, run) = scripted(session, prepared, transcript, files, &mut |_| ())?;
    Ok(run)
}

/// What tells those runs of a play that fail from those that pass, and where that
/// is in its sources.
#[derive(Debug, Clone)]
pub struct Found {
    /// The lesson's name.
    pub lesson: String,
    /// What its module is written in.
    pub language: Language,
    /// What is known.
    pub findings: Findings,
    /// The source's line of each of the findings' places, where it is ours.
    pub spots: Vec<Option<Spot>>,
}

/// Looks for it in the outcomes of several schedules, of each play by itself;
/// plays of which none has failed, or that had no schedules, are not there.
pub fn found(session: &Session, prepared: &Prepared, outcomes: &[Outcome]) -> Vec<Found> {
    outcomes
        .chunk_by(|a, b| (&a.lesson, a.language) == (&b.lesson, b.language))
        .filter_map(|outcomes| {
            let runs: Vec<Run<'_>> = outcomes.iter().filter_map(run).collect();
            let findings = Findings::of(&runs)?;
            let Outcome {
                lesson, language, ..
            } = &outcomes[0];
            let mut symbols = symbols(session, prepared, lesson, *language);
            let places = findings.places.iter();
            let spots = places
                .map(|Telling { place, .. }| symbols.spot_of(lesson, &place.function, place.offset))
                .collect();
            Some(Found {
                lesson: lesson.clone(),
                language: *language,
                findings,
                spots,
            })
        })
        .collect()
}

fn run(outcome: &Outcome) -> Option<Run<'_>> {
    let scheduled = outcome.scheduled.as_ref()?;
    Some(Run {
        seed: scheduled.seed,
        failed: outcome.failed(),
        held_up: &scheduled.held_up,
        messages: &scheduled.messages,
    })
}
