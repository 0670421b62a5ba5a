//! One lesson in one language, one guest: a script is played in virtual time,
//! and judged.

use std::path::Path;

use anyhow::Result;

use crate::initramfs::GuestFile;
use crate::key::Inputs;
use crate::lesson::transcript::Transcript;
use crate::lesson::{Lesson, judge, script};
use crate::modules::Language;
use crate::pipeline::{self, Prepared};
use crate::report::Outcome;
use crate::session::Session;
use crate::vm::{
    self, Clock, Console, DidNotGoOn, GuestRun, LessonDevice, Machine, SavedGuest, Start,
};

/// One instruction takes 2^5 ns of the guest's time.
const SHIFT: u8 = 5;

/// A lesson may take so many seconds on the guest's clock.
const LIMIT: u32 = 120;

/// A guest may live this much longer: its boot, and its report of a time-out.
const GRACE: u32 = 60;

/// An oops ends the guest, for nothing after it can be trusted; so does a task
/// that has waited for 30 s of the guest's time without a chance to be woken
/// by a signal, and a CPU that is kept from all other tasks for 20 s.
const KERNEL_WORDS: [&str; 4] = [
    "oops=panic",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

/// Plays a lesson in a guest of its own, and keeps all that the guest says in
/// the cache's folder `logs`.
pub fn lesson(
    session: &Session,
    prepared: &Prepared,
    lesson: &Lesson,
    language: Language,
) -> Result<Outcome> {
    let mut files = Vec::new();
    for module in prepared
        .modules
        .iter()
        .filter(|module| module.name == lesson.name && module.language == language)
    {
        files.push(pipeline::in_guest(module)?);
    }
    let (nonce, run) = transcript(session, prepared, &lesson.transcript, files)?;
    let kernel = &prepared.kernel.version;
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
    let verdict = judge::judge(lesson, &nonce, &run);
    Ok(Outcome::played(lesson, language, verdict, &run, log))
}

/// Plays a transcript with more `files` in the guest; returns the word that
/// marks its notes, and what became of the guest.
pub fn transcript(
    session: &Session,
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
) -> Result<(String, GuestRun)> {
    let nonce = nonce(transcript, &files);
    files.extend(script::compile(transcript, &nonce, LIMIT));
    if let Some(saved) = &prepared.saved {
        match from_saved(prepared, saved, &nonce, &files) {
            Ok(Some(run)) => return Ok((nonce, run)),
            Ok(None) => {}
            Err(error) if error.is::<DidNotGoOn>() => saved.give_up(&session.ui, &error),
            Err(error) => return Err(error),
        }
    }
    Ok((nonce, from_boot(prepared, &files)?))
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
    let machine = machine(&initramfs.path, Console::Output, Start::Boot);
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
    prepared: &Prepared,
    saved: &SavedGuest,
    nonce: &str,
    files: &[GuestFile],
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
    let mut run = vm::run_batch(toolchain, kernel, LIMIT + GRACE, |folder, console| {
        let start = Start::GoOn {
            from: saved.clone(),
            lesson: LessonDevice::holding(folder, &archive)?,
        };
        Ok(machine(&prepared.initramfs.path, console, start))
    })?;
    run.log.splice(0..0, saved.log()?);
    run.console
        .splice(0..0, script::noted_before(nonce, &saved.console()?));
    Ok(Some(run))
}

/// Plays in a guest that boots, with the `files` in its initramfs.
fn from_boot(prepared: &Prepared, files: &[GuestFile]) -> Result<GuestRun> {
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    vm::run_batch(toolchain, kernel, LIMIT + GRACE, |folder, console| {
        let initrd = folder.join("initrd");
        initramfs.with(files, &initrd)?;
        Ok(machine(&initrd, console, Start::Boot))
    })
}

/// The guest that lessons are played in.
fn machine(initrd: &Path, console: Console, start: Start) -> Machine {
    Machine {
        clock: Clock::Virtual { shift: SHIFT },
        console,
        start,
        initrd: initrd.to_owned(),
        smp: 2,
        memory: 256,
        kernel_words: KERNEL_WORDS.map(str::to_owned).to_vec(),
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
