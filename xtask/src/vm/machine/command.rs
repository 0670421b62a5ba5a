//! QEMU's command line for a guest.

use kmodlab_protocol::firmware;

use super::super::qmp::EPOCH;
use super::options::{
    batch, device_options, escaped, interactive, log_and_control, real_time, record_devices,
    replay_debugger, tsc_parameters, virtio_port, with_debug,
};
use super::{Accel, Kind, Machine, SavedGuest, SnapshotRole};
use crate::kernel::KernelImage;
use crate::process::Tool;
use crate::toolchain::Toolchain;

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
