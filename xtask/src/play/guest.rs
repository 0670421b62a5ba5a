//! One lesson in one language, one guest: a script is played in virtual time,
//! or typed in real time, and judged.

use std::time::Instant;

use anyhow::Result;

use crate::initramfs::GuestFile;
use crate::lesson::judge::{self, Evidence};
use crate::lesson::script;
use crate::lesson::state::left_over;
use crate::lesson::timestamp::{REAL_TOLERANCE, Tolerance, VIRTUAL_TOLERANCE};
use crate::lesson::tracing::{self, Tracing};
use crate::lesson::verdict::Verdict;
use crate::modules::{Language, Module};
use crate::pipeline::{self, Prepared};
use crate::schedule::{self, Schedule};
use crate::session::Session;
use crate::symbols::{SourceLocation, Symbols};
use crate::timeline::{Timeline, TimelineInput};
use crate::vm::{Accel, GuestRun, SavedGuest};

use super::outcome::{Outcome, Phases, Scheduled, Seen};
use super::plan::Play;
use super::recorded::{Tape, recorded};
use super::scripted::{Order, Script, scripted};
use super::typed::type_all;

/// How a guest's time passes, and with that how it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// As fast as it can: the guest plays by itself.
    Virtual,
    /// The same, in a guest that boots, has one CPU, and is recorded.
    Recorded,
    /// As on the wall, with this accelerator: the guest is typed at.
    Real(Accel),
}

impl Time {
    /// By how much a stamp in a lesson may be off.
    pub fn tolerance(self) -> Tolerance {
        match self {
            Time::Virtual | Time::Recorded => VIRTUAL_TOLERANCE,
            Time::Real(_) => REAL_TOLERANCE,
        }
    }
}

/// A lesson that was played: what it came to, and what that can be seen by.
#[derive(Debug)]
pub struct Played {
    /// What it came to.
    pub outcome: Outcome,
    /// What the guest left.
    pub run: GuestRun,
    /// What the guest noted of itself.
    pub seen: Seen,
    /// Who ran when, if that was asked for.
    pub timeline: Option<Timeline>,
    /// What it takes to play it again, if it was recorded and the recording is
    /// whole.
    pub tape: Option<Tape>,
}

/// Plays a lesson in a guest of its own, and keeps all that the guest says in
/// the cache's folder `logs`.
pub fn lesson(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
) -> Result<Outcome> {
    let asked = Asked::default();
    followed(session, prepared, play, time, asked, &mut |_| ()).map(|played| played.outcome)
}

/// A schedule of a play.
#[derive(Debug)]
pub(super) struct Seeded<'a> {
    pub seed: u32,
    pub schedule: Schedule,
    /// The guest in which the lesson is about to begin, if one was saved.
    pub guest: Option<&'a SavedGuest>,
}

/// What may be asked of a play in virtual time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// To hold up its threads as a seed's schedule wants it.
    pub schedule: Option<&'a Seeded<'a>>,
    /// To tell who ran when.
    pub timeline: bool,
}

impl Asked<'_> {
    /// What is held up is always traced, so that a seed's run is the same if its
    /// timeline is asked for.
    fn tracing(&self) -> Tracing {
        match (self.timeline, self.schedule) {
            (true, _) => Tracing::Told,
            (false, Some(_)) => Tracing::Recorded,
            (false, None) => Tracing::Off,
        }
    }
}

/// As [`lesson`], with all that the outcome can be seen by.
pub fn played(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
) -> Result<Played> {
    let asked = Asked::default();
    followed(session, prepared, play, time, asked, &mut |_| ())
}

/// As [`played`], with more that is `asked` of it; `on_step` gets the number, from
/// 1, of each step that begins.
pub(super) fn followed(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
    asked: Asked<'_>,
    on_step: &mut dyn FnMut(usize),
) -> Result<Played> {
    let Play { lesson, language } = *play;
    let Asked { schedule, timeline } = asked;
    let mut files = lesson_files(prepared, play)?;
    let order = schedule.map(|seeded| seeded.schedule.command(&lesson.name));
    let mut tape = None;
    let (nonce, mut run) = match time {
        Time::Virtual => {
            let guest = schedule.and_then(|seeded| seeded.guest);
            let script = Script {
                transcript: &lesson.transcript,
                files,
                tracing: asked.tracing(),
                order: order.as_deref().map(|lines| Order { lines, guest }),
            };
            scripted(session, prepared, &script, on_step)?
        }
        Time::Recorded => {
            files.extend(order.as_deref().map(script::order));
            let recorded = recorded(prepared, &lesson.transcript, files, on_step)?;
            tape = recorded.tape;
            (recorded.nonce, recorded.run)
        }
        Time::Real(accel) => {
            let (nonce, typed) = type_all(prepared, &lesson.transcript, files, accel, on_step)?;
            (nonce, typed.run)
        }
    };
    let dump = timeline.then(|| tracing::take_dump(&mut run.log)).flatten();
    let kernel = prepared.kernel.label();
    let log = session
        .cache
        .folder("logs")?
        .join(format!("{}-{language}-{kernel}", lesson.name));
    let mut said = [
        b"== the kernel (ttyS0)\n",
        run.log.as_slice(),
        b"\n== the shell (hvc0)\n",
        run.console.as_slice(),
    ]
    .concat();
    if !run.debug.is_empty() {
        said.extend(b"\n== modules, to the host (debug console)\n");
        said.extend(&run.debug);
    }
    session.cache.write(&log, &said)?;
    session.ui.tool_output(&String::from_utf8_lossy(&said));
    let ended = Instant::now();
    let tolerance = match schedule {
        Some(_) => schedule::tolerance(time.tolerance()),
        None => time.tolerance(),
    };
    let evidence = Evidence::read(&nonce, &run);
    let (verdict, source_locations) = judged(session, prepared, play, tolerance, &evidence, &run);
    let Evidence {
        record,
        log: kernel_log,
    } = evidence;
    let boot = run.boot.unwrap_or(run.wall);
    let outcome = Outcome {
        wall: run.wall,
        guest_seconds: kernel_log.last_time(),
        scheduled: schedule.map(|seeded| Scheduled {
            seed: seeded.seed,
            held_up: seeded.schedule.delays(&run.debug),
            messages: kernel_log.messages().map(str::to_owned).collect(),
        }),
        phases: Some(Phases {
            boot,
            lesson: run.wall.saturating_sub(boot),
            compare: ended.elapsed(),
        }),
        log: Some(log),
        ..Outcome::new(lesson, language, verdict)
    };
    let timeline = timeline.then(|| {
        let steps = lesson.transcript.steps.iter();
        let commands: Vec<&str> = steps.map(|step| step.command.as_str()).collect();
        Timeline::of(&TimelineInput {
            name: &outcome.label(),
            lesson: &lesson.name,
            verdict: &outcome.verdict.to_string(),
            nonce: &nonce,
            commands: &commands,
            trace: record.trace.as_deref(),
            dump: dump.as_deref(),
            injected_delays: outcome
                .scheduled
                .as_ref()
                .map_or(&[], |scheduled| &scheduled.held_up),
            log: &kernel_log,
        })
    });
    let states = record.before.as_ref().zip(record.after.as_ref());
    let seen = Seen {
        left: states.map_or_else(Vec::new, |(before, after)| left_over(before, after)),
        steps: record.steps,
    };
    Ok(Played {
        outcome: Outcome {
            nonce: Some(nonce),
            source_locations,
            ..outcome
        },
        run,
        seen,
        timeline,
        tape,
    })
}

/// The modules of this name and language, of which there is one at the most.
pub(super) fn modules_of<'a>(
    prepared: &'a Prepared,
    name: &'a str,
    language: Language,
) -> impl Iterator<Item = &'a Module> {
    prepared
        .modules
        .iter()
        .filter(move |module| module.name == name && module.language == language)
}

/// The lesson's module, as a file for the guest.
pub(super) fn lesson_files(prepared: &Prepared, play: &Play<'_>) -> Result<Vec<GuestFile>> {
    modules_of(prepared, &play.lesson.name, play.language)
        .map(pipeline::in_guest)
        .collect()
}

/// Judges what became of a guest, and explains the kernel's report, if there is
/// one, from the kernel's and the modules' line tables.
pub fn judged(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    tolerance: Tolerance,
    evidence: &Evidence,
    run: &GuestRun,
) -> (Verdict, Vec<SourceLocation>) {
    let mut verdict = judge::judge(play.lesson, evidence, run, tolerance);
    let source_locations = verdict.report_mut().map(|report| {
        let modules = modules_of(prepared, &play.lesson.name, play.language)
            .map(|module| (&*module.name, &*module.path));
        Symbols::new(&prepared.kernel, modules, session.workspace.modules()).symbolize(report)
    });
    (verdict, source_locations.unwrap_or_default())
}
