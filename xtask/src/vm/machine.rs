//! A guest's hardware, as QEMU's command line.
//!
//! There is a constructor for each kind of guest; other combinations do not exist.

mod options;

use std::path::PathBuf;

use kmodlab_protocol::firmware;

use super::channels::Endpoints;
use super::firmware::FirmwareFiles;
use super::hardware::Hardware;
use super::qmp::EPOCH;
use crate::kernel::KernelImage;
use crate::process::Tool;
use crate::toolchain::Toolchain;
use options::{
    batch, escaped, interactive, log_and_control, real_time, record_devices, replay_debugger,
    tsc_parameters, virtio_port, with_debug,
};

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

/// Room for kmodlab's files in fw_cfg, beside those of a firmware with ACPI: 32 is the default.
const MORE_FIRMWARE_FILES: [&str; 2] = ["-global", "fw_cfg.x-file-slots=64"];

/// TCG's own CPU with an instruction for random numbers, which are the same in every run.
/// Without one the kernel has no source that it trusts, and makes each number from all its
/// sources: 1.5 % of the instructions of a lesson.
const RANDOM: [&str; 4] = ["-cpu", "qemu64,+rdrand", "-seed", "1"];

/// System calls that QEMU denies itself, so that a guest that takes QEMU over can start no program
/// and gain no privilege (QEMU manual, `-sandbox`). xtask binds QEMU to a CPU before its start.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// Kernel parameters of every guest.
///
/// A panic resets the guest at once, by a triple fault, and `-no-reboot` turns that into the
/// end of QEMU. The kernel makes two NUMA nodes of the memory.
const KERNEL_PARAMETERS: [&str; 4] = ["console=ttyS0", "reboot=t", "panic=-1", "numa=fake=2"];

/// TSC ticks of a millisecond in virtual time, where the TSC counts nanoseconds.
const VIRTUAL_TSC_KHZ: u64 = 1_000_000;

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

    /// Returns QEMU's command line for `kernel`.
    pub fn command(&self, toolchain: &Toolchain, kernel: &KernelImage) -> Tool {
        let mut parameters: Vec<String> = KERNEL_PARAMETERS.map(str::to_owned).to_vec();
        let machine = &self.boot.hardware.machine;
        let mut tool = Tool::new(&toolchain.qemu).args(["-M", machine.option()]);
        tool = self.clock(tool, &mut parameters);
        let (cpus, memory_mib) = (self.cpus(), self.boot.hardware.memory_mib);
        tool = tool
            .arg("-kernel")
            .arg(kernel.vmlinux())
            .arg("-initrd")
            .arg(&self.boot.initrd)
            .args(["-smp", &cpus.to_string(), "-m", &memory_mib.to_string()])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-no-reboot");
        if toolchain.qemu_has_sandbox {
            tool = tool.args(["-sandbox", SANDBOX]);
        }
        tool = match &self.kind {
            Kind::Interactive { gdb, reload, .. } => {
                let tool = interactive(tool, *gdb);
                match reload {
                    Some(socket) => virtio_port(tool, machine, "socket", socket),
                    None => tool,
                }
            }
            Kind::Batch { report, .. } => batch(tool, report),
            Kind::KvmProbe(channels) => log_and_control(tool, channels),
            Kind::Scripted { channels, .. } => {
                virtio_port(with_debug(tool, channels), machine, "file", &channels.agent)
            }
            Kind::RealTime { channels, .. } => virtio_port(
                with_debug(tool, channels),
                machine,
                "socket",
                &channels.agent,
            ),
            Kind::Snapshot {
                channels,
                saved,
                role,
                ..
            } => {
                if !machine.has_acpi() {
                    parameters.push(firmware::KERNEL_PARAMETER.to_owned());
                }
                let tool =
                    virtio_port(with_debug(tool, channels), machine, "file", &channels.agent);
                self.snapshot_devices(tool, saved, *role)
            }
            Kind::Recorded { channels, .. } => record_devices(tool, &mut parameters, channels),
            Kind::Replayed {
                channels, debugger, ..
            } => {
                let tool = record_devices(tool, &mut parameters, channels);
                replay_debugger(tool, channels, debugger)
            }
        };
        tool = tool.args(device_options(machine.devices()));
        parameters.extend(self.boot.kernel_parameters.iter().cloned());
        tool.args(["-append", &parameters.join(" ")])
    }

    /// Adds the options of the guest's clock and CPU, and of how the host schedules QEMU.
    fn clock(&self, tool: Tool, parameters: &mut Vec<String>) -> Tool {
        // The host reads the guest's age from the guest's real-time clock; in an interactive
        // guest, a person reads the date from it.
        let age = format!("clock=vm,base={EPOCH}");
        match &self.kind {
            Kind::Interactive { accel, .. } | Kind::Batch { accel, .. } => {
                real_time(tool, *accel, parameters)
            }
            Kind::KvmProbe(_) => real_time(tool, Accel::Kvm, parameters),
            Kind::RealTime { accel, .. } => {
                real_time(tool, *accel, parameters).args(["-rtc", &age])
            }
            Kind::Scripted { clock, .. }
            | Kind::Snapshot { clock, .. }
            | Kind::Recorded { clock, .. }
            | Kind::Replayed { clock, .. } => {
                parameters.extend(tsc_parameters(VIRTUAL_TSC_KHZ));
                let mut icount = format!("shift={},sleep=off", clock.shift);
                match &self.kind {
                    Kind::Recorded { events, .. } => {
                        icount.push_str(&format!(",rr=record,rrfile={}", escaped(events)));
                    }
                    Kind::Replayed { events, .. } => {
                        icount.push_str(&format!(",rr=replay,rrfile={}", escaped(events)));
                    }
                    _ => {}
                }
                let tool = tool
                    .args(["-accel", "tcg", "-icount", &icount])
                    .args(RANDOM)
                    .args(["-rtc", &age]);
                self.host_scheduling(tool)
            }
        }
    }

    fn host_scheduling(&self, tool: Tool) -> Tool {
        match &self.kind {
            // See `snapshot_taking` for the reason.
            Kind::Snapshot { role, .. } if *role != SnapshotRole::Resumes => tool.batch(),
            // At each recorded event, QEMU's main thread and that of the CPU wait for each
            // other, which costs more time if they take the host's CPU from each other.
            Kind::Replayed { .. } => tool.batch(),
            _ => tool,
        }
    }

    /// Adds memory in a file, a device by which the guest asks to be stopped, and one that
    /// brings documents.
    fn snapshot_devices(&self, tool: Tool, saved: &SavedGuest, role: SnapshotRole) -> Tool {
        let SavedGuest { memory, firmware } = saved;
        // A resumed guest's writes to a private mapping stay its own.
        let share = match role {
            SnapshotRole::Boots | SnapshotRole::ResumesAndIsSaved => "on",
            SnapshotRole::Resumes => "off",
        };
        let options = format!(
            "memory-backend-file,id=ram,size={}M,share={share},mem-path={}",
            self.boot.hardware.memory_mib,
            escaped(memory)
        );
        let mut tool = tool
            .args(["-object", &options])
            .args(["-machine", "memory-backend=ram"])
            .args(["-device", "pvpanic", "-action", "panic=pause"]);
        if self.boot.hardware.machine.has_acpi() {
            tool = tool.args(MORE_FIRMWARE_FILES);
        }
        for (name, file) in firmware.files() {
            let option = format!("name={name},file={}", escaped(&file));
            tool = tool.args(["-fw_cfg", &option]);
        }
        match role {
            SnapshotRole::Boots => tool,
            SnapshotRole::ResumesAndIsSaved | SnapshotRole::Resumes => {
                tool.args(["-incoming", "defer"])
            }
        }
    }
}

#[cfg(test)]
mod tests;
