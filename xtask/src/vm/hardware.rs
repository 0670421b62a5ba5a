//! The hardware of a guest.

use super::device::Device;

/// A guest's CPUs and memory, and QEMU's type of machine with its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Type of machine.
    pub machine: MachineType,
}

/// A type of machine that QEMU emulates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MachineType {
    /// The smallest machine that QEMU has: no firmware, no PCI, no ACPI.
    #[default]
    Microvm,
    /// A PC with PCI Express and ACPI, and these devices on top of kmodlab's.
    Q35(Vec<Device>),
}

impl Hardware {
    /// The hardware of a guest unless the user chooses another: two CPUs, so that threads
    /// really run side by side.
    pub const DEFAULT: Self = Self {
        cpus: 2,
        memory_mib: 256,
        machine: MachineType::Microvm,
    };
}

impl MachineType {
    /// Returns QEMU's option `-M`.
    ///
    /// The kernel of a `microvm` is started by PVH, and keeps the PIT without ACPI, which it needs
    /// to measure the rate of the TSC. Of a `q35`, the parts are left out that no guest uses and
    /// that take its firmware and its kernel time; without an HPET, the kernel has the same timers
    /// on both.
    pub(super) fn option(&self) -> &'static str {
        match self {
            Self::Microvm => "microvm,acpi=off,isa-serial=on,rtc=on",
            Self::Q35(_) => "q35,smm=off,vmport=off,hpet=off,sata=off,smbus=off,i8042=off",
        }
    }

    /// Returns the bus of the agent's channel, whose port 0 the kernel keeps for a console. With a
    /// larger number of ports, 31 by default, the guest looks at all of them after each write.
    ///
    /// On PCI its slot is the first, so that it is the kernel's first virtio device. For
    /// `ioeventfd=off`, see [`Self::virtio_properties`].
    pub(super) fn virtio_serial(&self) -> &'static str {
        match self {
            Self::Microvm => "virtio-serial-device,max_ports=2",
            Self::Q35(_) => {
                "virtio-serial-pci,max_ports=2,disable-legacy=on,ioeventfd=off,addr=1.0"
            }
        }
    }

    /// Returns options for the transports that the machine itself has. With ioeventfd, QEMU's main
    /// thread would answer the guest at some later instruction: of 20 snapshots with QEMU 10, no two
    /// were identical, and without it the second was. With QEMU 7.2, they are identical in any case.
    pub(super) fn virtio_properties(&self) -> &'static [&'static str] {
        match self {
            Self::Microvm => &["-global", "virtio-mmio.ioeventfd=off"],
            Self::Q35(_) => &[],
        }
    }

    /// Reports whether the machine describes itself to the kernel by ACPI.
    pub(super) fn has_acpi(&self) -> bool {
        matches!(self, Self::Q35(_))
    }

    /// Returns the user's devices.
    pub(super) fn devices(&self) -> &[Device] {
        match self {
            Self::Microvm => &[],
            Self::Q35(devices) => devices,
        }
    }
}
