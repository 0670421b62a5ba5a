//! A guest in virtual time, which plays a script by itself: from the saved one,
//! or from its boot.

use std::path::Path;

use anyhow::Result;

use crate::initramfs::GuestFile;
use crate::kernel::Profile;
use crate::lesson::script;
use crate::lesson::tracing::Tracing;
use crate::lesson::transcript::Transcript;
use crate::pipeline::Prepared;
use crate::session::Session;
use crate::vm::{
    self, Clock, Console, DidNotGoOn, GuestRun, LessonDevice, Machine, SavedGuest, Start,
};

use super::machine::{GRACE, heard, leaks_wanted, machine, nonce};

/// How long an instruction takes on the guest's clock: `2^shift` nanoseconds.
///
/// By default 2^5: with less, a boot takes the host longer, for it measures its
/// clocks by waiting (a suite of cold boots 1.4 times as long with 2^3), and so does
/// a CPU that never sleeps. 2^3 on a kernel that looks for bugs, which takes four to
/// twenty instructions for one and would else seem too slow for the times that
/// lessons tell; and where threads are held up, which is done a hundred times from
/// one boot: the same lesson then has four times fewer ticks, and a run takes a
/// tenth less of the host's CPU.
fn shift(prepared: &Prepared) -> u8 {
    match prepared.kernel.profile {
        Profile::Teaching if !prepared.held_up => 5,
        Profile::Teaching | Profile::Debug | Profile::Kasan => 3,
    }
}

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

/// What a guest plays by itself.
pub(super) struct Script<'a> {
    pub transcript: &'a Transcript,
    /// More files for the guest.
    pub files: Vec<GuestFile>,
    pub tracing: Tracing,
    /// What a lesson that is played many times has of its own each time.
    pub order: Option<Order<'a>>,
}

/// What is done right before a lesson.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    /// Lines for the guest's shell.
    pub lines: &'a str,
    /// The guest that was saved with the lesson (see [`saved_with`]); without one, a
    /// guest boots.
    pub guest: Option<&'a SavedGuest>,
}

impl Script<'_> {
    /// The word that marks the guest's notes, and all the files that it gets if it is
    /// told later what to do right before the lesson.
    fn brought(&self, prepared: &Prepared) -> (String, Vec<GuestFile>) {
        let files = self.files.clone();
        let (nonce, mut files) = with_script(prepared, self.transcript, files);
        files.extend(self.tracing.file());
        (nonce, files)
    }
}

/// Plays a transcript with more `files` in the guest; returns the word that
/// marks its notes, and what became of the guest.
pub fn transcript(
    session: &Session,
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
) -> Result<(String, GuestRun)> {
    let script = Script {
        transcript,
        files,
        tracing: Tracing::Off,
        order: None,
    };
    scripted(session, prepared, &script, &mut |_| ())
}

/// As [`transcript`]; `on_step` gets the number, from 1, of each step that
/// begins.
pub(super) fn scripted(
    session: &Session,
    prepared: &Prepared,
    script: &Script<'_>,
    on_step: &mut dyn FnMut(usize),
) -> Result<(String, GuestRun)> {
    let (nonce, mut files) = script.brought(prepared);
    let mut heard = heard(&nonce, on_step);
    let limit = u32::from(script.transcript.limit) + GRACE;
    let lines = script.order.map_or("", |order| order.lines);
    let order = lines.to_owned() + &script.tracing.order();
    let from = match (&script.order, &prepared.saved) {
        (Some(order), _) => order.guest.map(|guest| (guest, Vec::new())),
        (None, Some(saved)) => vm::packed(&files)?.map(|archive| (saved, archive)),
        (None, None) => None,
    };
    if let Some((saved, archive)) = &from {
        let bring = Bring {
            archive,
            order: &order,
        };
        match from_saved(session, prepared, saved, &nonce, limit, bring, &mut heard) {
            Ok(Some(run)) => return Ok((nonce, run)),
            Ok(None) => {}
            Err(error) if error.is::<DidNotGoOn>() => saved.give_up(&session.ui, &error),
            Err(error) => return Err(error),
        }
    }
    files.push(script::order(&order));
    let run = from_boot(prepared, limit, &files, &mut heard)?;
    Ok((nonce, run))
}

/// What the device holds for a guest that goes on from a saved one.
#[derive(Clone, Copy)]
struct Bring<'a> {
    archive: &'a [u8],
    order: &'a str,
}

/// The word that marks the guest's notes, and all the files that it gets.
pub(super) fn with_script(
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
) -> (String, Vec<GuestFile>) {
    let nonce = nonce(transcript, &files);
    let limit = u32::from(transcript.limit);
    files.extend(script::compile(transcript, &nonce, limit));
    files.extend(leaks_wanted(prepared));
    (nonce, files)
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

/// A guest that is saved with a lesson which is about to begin, for its orders to come.
/// Where that cannot be, it says why and returns `None`.
pub(super) fn saved_with(
    session: &Session,
    prepared: &Prepared,
    name: &str,
    script: &Script<'_>,
) -> Option<SavedGuest> {
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let saved = prepared.saved.as_ref().filter(|saved| saved.is_good())?;
    let machine = scripted_machine(prepared, &initramfs.path, Console::Output, Start::Boot);
    let keep = || -> Result<Option<SavedGuest>> {
        let (_, mut files) = script.brought(prepared);
        files.push(script::keep());
        let Some(archive) = vm::packed(&files)? else {
            return Ok(None);
        };
        let name = format!("{}-{name}", kernel.label());
        let kept = saved.keep_with(session, toolchain, kernel, &machine, &name, &archive)?;
        Ok(Some(kept))
    };
    keep().unwrap_or_else(|error| {
        crate::process::park_if_interrupted();
        session.ui.note(format!(
            "every schedule of {name} boots its own guest, for none could be saved: {error:#}"
        ));
        None
    })
}

/// Plays in a guest that goes on from the saved one; `None` if that has been given up.
/// What the guest had said before it was saved comes first, as if it had booted for
/// this lesson.
fn from_saved(
    session: &Session,
    prepared: &Prepared,
    saved: &SavedGuest,
    nonce: &str,
    limit: u32,
    bring: Bring<'_>,
    heard: &mut dyn FnMut(&[u8]),
) -> Result<Option<GuestRun>> {
    let Prepared {
        toolchain, kernel, ..
    } = prepared;
    if !saved.is_good() {
        return Ok(None);
    }
    // Before the guest runs: it may be given up, and removed, by another's.
    let (log, console) = match saved.log().and_then(|log| Ok((log, saved.console()?))) {
        Ok(said) => said,
        Err(error) => {
            saved.give_up(&session.ui, &error);
            return Ok(None);
        }
    };
    let mut run = vm::run_batch(
        toolchain,
        kernel,
        limit,
        Some(saved),
        heard,
        |folder, console| {
            let start = Start::GoOn {
                memory: saved.memory(),
                lesson: LessonDevice::holding(folder, bring.archive, bring.order)?,
            };
            Ok(scripted_machine(
                prepared,
                &prepared.initramfs.path,
                console,
                start,
            ))
        },
    )?;
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
    vm::run_batch(toolchain, kernel, limit, None, heard, |folder, console| {
        let initrd = folder.join("initrd");
        initramfs.with(files, &initrd)?;
        Ok(scripted_machine(prepared, &initrd, console, Start::Boot))
    })
}

/// The guest that plays by itself.
pub(super) fn scripted_machine(
    prepared: &Prepared,
    initrd: &Path,
    console: Console,
    start: Start,
) -> Machine {
    let clock = Clock::Virtual {
        shift: shift(prepared),
    };
    Machine {
        console,
        start,
        ..machine(initrd.to_owned(), clock, &KERNEL_WORDS)
    }
}
