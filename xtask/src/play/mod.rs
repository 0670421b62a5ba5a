//! A run of the suite: each play in a guest of its own, some of them side by
//! side, all of it as often as is asked for.

mod guest;
mod machine;
pub mod outcome;
pub mod plan;
mod recorded;
mod scheduled;
mod scripted;
mod typed;
pub mod update;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Result, anyhow};

use crate::lesson::Lesson;
use crate::lesson::verdict::Verdict;
use crate::pipeline::Prepared;
use crate::recording::{Folder, Recording};
use crate::schedule::Seeds;
use crate::session::Session;
use plan::Play;

pub use guest::{Played, Time, judged, lesson, played};
pub use outcome::Outcome;
pub use recorded::Tape;
pub use scheduled::{RaceFindings, Rehearsal, held_up, race_findings, rehearse, seed};
pub use scripted::{saved, transcript};
pub use typed::typed;

/// How plays are played.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// How time passes in the guests.
    pub time: Time,
    /// Where recordings are kept, if [`Time::Recorded`].
    pub record: Option<&'a Folder>,
    /// How often each.
    pub repeat: u32,
    /// With its threads held up as each of these wants it; none: as they run.
    pub seeds: Option<Seeds>,
    /// Tell of each who ran when.
    pub timeline: bool,
    /// Start no guest after a failure.
    pub fail_fast: bool,
    /// Keep in the outcomes what each step printed.
    pub keep_output: bool,
    /// What [`Outcome::kernel_options`] is to be.
    pub kernel_options: &'a str,
}

/// Why a play was not played that came after a failure.
const FAILED_FAST: &str = "not played: an earlier one failed, and --fail-fast was given";

/// Why a play was not played that came after the machine failed.
const MACHINE_FAILED: &str = "not played: the machine failed before it";

/// Which play, with which seed, and for which time, from 1.
type Run = (usize, Option<u32>, u32);

/// What is played one after the other: round by round, and seed by seed. What
/// cannot be played need not be told more than once.
fn runs(plays: &[Play<'_>], manner: Manner<'_>) -> Vec<Run> {
    let seeds: Vec<Option<u32>> = match manner.seeds {
        Some(seeds) => seeds.all().map(Some).collect(),
        None => vec![None],
    };
    let rounds = (1..=manner.repeat).flat_map(|run| seeds.iter().map(move |&seed| (seed, run)));
    rounds
        .enumerate()
        .flat_map(|(round, (seed, run))| {
            (0..plays.len())
                .filter(move |&play| round == 0 || plays[play].lacks().is_none())
                .map(move |play| (play, seed, run))
        })
        .collect()
}

/// Keeps the recording of a play, if it is whole; else says that it is not.
fn keep(
    folder: &Folder,
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    played: &mut Played,
) -> Result<()> {
    let tape = played.tape.take();
    let Played { outcome, run, .. } = played;
    match tape {
        Some(tape) => {
            folder.keep(&Recording::of(prepared, play, outcome, run, tape)?)?;
        }
        None => session.ui.note(format!(
            "{}: no recording, for QEMU had to be killed",
            outcome.label()
        )),
    }
    Ok(())
}

/// Plays `plays`, as many guests side by side as jobs may run: a guest keeps
/// one core busy. `on_played` gets each that was played, as soon as
/// it was, and its lesson.
///
/// The outcomes come in the order of the plays, and of the runs for each. A
/// guest that could not be made is an outcome too
/// ([`Verdict::Infrastructure`]), and no other
/// is started after it.
pub fn all(
    session: &Session,
    prepared: &Prepared,
    plays: &[Play<'_>],
    manner: Manner<'_>,
    on_played: &(dyn Fn(&Lesson, &mut Played) + Sync),
) -> Vec<Outcome> {
    let runs = runs(plays, manner);
    let rehearsals: Vec<OnceLock<Result<Rehearsal, String>>> =
        plays.iter().map(|_| OnceLock::new()).collect();
    let board = session.ui.board("lessons", runs.len() as u64);
    let next = AtomicUsize::new(0);
    let stop: OnceLock<&'static str> = OnceLock::new();
    let ended = Mutex::new(Vec::new());
    let one = |at: usize, seed: Option<u32>, run: Option<u32>| -> Result<Outcome> {
        let play = &plays[at];
        let schedule = match seed {
            Some(seed) => {
                let rehearse = || scheduled::rehearse(session, prepared, play);
                let once = || rehearse().map_err(|error| format!("{error:#}"));
                let rehearsal = rehearsals[at].get_or_init(once).as_ref();
                Some(
                    rehearsal
                        .map_err(|what| anyhow!(what.clone()))?
                        .seeded(seed),
                )
            }
            None => None,
        };
        let steps = &play.lesson.transcript.steps;
        let row = board.guest(&play.name(), steps.len() as u64);
        let mut played = guest::followed(
            session,
            prepared,
            play,
            manner.time,
            guest::Asked {
                schedule: schedule.as_ref(),
                timeline: manner.timeline,
            },
            &mut |number| {
                if let Some(step) = steps.get(number.wrapping_sub(1)) {
                    row.step(number as u64, &step.command);
                }
            },
        )?;
        played.outcome.run = run;
        manner
            .kernel_options
            .clone_into(&mut played.outcome.kernel_options);
        if let Some(folder) = manner.record {
            keep(folder, session, prepared, play, &mut played)?;
        }
        if let Some(timeline) = &mut played.timeline {
            timeline.name = played.outcome.label();
        }
        on_played(play.lesson, &mut played);
        Ok(Outcome {
            seen: manner.keep_output.then_some(played.seen),
            ..played.outcome
        })
    };
    let player = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(at, seed, run)) = runs.get(index) else {
                return;
            };
            let play = &plays[at];
            let one_cpu = manner.time == Time::Recorded;
            let two_cpus = play.lesson.two_cpus.as_ref().filter(|_| one_cpu);
            let reason = play
                .lacks()
                .or_else(|| two_cpus.map(|why| format!("a recorded guest has one CPU: {why}")))
                .or_else(|| stop.get().map(|reason| (*reason).to_owned()));
            let number = (manner.repeat > 1).then_some(run);
            let unplayed = |verdict| Outcome {
                run: number,
                ..Outcome::new(play.lesson, play.language, verdict)
            };
            let outcome = match reason {
                Some(why) => unplayed(Verdict::Skipped { why }),
                None => one(at, seed, number).unwrap_or_else(|error| {
                    // The first reason to stop is the one that is told.
                    let _ = stop.set(MACHINE_FAILED);
                    unplayed(Verdict::Infrastructure {
                        what: format!("{error:#}"),
                    })
                }),
            };
            if outcome.failed() {
                board.failed(&format!("{}: {}", outcome.label(), outcome.verdict.name()));
                if manner.fail_fast {
                    let _ = stop.set(FAILED_FAST);
                }
            }
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push(((at, run, seed), outcome));
            board.position(ended.len() as u64);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..session.jobs.min(runs.len()) {
            scope.spawn(player);
        }
    });
    board.done();
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(place, _)| *place);
    ended.into_iter().map(|(_, outcome)| outcome).collect()
}
