//! A guest in real time, which is typed at.

use anyhow::Result;

use crate::initramfs::GuestFile;
use crate::lesson::script;
use crate::lesson::transcript::Transcript;
use crate::pipeline::Prepared;
use crate::vm::{self, Accel, Clock, Console, Machine, TypedRun};

use super::machine::{GRACE, heard, leaks_wanted, machine, nonce};

/// As in virtual time (`scripted.rs`), but a CPU of the guest's that the host lets wait looks
/// busy from within, so the detectors of that keep the patience that they have.
const REAL_KERNEL_WORDS: [&str; 4] = [
    "oops=panic",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

/// Types a transcript at a guest in real time, with more `files` in it; the
/// rest is as in [`transcript`](super::transcript).
pub fn typed(
    prepared: &Prepared,
    transcript: &Transcript,
    files: Vec<GuestFile>,
    accel: Accel,
) -> Result<(String, TypedRun)> {
    type_all(prepared, transcript, files, accel, &mut |_| ())
}

/// As [`typed`]; `on_step` is told each step's number, from 1, when it begins.
pub(super) fn type_all(
    prepared: &Prepared,
    transcript: &Transcript,
    mut files: Vec<GuestFile>,
    accel: Accel,
    on_step: &mut dyn FnMut(usize),
) -> Result<(String, TypedRun)> {
    let nonce = nonce(transcript, &files);
    let mut heard = heard(&nonce, on_step);
    let limit = u32::from(transcript.limit);
    let (script, exchanges) = script::compile_typed(transcript, &nonce, limit);
    files.extend(script);
    files.extend(leaks_wanted(prepared));
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
