//! A lesson whose threads are held up: what its guest is given for that.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Context as _, Result, ensure};

use crate::initramfs::Initramfs;
use crate::lesson::tracing::Tracing;
use crate::modules::Language;
use crate::pipeline::Prepared;
use crate::schedule::findings::{Findings, ScheduleRun, SuspectPoint};
use crate::schedule::{self, Baseline, ProbeLine, ProbePoint, Schedule};
use crate::session::Session;
use crate::symbols::{SourceLocation, Symbols};
use crate::vm::{GuestRun, SavedGuest};

use super::guest::{Asked, Seeded, Time, followed, lesson_files, modules_of};
use super::outcome::Outcome;
use super::plan::Play;
use super::scripted::{Order, Script, saved_with, scripted};

/// The same with guests in which the module waits that holds up others' threads,
/// and which is one of the modules that were built.
pub fn held_up(session: &Session, prepared: &Prepared) -> Result<Prepared> {
    let module = modules_of(prepared, schedule::MODULE, Language::Rust).next();
    let module = module.context("the module that holds up others was not built")?;
    let contents = std::fs::read(&module.stripped)
        .with_context(|| format!("cannot read {}", module.stripped.display()))?;
    let more = [schedule::module_file(contents)];
    Ok(Prepared {
        initramfs: Initramfs::pack(session, &prepared.toolchain, &more)?,
        held_up: true,
        saved: None,
        ..prepared.clone()
    })
}

/// Stands for all lines that are not the lesson's: of what Rust's library and the
/// kernel's headers bring into a module there is more than of its own.
const NOT_OURS: (String, u32) = (String::new(), 0);

/// What many schedules of one play have in common.
#[derive(Debug)]
pub struct Rehearsal {
    /// The guest in which the lesson is about to begin, if one was saved.
    guest: Option<SavedGuest>,
    /// Where the lesson's tasks come by in its module.
    baseline: Baseline,
}

impl Rehearsal {
    /// What a seed does to the play.
    pub(super) fn seeded(&self, seed: u32) -> Seeded<'_> {
        Seeded {
            seed,
            schedule: Schedule::new(seed, &self.baseline),
            guest: self.guest.as_ref(),
        }
    }
}

/// Makes ready what all schedules of a play need, in guests that [`held_up`] has
/// prepared: one is saved in which the lesson is about to begin, and the lesson is
/// played in it, and nobody is held up.
pub fn rehearse(session: &Session, prepared: &Prepared, play: &Play<'_>) -> Result<Rehearsal> {
    let name = format!("{}-{}", play.lesson.name, play.language);
    let guest = saved_with(session, prepared, &name, &script(prepared, play, None)?);
    let baseline = baseline(session, prepared, play, guest.as_ref())?;
    Ok(Rehearsal { guest, baseline })
}

/// What a guest plays whose threads are held up by this order. It is always traced, so
/// that all guests of a lesson are the same, and a seed's run too if its timeline is
/// asked for.
fn script<'a>(
    prepared: &Prepared,
    play: &Play<'a>,
    order: Option<Order<'a>>,
) -> Result<Script<'a>> {
    Ok(Script {
        transcript: &play.lesson.transcript,
        files: lesson_files(prepared, play)?,
        tracing: Tracing::Recorded,
        order,
    })
}

/// Where the lesson's tasks come by in its module. That they come nowhere is an error.
///
/// A line that this one run did not come to is there too if its function was met,
/// for another run may: where a condition holds in one and not in the other, there
/// may be a race. Of a line that it did come to, there are only the places that it
/// met.
fn baseline(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    guest: Option<&SavedGuest>,
) -> Result<Baseline> {
    let Play { lesson, language } = *play;
    let module = modules_of(prepared, &lesson.name, language).next();
    let module = module.context("the lesson's module was not built")?;
    let places = schedule::probe_points(&module.path)?;
    let mut met = Vec::new();
    for some in schedule::chunks(&places) {
        let all = Schedule::baseline(some);
        let lines = &all.command(&lesson.name);
        let script = script(prepared, play, Some(Order { lines, guest }))?;
        let (_, run) = scripted(session, prepared, &script, &mut |_| ())?;
        met.extend(all.reached(&run.debug));
    }
    // Else every schedule would do nothing, and pass.
    ensure!(
        !met.is_empty(),
        "there is nothing to hold up: no place in {}'s module was met when the lesson was played",
        play.name()
    );
    let mut symbols = symbols(session, prepared, &lesson.name, language);
    let mut line_of = |place: &ProbePoint| {
        let location = symbols.source_location(&lesson.name, &place.function, place.offset);
        location.map_or(NOT_OURS, |location| (location.file, location.line))
    };
    // A module with many places is played several times for them, and then a start
    // is the first place that the first of these runs knows of.
    let mut starts: BTreeMap<&str, &ProbePoint> = BTreeMap::new();
    let mut tasks: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut lines: BTreeMap<_, ProbeLine> = BTreeMap::new();
    let mut here = HashSet::new();
    for (place, task) in &met {
        starts.entry(task).or_insert(place);
        let of_function = tasks.entry(&place.function).or_default();
        of_function.insert(task.clone());
        let key = (line_of(place), "");
        here.insert((key.0.clone(), &*place.function));
        let line: &mut ProbeLine = lines.entry(key).or_default();
        line.points.push(place.clone());
        line.tasks.insert(task.clone());
    }
    for place in &places {
        // An inlined function's line is in several functions.
        let key = (line_of(place), &*place.function);
        if let Some(tasks) = tasks.get(key.1)
            && key.0 != NOT_OURS
            && !here.contains(&key)
        {
            let line = lines.entry(key).or_default();
            line.points.push(place.clone());
            line.tasks.extend(tasks.iter().cloned());
        }
    }
    let mut lines: Vec<ProbeLine> = lines.into_values().collect();
    for line in &mut lines {
        line.points.sort_by_key(ProbePoint::address);
    }
    Ok(Baseline {
        starts: starts.into_values().cloned().collect(),
        lines,
    })
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

/// Plays a lesson as `seed` wants it.
pub fn seed(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    seed: u32,
    rehearsal: &Rehearsal,
) -> Result<GuestRun> {
    let asked = Asked {
        schedule: Some(&rehearsal.seeded(seed)),
        timeline: false,
    };
    let played = followed(session, prepared, play, Time::Virtual, asked, &mut |_| ())?;
    Ok(played.run)
}

/// What tells those runs of a play that fail from those that pass, and where that
/// is in its sources.
#[derive(Debug, Clone)]
pub struct RaceFindings {
    /// The lesson's name.
    pub lesson: String,
    /// What its module is written in.
    pub language: Language,
    /// As in [`Outcome::kernel_options`].
    pub kernel_options: String,
    /// What is known.
    pub findings: Findings,
    /// The source's line of each of the findings' places, where it is ours.
    pub source_locations: Vec<Option<SourceLocation>>,
}

/// Looks for it in the outcomes of several schedules, of each play by itself;
/// plays of which none has failed, or that had no schedules, are not there.
pub fn race_findings(
    session: &Session,
    prepared: &Prepared,
    outcomes: &[Outcome],
) -> Vec<RaceFindings> {
    outcomes
        .chunk_by(|a, b| (&a.lesson, a.language) == (&b.lesson, b.language))
        .filter_map(|outcomes| {
            let runs: Vec<ScheduleRun<'_>> = outcomes.iter().filter_map(run).collect();
            let findings = Findings::of(&runs)?;
            // One that was not played does not know the options.
            let played = outcomes
                .iter()
                .find(|outcome| outcome.scheduled.is_some())?;
            let Outcome {
                lesson,
                language,
                kernel_options,
                ..
            } = played;
            let mut symbols = symbols(session, prepared, lesson, *language);
            let places = findings.suspects.iter();
            let source_locations = places
                .map(|SuspectPoint { point, .. }| {
                    symbols.source_location(lesson, &point.function, point.offset)
                })
                .collect();
            Some(RaceFindings {
                lesson: lesson.clone(),
                language: *language,
                kernel_options: kernel_options.clone(),
                findings,
                source_locations,
            })
        })
        .collect()
}

fn run(outcome: &Outcome) -> Option<ScheduleRun<'_>> {
    let scheduled = outcome.scheduled.as_ref()?;
    Some(ScheduleRun {
        seed: scheduled.seed,
        failed: outcome.failed(),
        delays: &scheduled.held_up,
        messages: &scheduled.messages,
    })
}
