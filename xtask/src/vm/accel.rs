//! Chooses between KVM and TCG.
//!
//! `/dev/kvm` can open and create a virtual machine, and then fail to run it while QEMU waits
//! for ever (nested hosts do that). Only a boot shows whether KVM works, so `auto` boots this
//! kernel once and remembers the result.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kmodlab_protocol::INIT_REACHED;
use serde::{Deserialize, Serialize};

use super::channels::{Channel, Channels};
use super::hardware::Hardware;
use super::machine::{Accel, Boot, Machine};
use super::qmp::Qmp;
use super::running::{Observer, Running};
use crate::failure::Failure;
use crate::initramfs::Initramfs;
use crate::kernel::KernelImage;
use crate::key::Inputs;
use crate::memo;
use crate::session::Session;
use crate::toolchain::Toolchain;

/// The time in which a boot under KVM must reach init.
const PATIENCE: Duration = Duration::from_secs(3);

/// QEMU's message when KVM cannot run the guest.
const KVM_FAILED: &str = "KVM internal error";

/// Whether KVM runs guests here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kvm {
    /// True if a guest reached init under it.
    pub works: bool,
    /// The reason for that conclusion.
    pub why: String,
}

/// Name of the remembered answer.
const MEMO: &str = "kvm";

#[derive(Serialize, Deserialize)]
struct Remembered {
    host: String,
    kvm: Kvm,
}

/// Returns the requested accelerator. `None` stands for `auto`: KVM if it works, and otherwise
/// TCG with a note of the reason.
///
/// # Errors
///
/// If KVM was requested and does not work, or QEMU cannot be started.
pub fn choose(
    session: &Session,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    initramfs: &Initramfs,
    requested: Option<Accel>,
) -> Result<Accel> {
    if requested == Some(Accel::Tcg) {
        return Ok(Accel::Tcg);
    }
    let kvm = try_kvm(session, toolchain, kernel, initramfs)?;
    match (kvm.works, requested) {
        (true, _) => Ok(Accel::Kvm),
        (false, None) => {
            session.ui.note(format!(
                "KVM is not used, QEMU emulates the CPU: {}",
                kvm.why
            ));
            Ok(Accel::Tcg)
        }
        (false, Some(_)) => Err(Failure::host(format!(
            "KVM does not run guests on this host: {}; leave out --accel kvm to emulate the CPU",
            kvm.why
        ))
        .into()),
    }
}

/// Returns whether KVM runs guests on this host: as remembered, or by a boot of `kernel`.
///
/// # Errors
///
/// If QEMU cannot be started.
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

/// Returns what is known of KVM without a boot: as remembered for this host's kernel, this QEMU
/// and this device, or obvious from the device.
///
/// # Errors
///
/// If the device cannot be examined.
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
    let host = host(toolchain)?;
    Ok(memo::recall::<Remembered>(&session.cache, MEMO)
        .filter(|remembered| remembered.host == host)
        .map(|remembered| remembered.kvm))
}

fn remember(session: &Session, toolchain: &Toolchain, kvm: &Kvm) -> Result<()> {
    let remembered = Remembered {
        host: host(toolchain)?,
        kvm: kvm.clone(),
    };
    memo::remember(&session.cache, MEMO, &remembered)
}

/// Returns the key of everything that the result depends on.
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

/// Boots `kernel` under KVM until it reaches init, QEMU reports that KVM failed, or the time is
/// over.
fn probe(toolchain: &Toolchain, kernel: &KernelImage, initramfs: &Initramfs) -> Result<Kvm> {
    let boot = Boot {
        initrd: initramfs.path.clone(),
        kernel_parameters: Vec::new(),
        hardware: Hardware::DEFAULT,
    };
    let channels = Channels::new()?;
    let machine = Machine::kvm_probe(channels.endpoints(), boot);
    let mut guest = Running::start(toolchain, kernel, &machine, channels)?;
    let mut observer = KvmObserver {
        log: Vec::new(),
        errors: Vec::new(),
        deadline: Instant::now() + PATIENCE,
    };
    let result = guest.watch(None, &mut observer)?;
    let (_, errors) = guest.stop()?;
    // The lines after the first are QEMU's own assertions.
    let reason = errors.lines().next().unwrap_or_default();
    Ok(result.unwrap_or_else(|| Kvm {
        works: false,
        why: format!("QEMU ended before the guest reached init: {reason}"),
    }))
}

struct KvmObserver {
    log: Vec<u8>,
    errors: Vec<u8>,
    deadline: Instant,
}

impl Observer for KvmObserver {
    type Stop = Kvm;

    fn output(&mut self, channel: Channel, bytes: &[u8]) -> Option<Kvm> {
        let bytes_so_far = match channel {
            Channel::Log => &mut self.log,
            Channel::Agent | Channel::Debug | Channel::QemuErrors => &mut self.errors,
        };
        bytes_so_far.extend(bytes);
        let (log, errors) = (
            String::from_utf8_lossy(&self.log),
            String::from_utf8_lossy(&self.errors),
        );
        if log.contains(INIT_REACHED) {
            return Some(Kvm {
                works: true,
                why: "a guest reached init under it".to_owned(),
            });
        }
        let line = errors.lines().find(|line| line.contains(KVM_FAILED))?;
        let why = format!("/dev/kvm opens, but QEMU reports \"{}\"", line.trim());
        Some(Kvm { works: false, why })
    }

    fn next_look(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn look(&mut self, _: &Running, _: &mut Option<Qmp>) -> Result<Option<Kvm>> {
        let why = format!("a guest did not reach init in {} s", PATIENCE.as_secs());
        Ok(Some(Kvm { works: false, why }))
    }
}
