//! A guest that is recorded: it boots, with one CPU and in virtual time, and
//! plays a script by itself.
//!
//! Whatever files a run brings to the guest are recorded with it. They are in
//! its initramfs, so that a replay takes no more than that and the kernel. QEMU
//! refuses to record more than one CPU.

use anyhow::{Context as _, Result};

use crate::initramfs::GuestFile;
use crate::lesson::script;
use crate::lesson::transcript::Transcript;
use crate::pipeline::Prepared;
use crate::vm::{self, Console, Events, GuestRun, Machine, SECOND_SERIAL, Start};

use super::machine::{GRACE, heard};
use super::scripted::{scripted_machine, with_script};

/// What it takes to play a guest's run again.
#[derive(Debug, Clone)]
pub struct Tape {
    /// What reached the guest from outside, as QEMU writes it.
    pub events: Vec<u8>,
    /// The archive that became its root folder.
    pub initrd: Vec<u8>,
    /// The guest.
    pub machine: Machine,
    /// The files that the run brought to it; they are in the archive too.
    pub files: Vec<GuestFile>,
}

/// A guest that was recorded.
pub(super) struct Recorded {
    /// The word that marks its notes.
    pub nonce: String,
    /// What became of it.
    pub run: GuestRun,
    /// What it takes to play that again; none if QEMU had to be killed.
    pub tape: Option<Tape>,
}

/// Plays a transcript with more `files` in a guest that is recorded; `on_step`
/// gets the number, from 1, of each step that begins.
pub(super) fn recorded(
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
    on_step: &mut dyn FnMut(usize),
) -> Result<Recorded> {
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let (nonce, mut files) = with_script(prepared, transcript, files);
    files.push(script::console_at(SECOND_SERIAL));
    let mut heard = heard(&nonce, on_step);
    let limit = u32::from(transcript.limit) + GRACE;
    // The guest's own folder goes with it, and the recording is whole after that.
    let kept = vm::socket_folder()?;
    let initrd = kept.path().join("initrd");
    let events = kept.path().join("events");
    initramfs.with(&files, &initrd)?;
    let machine = Machine {
        smp: 1,
        events: Events::Recorded(events.clone()),
        ..scripted_machine(prepared, &initrd, Console::Output, Start::Boot)
    };
    let run = vm::run_batch(toolchain, kernel, limit, None, &mut heard, |_, console| {
        Ok(Machine {
            console,
            ..machine.clone()
        })
    })?;
    let read = |path| std::fs::read(path).context("cannot read what was recorded");
    let events = read(events)?;
    let tape = if is_whole(&events) {
        Some(Tape {
            events,
            initrd: read(initrd)?,
            machine,
            files,
        })
    } else {
        None
    };
    Ok(Recorded { nonce, run, tape })
}

/// QEMU writes the number of its format to the recording's beginning when it
/// ends it (`replay_finish` in replay/replay.c).
fn is_whole(events: &[u8]) -> bool {
    events
        .get(..4)
        .is_some_and(|version| version.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_without_its_number_is_not_whole() {
        assert!(is_whole(b"\x00\xe0\x20\x0c\0\0"));
        assert!(!is_whole(b"\0\0\0\0\x01\x02"));
        assert!(!is_whole(b"\x00\xe0"));
    }
}
