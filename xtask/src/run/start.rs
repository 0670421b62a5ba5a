//! The state from which the guests of a suite start.

use anyhow::{Context as _, Result};
use kmodlab_protocol::GuestFile;

use crate::initramfs::Initramfs;
use crate::kernel::Profile;
use crate::modules::{Language, Module};
use crate::pipeline::Built;
use crate::schedule;
use crate::session::Session;
use crate::vm::{Boot, Hardware, Snapshot, SnapshotGuest, VirtualClock};

/// Kernel parameters of guests in virtual time.
///
/// An oops ends the guest, because nothing after it can be trusted. So does a task that has
/// waited for 30 s of the guest's time without a chance to be woken by a signal, and a CPU that
/// no other task gets for 2 s, or that takes no interrupts for 2 s: a CPU that only waits
/// (`cpu_relax`) costs QEMU 2 s for each second of the guest's.
///
/// The agent turns the detector of CPUs without interrupts on: a CPU that is idle while the kernel
/// starts has no timer interrupts for over a second, for which Linux 7.3 reports a "hard LOCKUP".
///
/// In Linux 7.3, a thread writes the kernel's log to the serial line: the log must hold what tasks
/// print in the meantime.
///
/// The log has the level of each line (xtask/src/lesson/kernel_log/levels.rs).
const KERNEL_PARAMETERS: [&str; 10] = [
    "oops=panic",
    "console_msg_format=syslog",
    "log_buf_len=2M",
    "watchdog_thresh=1",
    "nmi_watchdog=0",
    "rcupdate.rcu_cpu_stall_timeout=6",
    "sysctl.kernel.panic_on_rcu_stall=1",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

/// The initramfs, clock and snapshot from which guests in virtual time start.
#[derive(Debug, Clone)]
pub struct GuestStart {
    settings: GuestSettings,
    initramfs: Initramfs,
    boot: Boot,
    clock: VirtualClock,
    snapshot: Option<Snapshot>,
}

/// The hardware and the kernel parameters of a suite's guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestSettings {
    /// Their hardware.
    pub hardware: Hardware,
    /// Kernel parameters in addition to kmodlab's.
    pub kernel_parameters: Vec<String>,
}

impl Default for GuestSettings {
    fn default() -> Self {
        Self {
            hardware: Hardware::DEFAULT,
            kernel_parameters: Vec::new(),
        }
    }
}

/// The kind of a suite's guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartOptions {
    /// Whether `perturb` waits in the guests to delay other modules' tasks.
    pub delays: bool,
    /// Whether guests resume from a snapshot.
    pub snapshot: bool,
}

impl GuestStart {
    /// Prepares the start of guests with what was built. If no snapshot can be taken, it reports
    /// the reason, and every test case boots a guest.
    ///
    /// # Errors
    ///
    /// If the initramfs cannot be packed.
    pub fn new(
        session: &Session,
        built: &Built,
        options: StartOptions,
        settings: &GuestSettings,
    ) -> Result<Self> {
        let initramfs = with_tools(session, built, options)?;
        let boot = Boot {
            initrd: initramfs.path.clone(),
            kernel_parameters: KERNEL_PARAMETERS
                .iter()
                .chain(built.kernel.profile.kernel_parameters())
                .map(|parameter| (*parameter).to_owned())
                // The kernel takes the last value of a parameter.
                .chain(settings.kernel_parameters.iter().cloned())
                .collect(),
            hardware: settings.hardware.clone(),
        };
        let clock = VirtualClock {
            shift: shift(built.kernel.profile, options.delays),
        };
        let guest = SnapshotGuest {
            toolchain: &built.toolchain,
            kernel: &built.kernel,
            clock,
            boot: &boot,
        };
        let snapshot = options.snapshot.then(|| Snapshot::take(session, guest));
        let snapshot = snapshot.and_then(|taken| {
            taken
                .inspect_err(|error| {
                    session.ui.note(format!(
                        "every test case boots its own guest, because no snapshot could be taken: \
                         {error:#}"
                    ));
                })
                .ok()
        });
        Ok(Self {
            settings: settings.clone(),
            initramfs,
            boot,
            clock,
            snapshot,
        })
    }

    /// Returns the initramfs.
    pub fn initramfs(&self) -> &Initramfs {
        &self.initramfs
    }

    /// Returns the initramfs's file and the kernel parameters.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Returns the kernel parameters that the user asks for.
    pub fn own_parameters(&self) -> &[String] {
        &self.settings.kernel_parameters
    }

    /// Returns the clock.
    pub fn clock(&self) -> VirtualClock {
        self.clock
    }

    /// Returns the snapshot, unless guests boot or it turned out to be unusable.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot
            .as_ref()
            .filter(|snapshot| snapshot.is_usable())
    }

    /// Returns the guest of the snapshot.
    pub fn guest<'a>(&'a self, built: &'a Built) -> SnapshotGuest<'a> {
        SnapshotGuest {
            toolchain: &built.toolchain,
            kernel: &built.kernel,
            clock: self.clock,
            boot: &self.boot,
        }
    }
}

/// Returns the binary logarithm of the nanoseconds that an instruction takes on the guest's
/// clock.
///
/// 5 by default: with less, a boot takes the host longer, because the kernel measures its clocks
/// by waiting (a suite of cold boots 1.4 times as long with 3), and so does a CPU that never
/// sleeps. 3 on a kernel with detectors, which executes four to twenty instructions for one and
/// would otherwise seem too slow for the times in lessons; and with delays, where many runs
/// resume from one boot: the same lesson then has a quarter of the timer ticks, and a run takes
/// a tenth less of the host's CPU. 2 with KCSAN, which calls a function for each access: with 3,
/// sleeps of 100 ms in a lesson take up to 117 ms, and a guest boots in 13 s instead of 7 s of its
/// own time.
fn shift(profile: Profile, delays: bool) -> u8 {
    match profile {
        Profile::Teaching if !delays => 5,
        Profile::Teaching | Profile::Debug | Profile::Kasan => 3,
        Profile::Kcsan => 2,
    }
}

/// Returns the initramfs with the modules that the agent loads before a lesson.
fn with_tools(session: &Session, built: &Built, options: StartOptions) -> Result<Initramfs> {
    let mut files = Vec::new();
    if options.delays {
        let is_perturb =
            |module: &&Module| module.name == schedule::MODULE && module.language == Language::Rust;
        let module = built.modules.iter().find(is_perturb);
        files.push(tool(module.context("the module `perturb` was not built")?)?);
    }
    if let Some(module) = &built.tracker {
        files.push(tool(module)?);
    }
    Initramfs::pack(session, &built.toolchain.busybox, &files)
}

/// Returns a module as a file that the agent loads.
fn tool(module: &Module) -> Result<GuestFile> {
    let contents = std::fs::read(&module.stripped)
        .with_context(|| format!("cannot read {}", module.stripped.display()))?;
    Ok(GuestFile::own(&format!("{}.ko", module.name), contents))
}
