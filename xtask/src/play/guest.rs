//! One lesson in one language, one guest: a script is played in virtual time,
//! or typed in real time, and judged.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use crate::initramfs::GuestFile;
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
use crate::vm::{
    self, Accel, Clock, Console, DidNotGoOn, GuestRun, LessonDevice, Machine, SavedGuest, Start,
    TypedRun,
};

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
/// interrupts for 6 s: a CPU that only waits (`cpu_relax`) costs QEMU 2 s for
/// each of the guest's.
const KERNEL_WORDS: [&str; 7] = [
    "oops=panic",
    "watchdog_thresh=1",
    "rcupdate.rcu_cpu_stall_timeout=6",
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
    session: &Session,
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
) -> Result<(String, GuestRun)> {
    scripted(session, prepared, transcript, files, &mut |_| ())
}

fn scripted(
    session: &Session,
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
    let limit = limit + GRACE;
    if let Some(saved) = &prepared.saved {
        match from_saved(session, prepared, saved, &nonce, limit, &files, &mut heard) {
            Ok(Some(run)) => return Ok((nonce, run)),
            Ok(None) => {}
            Err(error) if error.is::<DidNotGoOn>() => saved.give_up(&session.ui, &error),
            Err(error) => return Err(error),
        }
    }
    let run = from_boot(prepared, limit, &files, &mut heard)?;
    Ok((nonce, run))
}

/// Boots one guest, and keeps it for every lesson to start from, unless the
/// cache has it. Where that cannot be, it says why and returns `None`: every
/// lesson boots a guest of its own then.
pub fn saved(session: &Session, prepared: &Prepared) -> Option<SavedGuest> {
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let machine = scripted_machine(prepared, &initramfs.path, Console::Output, Start::Boot);
    SavedGuest::keep(session, toolchain, kernel, &machine)
        .inspect_err(|error| {
            crate::process::park_if_interrupted();
            session.ui.note(format!(
                "every lesson boots its own guest, for none could be saved: {error:#}"
            ));
        })
        .ok()
}

/// Plays in a guest that goes on from the saved one; `None` if the `files` have
/// no room in the device that would bring them. What the guest had said before
/// it was saved comes first, as if it had booted for this lesson.
fn from_saved(
    session: &Session,
    prepared: &Prepared,
    saved: &SavedGuest,
    nonce: &str,
    limit: u32,
    files: &[GuestFile],
    heard: &mut dyn FnMut(&[u8]),
) -> Result<Option<GuestRun>> {
    let Prepared {
        toolchain, kernel, ..
    } = prepared;
    if !saved.is_good() {
        return Ok(None);
    }
    let Some(archive) = vm::packed(files)? else {
        return Ok(None);
    };
    // Before the guest runs: it may be given up, and removed, by another's.
    let (log, console) = match saved.log().and_then(|log| Ok((log, saved.console()?))) {
        Ok(said) => said,
        Err(error) => {
            saved.give_up(&session.ui, &error);
            return Ok(None);
        }
    };
    let mut run = vm::run_batch(toolchain, kernel, limit, heard, |folder, console| {
        let start = Start::GoOn {
            from: saved.clone(),
            lesson: LessonDevice::holding(folder, &archive)?,
        };
        Ok(scripted_machine(
            prepared,
            &prepared.initramfs.path,
            console,
            start,
        ))
    })?;
    run.log.splice(0..0, log);
    run.console
        .splice(0..0, script::noted_before(nonce, &console));
    Ok(Some(run))
}

/// Plays in a guest that boots, with the `files` in its initramfs.
fn from_boot(
    prepared: &Prepared,
    limit: u32,
    files: &[GuestFile],
    heard: &mut dyn FnMut(&[u8]),
) -> Result<GuestRun> {
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    vm::run_batch(toolchain, kernel, limit, heard, |folder, console| {
        let initrd = folder.join("initrd");
        initramfs.with(files, &initrd)?;
        Ok(scripted_machine(prepared, &initrd, console, Start::Boot))
    })
}

/// The guest that plays by itself.
fn scripted_machine(prepared: &Prepared, initrd: &Path, console: Console, start: Start) -> Machine {
    let clock = Clock::Virtual {
        shift: shift(prepared.kernel.profile),
    };
    Machine {
        console,
        start,
        ..machine(initrd.to_owned(), clock, &KERNEL_WORDS)
    }
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
        let initrd = folder.join("initrd");
        initramfs.with(&files, &initrd)?;
        Ok(Machine {
            console: Console::Sockets {
                folder: folder.to_owned(),
            },
            ..machine(initrd, Clock::Real(accel), &REAL_KERNEL_WORDS)
        })
    })?;
    Ok((nonce, run))
}

/// A guest for lessons, without channels yet.
fn machine(initrd: PathBuf, clock: Clock, kernel_words: &[&str]) -> Machine {
    Machine {
        clock,
        console: Console::Output,
        start: Start::Boot,
        initrd,
        smp: 2,
        memory: 256,
        kernel_words: kernel_words.iter().map(|&word| word.to_owned()).collect(),
        gdb: false,
    }
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
