//! One lesson in one language, one guest: a script is played in virtual time,
//! or typed in real time, and judged.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::initramfs::{GuestFile, Initramfs};
use crate::kernel::Profile;
use crate::key::Inputs;
use crate::lesson::follow::Follower;
use crate::lesson::kernel_log::KernelLog;
use crate::lesson::record;
use crate::lesson::stamp::{REAL_TOLERANCE, Tolerance, VIRTUAL_TOLERANCE};
use crate::lesson::state::left_over;
use crate::lesson::transcript::Transcript;
use crate::lesson::verdict::Verdict;
use crate::lesson::{judge, script};
use crate::pipeline::{self, Prepared};
use crate::session::Session;
use crate::symbols::{Spot, Symbols};
use crate::vm::{self, Accel, Clock, Console, Machine};
use crate::vm::{GuestRun, TypedRun};

use super::outcome::{Outcome, Phases, Seen};
use super::plan::Play;

/// One instruction takes 2^5 ns of the guest's time; 2^3 on a kernel that looks
/// for bugs, which takes four to twenty instructions for one and would else
/// seem too slow for the times that lessons tell.
fn shift(profile: Profile) -> u8 {
    match profile {
        Profile::Teaching => 5,
        Profile::Debug | Profile::Kasan => 3,
    }
}

/// A guest may live this many seconds longer than its lesson: its boot, and its
/// report of a time-out.
const GRACE: u32 = 60;

/// An oops ends the guest, for nothing after it can be trusted; so does a task
/// that has waited for 30 s of the guest's time without a chance to be woken
/// by a signal, and a CPU that is kept from all other tasks for 2 s, or from its
/// interrupts for 3 s: a CPU that only waits (`cpu_relax`) costs QEMU 2 s for
/// each of the guest's.
const KERNEL_WORDS: [&str; 7] = [
    "oops=panic",
    "watchdog_thresh=1",
    "rcupdate.rcu_cpu_stall_timeout=3",
    "sysctl.kernel.panic_on_rcu_stall=1",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

/// The same in real time. A CPU of the guest's that the host lets wait looks
/// busy from within, so the detectors of that keep the patience that they have.
const REAL_KERNEL_WORDS: [&str; 4] = [
    "oops=panic",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

/// How a guest's time passes, and with that how it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// As fast as it can: the guest plays by itself.
    Virtual,
    /// As on the wall, with this accelerator: the guest is typed at.
    Real(Accel),
}

impl Time {
    /// By how much a stamp in a lesson may be off.
    fn tolerance(self) -> Tolerance {
        match self {
            Time::Virtual => VIRTUAL_TOLERANCE,
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
    let (nonce, run) = match time {
        Time::Virtual => scripted(prepared, &lesson.transcript, files, on_step)?,
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

/// Plays a transcript with more `files` in the guest; returns the word that
/// marks its notes, and what became of the guest.
pub fn transcript(
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
) -> Result<(String, GuestRun)> {
    scripted(prepared, transcript, files, &mut |_| ())
}

fn scripted(
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
    on_step: &mut dyn FnMut(usize),
) -> Result<(String, GuestRun)> {
    let nonce = nonce(transcript, &files);
    let mut follower = Follower::new(&nonce);
    let mut heard = |bytes: &[u8]| {
        if let Some(step) = follower.hear(bytes) {
            on_step(step);
        }
    };
    let limit = u32::from(transcript.limit);
    files.extend(script::compile(transcript, &nonce, limit));
    if prepared.kernel.profile.finds_leaks() {
        files.push(script::must_find_leaks());
    }
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let run = vm::run_batch(toolchain, kernel, limit + GRACE, &mut heard, |folder| {
        let clock = Clock::Virtual {
            shift: shift(kernel.profile),
        };
        machine(initramfs, &files, clock, &KERNEL_WORDS, folder)
    })?;
    Ok((nonce, run))
}

/// Types a transcript at a guest in real time, with more `files` in it; the
/// rest is as in [`transcript`].
pub fn typed(
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
    accel: Accel,
) -> Result<(String, TypedRun)> {
    type_all(prepared, transcript, files, accel, &mut |_| ())
}

fn type_all(
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
    accel: Accel,
    on_step: &mut dyn FnMut(usize),
) -> Result<(String, TypedRun)> {
    let nonce = nonce(transcript, &files);
    let mut follower = Follower::new(&nonce);
    let mut heard = |bytes: &[u8]| {
        if let Some(step) = follower.hear(bytes) {
            on_step(step);
        }
    };
    let limit = u32::from(transcript.limit);
    let (script, exchanges) = script::compile_typed(transcript, &nonce, limit);
    files.extend(script);
    if prepared.kernel.profile.finds_leaks() {
        files.push(script::must_find_leaks());
    }
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let talk = vm::Talk {
        exchanges: &exchanges,
        heard: &mut heard,
    };
    let run = vm::run_typed(toolchain, kernel, limit + GRACE, talk, |folder| {
        let clock = Clock::Real(accel);
        machine(initramfs, &files, clock, &REAL_KERNEL_WORDS, folder)
    })?;
    Ok((nonce, run))
}

/// The guest that a transcript is played in, its sockets in `folder`.
fn machine(
    initramfs: &Initramfs,
    files: &[GuestFile],
    clock: Clock,
    kernel_words: &[&str],
    folder: &Path,
) -> Result<Machine> {
    let initrd = folder.join("initrd");
    initramfs.with(files, &initrd)?;
    Ok(Machine {
        clock,
        console: Console::Sockets {
            folder: folder.to_owned(),
        },
        initrd,
        smp: 2,
        memory: 256,
        kernel_words: kernel_words.iter().map(|&word| word.to_owned()).collect(),
        gdb: false,
    })
}

/// A word that nothing in the guest prints by chance, the same for the same
/// lesson: a guest in virtual time then does the same to the byte.
fn nonce(transcript: &Transcript, files: &[GuestFile]) -> String {
    let mut inputs = Inputs::new("nonce 1");
    for step in &transcript.steps {
        inputs.text("step", &step.command);
    }
    for file in files {
        inputs.bytes(&file.path, &file.contents);
    }
    format!("kmodlab-{}", inputs.key())
}
