//! Takes a snapshot of a guest.
//!
//! The guest itself asks for it: it writes to the device pvpanic, and QEMU stops the CPU that
//! does at that very instruction (`-action panic=pause`). QEMU's main loop stops the rest
//! later, so the guest asks while no other CPU runs. While all CPUs are idle, and a stopped one
//! counts as idle, the main loop advances the clock to the next timer
//! (`icount_start_warp_timer` in softmmu/icount.c), unless it stops the guest first: the CPU
//! that asks wakes the main loop, and reports a moment later that all CPUs are idle. On a quiet
//! host the main loop wakes up later; on a busy one it takes the host's CPU from the CPU's
//! thread at once. With `SCHED_BATCH`, a thread that wakes up preempts no other, and with a low
//! priority the main loop waits until the CPU's thread has nothing to do: 1 of 17 guests was
//! saved before the advance, and 24 of 30 with `SCHED_BATCH` alone, with eight busy processes on
//! two cores. A guest that was saved before the advance is recognised by its clock; its memory was
//! that of the others.
//!
//! So a snapshot that is taken again is identical, on this host and others, as long as the
//! kernel, the initramfs and QEMU are: a seed has the same meaning. Excepted are bytes that no
//! guest sees: remains of QEMU's own stack in the second page of memory, and the host's clocks
//! in the state. One of some 200 snapshots differed for an unknown reason; `snapshot` therefore
//! keeps one only when two are identical.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use super::channels::{Channel, Channels};
use super::firmware::{FirmwareFiles, PackedAssignment};
use super::hardware::Hardware;
use super::host_cpu::prefer_guest;
use super::machine::{Boot, Machine, VirtualClock};
use super::pci::{LostHeader, lost_headers, restore_headers};
use super::qmp::Qmp;
use super::running::{Observer, QUIT_PATIENCE, Running};
use super::sparse_copy::copy_sparse;
use super::watchdog::{INTERVAL, Watchdog};
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// Seconds of its own time in which a guest must ask for the snapshot.
const LIMIT: u32 = 60;

/// A guest of which a snapshot is taken.
pub(super) struct Subject<'a> {
    pub toolchain: &'a Toolchain,
    pub kernel: &'a KernelImage,
    pub clock: VirtualClock,
    pub boot: &'a Boot,
    /// The snapshot from which it resumes; without one, it boots.
    pub resumes: Option<Resumed<'a>>,
}

/// A snapshot, and the assignment for a guest that resumes from it.
pub(super) struct Resumed<'a> {
    pub memory: PathBuf,
    pub state: Vec<u8>,
    pub lost_headers: Vec<LostHeader>,
    pub assignment: &'a PackedAssignment,
}

/// A snapshot without its memory.
pub(super) struct Taken {
    pub state: Vec<u8>,
    /// Headers of the guest's PCI devices that the state lacks.
    pub lost_headers: Vec<LostHeader>,
    /// The kernel's log, and the agent's messages.
    pub log: Vec<u8>,
    pub agent: Vec<u8>,
    /// Whether the guest was idle: its clock had advanced, and no other CPU ran.
    pub idle: bool,
}

impl Subject<'_> {
    /// Runs the guest until it asks for the snapshot. Its memory becomes the file `memory`,
    /// which does not exist yet.
    pub fn take_snapshot(&self, memory: &Path) -> Result<Taken> {
        let Self {
            toolchain,
            kernel,
            clock,
            boot,
            resumes,
        } = self;
        let channels = Channels::new()?;
        let (endpoints, folder) = (channels.endpoints(), channels.folder());
        let boot = (*boot).clone();
        let machine = match resumes {
            None => {
                let firmware = FirmwareFiles::empty(folder)?;
                Machine::to_be_saved(*clock, endpoints, boot, memory.to_owned(), firmware)
            }
            Some(resumed) => {
                copy_sparse(&resumed.memory, memory)?;
                let options = kmodlab_protocol::RunOptions::default();
                let firmware = FirmwareFiles::new(folder, Some(resumed.assignment), &options)?;
                Machine::to_be_saved_again(*clock, endpoints, boot, memory.to_owned(), firmware)
            }
        };
        let mut guest = Running::start(toolchain, kernel, &machine, channels)?;
        let stopped = until_stopped(&mut guest, resumes.as_ref(), &self.boot.hardware);
        let ended = guest.end()?;
        let (status, errors) = (ended.status, ended.errors);
        let stopped = stopped.with_context(|| format!("QEMU: {status} {errors}"))?;
        Ok(Taken {
            state: stopped.state,
            lost_headers: stopped.lost_headers,
            log: ended.log,
            agent: ended.agent,
            idle: stopped.idle,
        })
    }
}

/// Waits until the guest has asked for the snapshot. If `before` is given, the guest resumes from
/// that snapshot.
fn until_stopped(
    guest: &mut Running,
    before: Option<&Resumed<'_>>,
    hardware: &Hardware,
) -> Result<StoppedGuest> {
    let mut control = guest.control()?;
    prefer_guest(guest.guard());
    if let Some(before) = before {
        control.load(&before.state, &guest.folder().join("state-before"))?;
        restore_headers(&mut control, &before.lost_headers)?;
        control.resume_execution()?;
    }
    let mut observer = SnapshotObserver {
        cpus: hardware.cpus,
        has_pci: hardware.machine.has_acpi(),
        watchdog: Watchdog::default(),
    };
    let stop = guest.watch(Some(control), &mut observer)?;
    // The memory is whole when QEMU has ended by itself.
    guest.wait_for_end(Instant::now() + QUIT_PATIENCE);
    match stop {
        Some(SnapshotStop::Stopped(stopped)) => Ok(stopped),
        Some(SnapshotStop::Late) => {
            bail!("it did not ask for a snapshot within {LIMIT} s of its own time")
        }
        None => bail!("it ended before it asked for a snapshot"),
    }
}

/// The reason for which a guest that takes a snapshot stops.
enum SnapshotStop {
    Stopped(StoppedGuest),
    Late,
}

/// A guest that has stopped for the snapshot.
struct StoppedGuest {
    state: Vec<u8>,
    lost_headers: Vec<LostHeader>,
    idle: bool,
}

struct SnapshotObserver {
    /// Number of the guest's CPUs.
    cpus: u32,
    /// Whether the guest has PCI devices.
    has_pci: bool,
    watchdog: Watchdog,
}

impl Observer for SnapshotObserver {
    type Stop = SnapshotStop;

    fn output(&mut self, _: Channel, _: &[u8]) -> Option<SnapshotStop> {
        None
    }

    fn next_look(&self) -> Option<Instant> {
        // A look itself waits for the guest's request.
        Some(Instant::now())
    }

    fn look(&mut self, guest: &Running, control: &mut Option<Qmp>) -> Result<Option<SnapshotStop>> {
        let qmp = control
            .as_mut()
            .ok_or_else(|| anyhow!("QEMU does not answer"))?;
        if qmp.wait_for_stop(INTERVAL)? {
            let idle = qmp.is_idle(self.cpus)?;
            let state = qmp.state(&guest.folder().join("state"))?;
            let lost_headers = match self.has_pci {
                true => {
                    let devices = qmp.pci_devices()?;
                    lost_headers(qmp, &devices, &state)?
                }
                false => Vec::new(),
            };
            qmp.quit()?;
            return Ok(Some(SnapshotStop::Stopped(StoppedGuest {
                state,
                lost_headers,
                idle,
            })));
        }
        let late = self.watchdog.check(control, LIMIT, guest.guard());
        Ok(late.map(|_| SnapshotStop::Late))
    }
}
