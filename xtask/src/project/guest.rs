//! The guest that a project asks for.

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::failure::{Failure, Fault};
use crate::kernel::{Configuration, OptionSet};
use crate::session::Session;
use crate::vm::{DeviceText, Hardware, MachineType, RequestedDevice, check_devices};

/// The CPUs that a guest can have; the kernel has room for as many.
pub const CPUS: RangeInclusive<i64> = 1..=8;

/// The memory that a guest can have, in MiB.
pub const MEMORY_MIB: RangeInclusive<i64> = 64..=65536;

/// The name of a type of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MachineName {
    /// The smallest machine, without PCI and ACPI
    Microvm,
    /// A PC with PCI and ACPI
    Q35,
}

impl MachineName {
    /// Returns the name as the command line and `kmodlab.toml` have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microvm => "microvm",
            Self::Q35 => "q35",
        }
    }
}

/// The guest that a project asks for; the default one where it asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestChoice {
    /// CPUs.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u32>,
    /// Type of machine.
    pub machine: Option<MachineName>,
    /// Devices.
    pub devices: Vec<RequestedDevice>,
    /// Kernel parameters.
    pub kernel_parameters: Vec<String>,
}

/// Parses a device that `origin` has.
///
/// # Errors
///
/// Fails with this fault if the text is not a device, or the device belongs to the host.
pub fn device(text: &str, origin: &str, fault: Fault) -> Result<RequestedDevice> {
    let parsed = DeviceText::parse(text);
    let parsed = parsed.map_err(|what| Failure::of(fault, format!("{origin}: {what}")))?;
    Ok(RequestedDevice {
        text: parsed,
        origin: origin.to_owned(),
        fault,
    })
}

impl GuestChoice {
    /// Checks the numbers and the kernel parameters, which `origin` has.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a number is out of its range or a parameter is not one word.
    pub fn check(&self, origin: &str) -> Result<(), Failure> {
        let refuse = |what: String| Err(Failure::of(Fault::Lesson, format!("{origin}: {what}")));
        let in_range = |name, value: Option<u32>, range: RangeInclusive<i64>| {
            let value = value.filter(|value| !range.contains(&i64::from(*value)));
            let (first, last) = (range.start(), range.end());
            value.map(|value| format!("{name} = {value} is not from {first} to {last}"))
        };
        let wrong = in_range("cpus", self.cpus, CPUS);
        if let Some(what) = wrong.or(in_range("memory", self.memory_mib, MEMORY_MIB)) {
            return refuse(what);
        }
        let is_word = |word: &&String| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"')
        };
        let mut words = self.kernel_parameters.iter();
        match words.find(|word| !is_word(word)) {
            Some(word) => refuse(format!(
                "`{word}` is not one word of the kernel's command line"
            )),
            None => Ok(()),
        }
    }

    /// Returns this choice with the machine for a kernel with these options, unless it names one. On a machine
    /// without ACPI, a kernel with ACPI cannot read QEMU's fw_cfg, from which a guest gets its test case after a
    /// snapshot ("Failed to lock ACPI", drivers/firmware/qemu_fw_cfg.c).
    pub fn for_kernel(mut self, configuration: &Configuration) -> Self {
        let has_acpi = configuration.has_set(OptionSet::Pci);
        self.machine = self.machine.or(has_acpi.then_some(MachineName::Q35));
        self
    }

    /// Reports whether the guest's kernel needs PCI and ACPI.
    pub fn has_pci(&self) -> bool {
        self.machine == Some(MachineName::Q35)
    }

    /// Checks that the machine is one for devices, if there are any.
    ///
    /// # Errors
    ///
    /// Fails with the fault of a device if the machine has no PCI.
    pub fn check_machine(&self) -> Result<(), Failure> {
        let Some(device) = self.devices.first().filter(|_| !self.has_pci()) else {
            return Ok(());
        };
        let RequestedDevice {
            text,
            origin,
            fault,
        } = device;
        let how = match fault {
            Fault::Usage => "--machine q35",
            _ => "machine = \"q35\"",
        };
        let other = match self.machine {
            Some(machine) => format!(", and this guest is a {}", machine.name()),
            None => String::new(),
        };
        let what = format!("{origin}: the device {text} needs {how}, a machine with PCI{other}");
        Err(Failure::of(*fault, what))
    }

    /// Returns the hardware, after QEMU was asked for the devices.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::check_machine`] does, with a usage error if the host has less memory, and with the fault of a device if QEMU cannot have it.
    pub fn hardware(&self, session: &Session) -> Result<Hardware> {
        self.check_machine()?;
        let machine = match self.has_pci() {
            true => MachineType::Q35(check_devices(session, &self.devices)?),
            false => MachineType::Microvm,
        };
        if let Some(memory) = self.memory_mib {
            let host = rustix::system::sysinfo();
            // The units of its numbers may be larger than a byte (sysinfo(2)).
            let host = (host.totalram * u64::from(host.mem_unit)) >> 20;
            ensure!(
                u64::from(memory) < host,
                Failure::usage(format!(
                    "the guest is to have {memory} MiB of memory, and this host has {host} MiB"
                ))
            );
        }
        Ok(Hardware {
            cpus: self.cpus.unwrap_or(Hardware::DEFAULT.cpus),
            memory_mib: self.memory_mib.unwrap_or(Hardware::DEFAULT.memory_mib),
            machine,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Profile;

    #[test]
    fn a_kernel_with_pci_runs_on_q35_unless_a_machine_is_named() {
        let mut configuration = Configuration::from(Profile::Teaching);
        let machine = |named, configuration: &Configuration| {
            let choice = GuestChoice {
                machine: named,
                ..GuestChoice::default()
            };
            choice.for_kernel(configuration).machine
        };
        assert_eq!(machine(None, &configuration), None);
        configuration.add_sets([OptionSet::Pci]);
        assert_eq!(machine(None, &configuration), Some(MachineName::Q35));
        let microvm = Some(MachineName::Microvm);
        assert_eq!(machine(microvm, &configuration), microvm);
    }

    #[test]
    fn numbers_and_words_are_checked() {
        let check = |choice: GuestChoice| {
            choice
                .check("./own/kmodlab.toml")
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(GuestChoice::default()), Ok(()));
        let cpus = GuestChoice {
            cpus: Some(9),
            ..GuestChoice::default()
        };
        let expected = "./own/kmodlab.toml: cpus = 9 is not from 1 to 8";
        assert_eq!(check(cpus), Err(expected.to_owned()));
        let memory = GuestChoice {
            memory_mib: Some(63),
            ..GuestChoice::default()
        };
        assert!(check(memory).is_err());
        let words = |word: &str| GuestChoice {
            kernel_parameters: vec![word.to_owned()],
            ..GuestChoice::default()
        };
        assert_eq!(check(words("watchdog_thresh=10")), Ok(()));
        for word in ["", "a b", "x=\"y\"", "ü"] {
            assert!(check(words(word)).is_err(), "{word}");
        }
    }
}
