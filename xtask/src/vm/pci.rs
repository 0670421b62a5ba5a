//! PCI devices that QEMU leaves out of a guest's state, such as `edu`.
//!
//! In a guest that resumes, such a device is as at power-on. No driver has used it before the
//! snapshot, so only the registers of its PCI header are missing, in which the guest's firmware and
//! kernel have put the addresses of its memory. The host writes them again before the guest runs.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::qmp::Qmp;

/// A register of a PCI header: its offset in bytes. The command and status; the base addresses; the
/// address of the ROM; the interrupt line (PCI specification, "Type 00h Configuration Space
/// Header"). The addresses come before the command, which turns them on.
const REGISTERS: [u8; 9] = [0x3c, 0x30, 0x24, 0x20, 0x1c, 0x18, 0x14, 0x10, 0x04];

/// The ports by which a PC's CPU reads and writes registers of PCI: the address and the data.
const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;

/// A guest's I/O ports, for the host.
pub trait Ports {
    /// Reads 32 bits.
    fn read(&mut self, port: u16) -> Result<u32>;
    /// Writes 32 bits.
    fn write(&mut self, port: u16, value: u32) -> Result<()>;
}

impl Ports for Qmp {
    fn read(&mut self, port: u16) -> Result<u32> {
        // portl[0x0cfc] = 0x12345678
        let answer = self.monitor(&format!("i /wx {port:#x}"))?;
        let value = answer.trim().rsplit_once("0x");
        let value = value.and_then(|(_, digits)| u32::from_str_radix(digits, 16).ok());
        value.with_context(|| format!("QEMU does not read the port {port:#x}"))
    }

    fn write(&mut self, port: u16, value: u32) -> Result<()> {
        let answer = self.monitor(&format!("o /wx {port:#x} {value:#x}"))?;
        ensure!(
            answer.trim().is_empty(),
            "QEMU does not write the port {port:#x}"
        );
        Ok(())
    }
}

/// A PCI device of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciDevice {
    /// Number of its bus.
    pub bus: u8,
    /// Slot on the bus.
    pub slot: u8,
    /// Function in the slot.
    pub function: u8,
    /// The beginning of the names of its parts in a guest's state: `0000:00:02.0`.
    pub path: String,
}

/// The header of a device that a guest's state does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostHeader {
    /// The device, as the address port has it.
    device: u32,
    /// The values of [`REGISTERS`].
    values: Vec<u32>,
}

/// An answer to `query-pci`.
#[derive(Debug, Deserialize)]
pub(super) struct PciBus {
    devices: Vec<BusDevice>,
}

#[derive(Debug, Deserialize)]
struct BusDevice {
    bus: u8,
    slot: u8,
    function: u8,
    pci_bridge: Option<Bridge>,
}

#[derive(Debug, Deserialize)]
struct Bridge {
    #[serde(default)]
    devices: Vec<BusDevice>,
}

impl PciBus {
    /// Returns the devices of a machine's first bus and those behind its bridges, but not the
    /// bridges, whose state QEMU always saves.
    pub(super) fn devices(&self) -> Vec<PciDevice> {
        let mut found = Vec::new();
        collect(&self.devices, "0000:00", &mut found);
        found
    }
}

fn collect(devices: &[BusDevice], parent: &str, found: &mut Vec<PciDevice>) {
    for device in devices {
        let BusDevice {
            bus,
            slot,
            function,
            pci_bridge,
        } = device;
        let path = format!("{parent}:{slot:02x}.{function:x}");
        match pci_bridge {
            Some(bridge) => collect(&bridge.devices, &path, found),
            None => found.push(PciDevice {
                bus: *bus,
                slot: *slot,
                function: *function,
                path,
            }),
        }
    }
}

/// Returns the headers of those of a stopped guest's devices that `state`, the guest's state, does
/// not have.
///
/// # Errors
///
/// If a port cannot be read.
pub fn lost_headers(
    ports: &mut impl Ports,
    devices: &[PciDevice],
    state: &[u8],
) -> Result<Vec<LostHeader>> {
    let is_saved = |device: &&PciDevice| {
        let name = format!("{}/", device.path);
        let mut windows = state.windows(name.len());
        windows.any(|window| window == name.as_bytes())
    };
    let mut headers = Vec::new();
    for device in devices.iter().filter(|device| !is_saved(device)) {
        let place = u32::from(device.bus) << 16
            | u32::from(device.slot) << 11
            | u32::from(device.function) << 8;
        let device = 1 << 31 | place;
        let mut values = Vec::new();
        for register in REGISTERS {
            ports.write(ADDRESS_PORT, device | u32::from(register))?;
            values.push(ports.read(DATA_PORT)?);
        }
        headers.push(LostHeader { device, values });
    }
    Ok(headers)
}

/// Writes the headers into the devices of a stopped guest.
///
/// # Errors
///
/// If a port cannot be written.
pub fn restore_headers(ports: &mut impl Ports, headers: &[LostHeader]) -> Result<()> {
    for LostHeader { device, values } in headers {
        for (register, value) in REGISTERS.iter().zip(values) {
            ports
                .write(ADDRESS_PORT, device | u32::from(*register))
                .and_then(|()| ports.write(DATA_PORT, *value))
                .context("a PCI device of the guest cannot be set up")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Registers by their address.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    struct FakePorts {
        address: u32,
        registers: BTreeMap<u32, u32>,
    }

    impl Ports for FakePorts {
        fn read(&mut self, port: u16) -> Result<u32> {
            assert_eq!(port, DATA_PORT);
            Ok(self.registers.get(&self.address).copied().unwrap_or(0))
        }

        fn write(&mut self, port: u16, value: u32) -> Result<()> {
            match port {
                ADDRESS_PORT => self.address = value,
                _ => {
                    self.registers.insert(self.address, value);
                }
            }
            Ok(())
        }
    }

    #[test]
    fn devices_behind_bridges_have_paths() -> Result<()> {
        let answer = r#"{"bus": 0, "devices": [
            {"bus": 0, "slot": 1, "function": 0, "qdev_id": "", "irq": 11},
            {"bus": 0, "slot": 3, "function": 0, "pci_bridge":
                {"bus": {}, "devices": [{"bus": 1, "slot": 0, "function": 2}]}}]}"#;
        let bus: PciBus = serde_json::from_str(answer)?;
        let paths: Vec<String> = bus.devices().into_iter().map(|it| it.path).collect();
        assert_eq!(paths, ["0000:00:01.0", "0000:00:03.0:00.2"]);
        Ok(())
    }

    #[test]
    fn the_header_of_a_device_that_is_not_saved_is_written_again() -> Result<()> {
        let device = |slot: u8| PciDevice {
            bus: 0,
            slot,
            function: 0,
            path: format!("0000:00:{slot:02x}.0"),
        };
        let devices = [device(1), device(2)];
        let mut ports = FakePorts::default();
        let base = 0x8000_1010;
        ports.registers.insert(base, 0xfea0_0000);
        ports.registers.insert(0x8000_0810, 0xfeb0_0000);
        let state = b"\x1b0000:00:01.0/virtio-console\0\x0e0000:00:02.0:00.0/x";
        let headers = lost_headers(&mut ports, &devices, state)?;
        assert_eq!(headers.len(), 1);
        let mut resumed = FakePorts::default();
        restore_headers(&mut resumed, &headers)?;
        assert_eq!(resumed.registers.get(&base), Some(&0xfea0_0000));
        assert!(!resumed.registers.contains_key(&0x8000_0810));
        // The command comes last.
        assert_eq!(resumed.address, 0x8000_1004);
        Ok(())
    }
}
