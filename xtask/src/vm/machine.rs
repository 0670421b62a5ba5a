//! A guest's hardware, as QEMU's command line.
//!
//! There is a constructor for each kind of guest; other combinations do not exist.

mod command;
mod options;

use std::path::PathBuf;

use super::channels::Endpoints;
use super::firmware::FirmwareFiles;
use super::hardware::Hardware;

pub(super) use options::{chardev, device_options};

/// The part of QEMU that executes a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

impl Accel {
    /// Returns its name, as QEMU's `-accel` wants it.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        }
    }
}

/// The contents of a guest that boots: all but its kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The archive that becomes its root folder.
    pub initrd: PathBuf,
    /// Further kernel parameters.
    pub kernel_parameters: Vec<String>,
    /// Its hardware. A recorded guest has one CPU nevertheless.
    pub hardware: Hardware,
}

/// The clock of a guest in virtual time: each instruction takes `2^shift` nanoseconds, and time
/// in which all CPUs are idle is skipped (QEMU manual, "TCG instruction counting"). The same
/// guest does the same things at the same times, whatever the host does.
///
/// 5 is a CPU of 31 million instructions a second. Below 5 the kernel's calibration of its
/// timers takes seconds of the host's time, above 7 it does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualClock {
    /// The shift.
    pub shift: u8,
}

/// A guest that has not started yet.
#[derive(Debug, Clone)]
pub struct Machine {
    kind: Kind,
    boot: Boot,
}

#[derive(Debug, Clone)]
enum Kind {
    Interactive {
        accel: Accel,
        gdb: Option<u16>,
        reload: Option<PathBuf>,
    },
    Batch {
        accel: Accel,
        report: PathBuf,
    },
    KvmProbe(Endpoints),
    Scripted {
        clock: VirtualClock,
        channels: Endpoints,
    },
    Snapshot {
        clock: VirtualClock,
        channels: Endpoints,
        saved: SavedGuest,
        role: SnapshotRole,
    },
    Recorded {
        clock: VirtualClock,
        channels: Endpoints,
        events: PathBuf,
    },
    Replayed {
        clock: VirtualClock,
        channels: Endpoints,
        events: PathBuf,
        debugger: Debugger,
    },
    RealTime {
        accel: Accel,
        channels: Endpoints,
    },
}

/// The parts that only a guest with a snapshot has.
#[derive(Debug, Clone)]
struct SavedGuest {
    memory: PathBuf,
    firmware: FirmwareFiles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SnapshotRole {
    /// Boots, and is saved.
    Boots,
    /// Resumes, and is saved again.
    ResumesAndIsSaved,
    /// Resumes, and runs to its end.
    Resumes,
}

/// The debugger of a replayed guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Debugger {
    /// None.
    None,
    /// QEMU waits for one at the guest's debugger socket.
    Forwards,
    /// The same, and it can step backwards, with this empty disk for QEMU's internal snapshots.
    Backwards(PathBuf),
}

impl Machine {
    /// Returns a guest with a shell on the terminal that xtask runs on. QEMU waits for
    /// a debugger at the port `gdb` of the host. The guest's requests for modules go to the socket
    /// `reload`.
    pub fn interactive(
        accel: Accel,
        boot: Boot,
        gdb: Option<u16>,
        reload: Option<PathBuf>,
    ) -> Self {
        Self {
            kind: Kind::Interactive { accel, gdb, reload },
            boot,
        }
    }

    /// Returns a guest that runs commands from its initramfs and prints to the standard output. Its
    /// report on QEMU's debug console becomes the file `report`.
    pub fn batch(accel: Accel, boot: Boot, report: PathBuf) -> Self {
        Self {
            kind: Kind::Batch { accel, report },
            boot,
        }
    }

    /// Returns a guest that shows by its boot whether KVM works.
    pub fn kvm_probe(channels: Endpoints, boot: Boot) -> Self {
        Self {
            kind: Kind::KvmProbe(channels),
            boot,
        }
    }

    /// Returns a guest in virtual time that boots for one run.
    pub fn scripted(clock: VirtualClock, channels: Endpoints, boot: Boot) -> Self {
        Self {
            kind: Kind::Scripted { clock, channels },
            boot,
        }
    }

    /// Returns a guest that boots and is saved when it asks for it. The file `memory` becomes
    /// its memory.
    pub fn to_be_saved(
        clock: VirtualClock,
        channels: Endpoints,
        boot: Boot,
        memory: PathBuf,
        firmware: FirmwareFiles,
    ) -> Self {
        Self::snapshot(clock, channels, boot, memory, firmware, SnapshotRole::Boots)
    }

    /// Returns a guest that resumes from a copy of a snapshot's memory, and is saved when it
    /// asks for it again.
    pub fn to_be_saved_again(
        clock: VirtualClock,
        channels: Endpoints,
        boot: Boot,
        memory: PathBuf,
        firmware: FirmwareFiles,
    ) -> Self {
        let role = SnapshotRole::ResumesAndIsSaved;
        Self::snapshot(clock, channels, boot, memory, firmware, role)
    }

    /// Returns a guest that resumes from a snapshot for one run. The file `memory` is the
    /// snapshot's and stays as it is.
    pub fn resumed(
        clock: VirtualClock,
        channels: Endpoints,
        boot: Boot,
        memory: PathBuf,
        firmware: FirmwareFiles,
    ) -> Self {
        Self::snapshot(
            clock,
            channels,
            boot,
            memory,
            firmware,
            SnapshotRole::Resumes,
        )
    }

    fn snapshot(
        clock: VirtualClock,
        channels: Endpoints,
        boot: Boot,
        memory: PathBuf,
        firmware: FirmwareFiles,
        role: SnapshotRole,
    ) -> Self {
        Self {
            kind: Kind::Snapshot {
                clock,
                channels,
                saved: SavedGuest { memory, firmware },
                role,
            },
            boot,
        }
    }

    /// Returns a guest that boots for one run and is recorded: QEMU writes everything that
    /// reaches it from outside to the file `events`, which is whole when QEMU has ended by
    /// itself (QEMU manual, "Record/replay"). QEMU records a guest with one CPU only.
    pub fn recorded(clock: VirtualClock, channels: Endpoints, boot: Boot, events: PathBuf) -> Self {
        Self {
            kind: Kind::Recorded {
                clock,
                channels,
                events,
            },
            boot,
        }
    }

    /// Returns a guest that does what was recorded in the file `events`.
    pub fn replayed(
        clock: VirtualClock,
        channels: Endpoints,
        boot: Boot,
        events: PathBuf,
        debugger: Debugger,
    ) -> Self {
        Self {
            kind: Kind::Replayed {
                clock,
                channels,
                events,
                debugger,
            },
            boot,
        }
    }

    /// Returns a guest in real time at which the host types commands.
    pub fn real_time(accel: Accel, channels: Endpoints, boot: Boot) -> Self {
        Self {
            kind: Kind::RealTime { accel, channels },
            boot,
        }
    }

    /// Returns the number of the guest's CPUs: QEMU records and replays one only.
    fn cpus(&self) -> u32 {
        match self.kind {
            Kind::Recorded { .. } | Kind::Replayed { .. } => 1,
            _ => self.boot.hardware.cpus,
        }
    }

    /// Reports whether QEMU records the guest.
    pub(super) fn records(&self) -> bool {
        matches!(self.kind, Kind::Recorded { .. })
    }

    /// Returns the guest's clock if the guest is in virtual time.
    pub(super) fn virtual_clock(&self) -> Option<VirtualClock> {
        match &self.kind {
            Kind::Scripted { clock, .. }
            | Kind::Snapshot { clock, .. }
            | Kind::Recorded { clock, .. }
            | Kind::Replayed { clock, .. } => Some(*clock),
            Kind::Interactive { .. }
            | Kind::Batch { .. }
            | Kind::KvmProbe(_)
            | Kind::RealTime { .. } => None,
        }
    }

    /// Reports whether the host may send the guest an interrupt. A recording has no place for
    /// one.
    pub(super) fn may_be_interrupted(&self) -> bool {
        !matches!(self.kind, Kind::Recorded { .. } | Kind::Replayed { .. })
    }
}

#[cfg(test)]
mod tests;
