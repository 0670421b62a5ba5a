//! KVM or TCG.
//!
//! `/dev/kvm` can open, make a machine and then fail to run it, with QEMU
//! sitting there for ever (nested hosts do that). Only a boot tells, so `auto`
//! boots this kernel once and remembers the answer.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::machine::{Accel, Clock, Console, Events, Machine, Start};
use crate::failure::Failure;
use crate::initramfs::Initramfs;
use crate::kernel::KernelImage;
use crate::key::Inputs;
use crate::session::Session;
use crate::toolchain::Toolchain;

/// A boot under KVM has this long to reach init.
const PATIENCE: Duration = Duration::from_secs(3);

/// What `initramfs/init` says first.
const INIT_REACHED: &str = "kmodlab: init reached";

/// What QEMU says when KVM cannot run the guest.
const KVM_DIED: &str = "KVM internal error";

/// Whether KVM runs guests here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kvm {
    /// True if a guest reached init under it.
    pub works: bool,
    /// What was seen.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    host: String,
    kvm: Kvm,
}

/// What `--accel` asks for, resolved: `None` is `auto`, which takes KVM if it
/// works and says in a line why not if it does not.
pub fn choose(
    session: &Session,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    initramfs: &Initramfs,
    asked: Option<Accel>,
) -> Result<Accel> {
    if asked == Some(Accel::Tcg) {
        return Ok(Accel::Tcg);
    }
    let kvm = try_kvm(session, toolchain, kernel, initramfs)?;
    match (kvm.works, asked) {
        (true, _) => Ok(Accel::Kvm),
        (false, None) => {
            session.ui.note(format!(
                "KVM is not used, QEMU emulates the CPU: {}",
                kvm.why
            ));
            Ok(Accel::Tcg)
        }
        (false, Some(_)) => Err(Failure::host(format!(
            "KVM runs no guest here: {}; leave out --accel kvm to emulate the CPU",
            kvm.why
        ))
        .into()),
    }
}

/// Whether KVM runs guests here: as remembered, else by a boot of `kernel`.
pub fn try_kvm(
    session: &Session,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    initramfs: &Initramfs,
) -> Result<Kvm> {
    if let Some(kvm) = known(session, toolchain)? {
        return Ok(kvm);
    }
    let kvm = probe(toolchain, kernel, initramfs)?;
    remember(session, toolchain, &kvm)?;
    Ok(kvm)
}

/// What is known of KVM without booting anything: remembered for this host
/// kernel, this QEMU and this device, or plain from the device.
pub fn known(session: &Session, toolchain: &Toolchain) -> Result<Option<Kvm>> {
    let device = Path::new("/dev/kvm");
    let refused = |why: String| Ok(Some(Kvm { works: false, why }));
    if !device.exists() {
        return refused("there is no /dev/kvm".to_owned());
    }
    if let Err(error) = std::fs::File::options().read(true).write(true).open(device) {
        return refused(format!(
            "/dev/kvm does not open ({error}); is this user in the group kvm?"
        ));
    }
    let Ok(text) = std::fs::read_to_string(memory(session)) else {
        return Ok(None);
    };
    let remembered: Option<Remembered> = serde_json::from_str(&text).ok();
    let host = host(toolchain)?;
    Ok(remembered
        .filter(|remembered| remembered.host == host)
        .map(|remembered| remembered.kvm))
}

fn memory(session: &Session) -> PathBuf {
    session.cache.root().join("kvm.json")
}

fn remember(session: &Session, toolchain: &Toolchain, kvm: &Kvm) -> Result<()> {
    let remembered = Remembered {
        host: host(toolchain)?,
        kvm: kvm.clone(),
    };
    session
        .cache
        .write(&memory(session), &serde_json::to_vec_pretty(&remembered)?)
}

/// What the answer depends on.
fn host(toolchain: &Toolchain) -> Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = std::fs::metadata("/dev/kvm").context("cannot look at /dev/kvm")?;
    let kernel = rustix::system::uname();
    let mut inputs = Inputs::new("kvm 1");
    inputs
        .text("release", kernel.release().to_string_lossy())
        .text("version", kernel.version().to_string_lossy())
        .text("qemu", &toolchain.qemu_version)
        .text("device", format!("{} {}", device.rdev(), device.mode()));
    Ok(inputs.key().as_str().to_owned())
}

/// Boots `kernel` under KVM, and waits until it reaches init, QEMU says that
/// KVM died, or the time is up.
fn probe(toolchain: &Toolchain, kernel: &KernelImage, initramfs: &Initramfs) -> Result<Kvm> {
    let machine = Machine {
        clock: Clock::Real(Accel::Kvm),
        console: Console::Output,
        start: Start::Boot,
        initrd: initramfs.path.clone(),
        smp: 2,
        memory: 256,
        kernel_words: Vec::new(),
        events: Events::Live,
        gdb: None,
    };
    let (output, output_writer) = std::io::pipe().context("cannot make a pipe")?;
    let (errors, errors_writer) = std::io::pipe().context("cannot make a pipe")?;
    let deadline = Instant::now() + PATIENCE;
    let _qemu = machine
        .command(toolchain, kernel)
        .spawn(Stdio::from(output_writer), Stdio::from(errors_writer))?;
    let (sender, lines) = channel();
    let errors_sender = sender.clone();
    std::thread::spawn(move || lines_of(output, &sender));
    std::thread::spawn(move || lines_of(errors, &errors_sender));
    let mut last = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(INIT_REACHED) => {
                return Ok(Kvm {
                    works: true,
                    why: "a guest reached init under it".to_owned(),
                });
            }
            Ok(line) if line.contains(KVM_DIED) => {
                let why = format!("/dev/kvm opens, but QEMU reports \"{}\"", line.trim());
                return Ok(Kvm { works: false, why });
            }
            Ok(line) => last = line,
            Err(RecvTimeoutError::Timeout) => {
                let why = format!("a guest did not reach init in {} s", PATIENCE.as_secs());
                return Ok(Kvm { works: false, why });
            }
            Err(RecvTimeoutError::Disconnected) => {
                let why = format!("QEMU ended before the guest reached init: {}", last.trim());
                return Ok(Kvm { works: false, why });
            }
        }
    }
}

fn lines_of(from: impl std::io::Read, sender: &Sender<String>) {
    use std::io::BufRead as _;
    let mut from = std::io::BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        if sender
            .send(String::from_utf8_lossy(&line).into_owned())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}
