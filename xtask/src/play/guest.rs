//! One lesson in one language, one guest: a script is played in virtual time,
//! and judged.

use anyhow::Result;

use crate::initramfs::GuestFile;
use crate::kernel::Profile;
use crate::key::Inputs;
use crate::lesson::transcript::Transcript;
use crate::lesson::{Lesson, judge, script};
use crate::modules::Language;
use crate::pipeline::{self, Prepared};
use crate::report::Outcome;
use crate::session::Session;
use crate::vm::GuestRun;
use crate::vm::{self, Clock, Console, Machine};

/// One instruction takes 2^5 ns of the guest's time; 2^3 on a kernel that looks
/// for bugs, which takes four to twenty instructions for one and would else
/// seem too slow for the times that lessons tell.
fn shift(profile: Profile) -> u8 {
    match profile {
        Profile::Teaching => 5,
        Profile::Debug | Profile::Kasan => 3,
    }
}

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
    let (nonce, run) = transcript(prepared, &lesson.transcript, files)?;
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
    let verdict = judge::judge(lesson, &nonce, &run);
    Ok(Outcome::played(lesson, language, verdict, &run, log))
}

/// Plays a transcript with more `files` in the guest; returns the word that
/// marks its notes, and what became of the guest.
pub fn transcript(
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
) -> Result<(String, GuestRun)> {
    let nonce = nonce(transcript, &files);
    files.extend(script::compile(transcript, &nonce, LIMIT));
    if prepared.kernel.profile.finds_leaks() {
        files.push(script::must_find_leaks());
    }
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let run = vm::run_batch(toolchain, kernel, LIMIT + GRACE, |folder| {
        let initrd = folder.join("initrd");
        initramfs.with(&files, &initrd)?;
        Ok(Machine {
            clock: Clock::Virtual {
                shift: shift(kernel.profile),
            },
            console: Console::Sockets {
                folder: folder.to_owned(),
            },
            initrd,
            smp: 2,
            memory: 256,
            kernel_words: KERNEL_WORDS.map(str::to_owned).to_vec(),
            gdb: false,
        })
    })?;
    Ok((nonce, run))
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
