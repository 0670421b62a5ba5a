//! One lesson in one language, one guest: a script is played in virtual time,
//! or typed in real time, and judged.

use std::time::Instant;

use anyhow::Result;

use crate::lesson::judge;
use crate::lesson::kernel_log::KernelLog;
use crate::lesson::record;
use crate::lesson::stamp::{REAL_TOLERANCE, Tolerance, VIRTUAL_TOLERANCE};
use crate::lesson::state::left_over;
use crate::lesson::verdict::Verdict;
use crate::pipeline::{self, Prepared};
use crate::session::Session;
use crate::symbols::{Spot, Symbols};
use crate::vm::{Accel, GuestRun};

use super::outcome::{Outcome, Phases, Seen};
use super::plan::Play;
use super::recorded::{Tape, recorded};
use super::scripted::scripted;
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
    fn tolerance(self) -> Tolerance {
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
    followed(session, prepared, play, time, &mut |_| ()).map(|played| played.outcome)
}

/// As [`lesson`], with all that the outcome can be seen by.
pub fn played(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
) -> Result<Played> {
    followed(session, prepared, play, time, &mut |_| ())
}

/// As [`lesson`]; `on_step` gets the number, from 1, of each step that begins.
pub(super) fn followed(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
    on_step: &mut dyn FnMut(usize),
) -> Result<Played> {
    let Play { lesson, language } = *play;
    let mut files = Vec::new();
    for module in prepared
        .modules
        .iter()
        .filter(|module| module.name == lesson.name && module.language == language)
    {
        files.push(pipeline::in_guest(module)?);
    }
    let mut tape = None;
    let (nonce, run) = match time {
        Time::Recorded => {
            let recorded = recorded(prepared, &lesson.transcript, files, on_step)?;
            tape = recorded.tape;
            (recorded.nonce, recorded.run)
        }
        Time::Virtual => scripted(session, prepared, &lesson.transcript, files, on_step)?,
        Time::Real(accel) => {
            let (nonce, typed) = type_all(prepared, &lesson.transcript, files, accel, on_step)?;
            (nonce, typed.run)
        }
    };
    let kernel = prepared.kernel.label();
    let log = session
        .cache
        .folder("logs")?
        .join(format!("{}-{language}-{kernel}", lesson.name));
    let said = [
        b"== the kernel (ttyS0)\n",
        run.log.as_slice(),
        b"\n== the shell (hvc0)\n",
        run.console.as_slice(),
    ]
    .concat();
    session.cache.write(&log, &said)?;
    session.ui.tool_output(&String::from_utf8_lossy(&said));
    let ended = Instant::now();
    let (verdict, spots) = judged(session, prepared, play, time, &nonce, &run);
    let boot = run.boot.unwrap_or(run.wall);
    let outcome = Outcome {
        wall: run.wall,
        guest_seconds: KernelLog::read("", &run.log).last_time(),
        phases: Some(Phases {
            boot,
            lesson: run.wall.saturating_sub(boot),
            compare: ended.elapsed(),
        }),
        log: Some(log),
        ..Outcome::new(lesson, language, verdict)
    };
    let record = record::read(&nonce, &run.console);
    let states = record.before.as_ref().zip(record.after.as_ref());
    let seen = Seen {
        left: states.map_or_else(Vec::new, |(before, after)| left_over(before, after)),
        steps: record.steps,
    };
    Ok(Played {
        outcome: Outcome {
            nonce: Some(nonce),
            spots,
            ..outcome
        },
        run,
        seen,
        tape,
    })
}

/// Judges what became of a guest, and explains the kernel's report, if there is
/// one, from the kernel's and the modules' line tables.
pub fn judged(
    session: &Session,
    prepared: &Prepared,
    play: &Play<'_>,
    time: Time,
    nonce: &str,
    run: &GuestRun,
) -> (Verdict, Vec<Spot>) {
    let mut verdict = judge::judge(play.lesson, nonce, run, time.tolerance());
    let spots = verdict.report_mut().map(|report| {
        let modules = prepared
            .modules
            .iter()
            .filter(|module| module.name == play.lesson.name && module.language == play.language)
            .map(|module| (&*module.name, &*module.path));
        Symbols::new(&prepared.kernel, modules, session.workspace.modules()).explain(report)
    });
    (verdict, spots.unwrap_or_default())
}
