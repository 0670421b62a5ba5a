//! What all guests for lessons have in common, however their time passes.

use std::path::PathBuf;

use crate::initramfs::GuestFile;
use crate::key::Inputs;
use crate::lesson::follow::Follower;
use crate::lesson::script;
use crate::lesson::transcript::Transcript;
use crate::pipeline::Prepared;
use crate::vm::{Clock, Console, Events, Machine, Start};

/// A guest may live this many seconds longer than its lesson: its boot, and its
/// report of a time-out.
pub(super) const GRACE: u32 = 60;

/// A guest for lessons, without channels yet.
pub(super) fn machine(initrd: PathBuf, clock: Clock, kernel_words: &[&str]) -> Machine {
    Machine {
        clock,
        console: Console::Output,
        start: Start::Boot,
        initrd,
        smp: 2,
        memory: 256,
        kernel_words: kernel_words.iter().map(|&word| word.to_owned()).collect(),
        events: Events::Live,
        gdb: None,
    }
}

/// A word that nothing in the guest prints by chance, the same for the same
/// lesson: a guest in virtual time then does the same to the byte.
pub(super) fn nonce(transcript: &Transcript, files: &[GuestFile]) -> String {
    let mut inputs = Inputs::new("nonce 1");
    for step in &transcript.steps {
        inputs.text("step", &step.command);
    }
    for file in files {
        inputs.bytes(&file.path, &file.contents);
    }
    format!("kmodlab-{}", inputs.key())
}

/// The file that asks the guest to look for leaks, if its kernel can.
pub(super) fn leaks_wanted(prepared: &Prepared) -> Option<GuestFile> {
    let finds = prepared.kernel.profile.finds_leaks();
    finds.then(script::must_find_leaks)
}

/// Hears what the shell prints, and tells `on_step` of each step that begins.
pub(super) fn heard<'a>(
    nonce: &str,
    on_step: &'a mut dyn FnMut(usize),
) -> impl FnMut(&[u8]) + use<'a> {
    let mut follower = Follower::new(nonce);
    move |bytes: &[u8]| {
        if let Some(step) = follower.hear(bytes) {
            on_step(step);
        }
    }
}
