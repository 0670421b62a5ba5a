//! Checks a user's devices with QEMU, before a kernel is built for their guest.
//!
//! QEMU lists its devices (`-device help`) and the type of each of a device's properties
//! (`-device NAME,help`). At last a machine with all of the devices and the agent's channel is made and
//! not started, for QEMU's own reasons to refuse one.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::device::{Device, DeviceText};
use super::hardware::MachineType;
use crate::failure::{Failure, Fault};
use crate::process::Tool;
use crate::session::Session;
use crate::temporary::guest_folder;
use crate::toolchain::{self, ToolAnswers};

/// Types of properties whose values are numbers and switches. A value of another type can name a
/// file, a socket or a device of the host.
const HARMLESS: [&str; 13] = [
    "bool",
    "OnOffAuto",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "size",
    "double",
];

/// Properties with texts that are for the guest alone.
const FOR_GUEST: [&str; 3] = ["mac", "serial", SLOT];

/// The property with the slot of a device on PCI.
const SLOT: &str = "addr";

/// The types of [`SLOT`] in QEMU 7.2 and 10. Nothing else has a property of this name with one of them.
const SLOT_TYPES: [&str; 2] = ["int32", "str"];

/// The slot of the first device on PCI that does not name one. The agent's channel is in slot 1.
const FIRST_SLOT: usize = 2;

/// A device that the user asks for. Two are equal if their texts are, whoever asks.
#[derive(Debug, Clone)]
pub struct RequestedDevice {
    /// The device.
    pub text: DeviceText,
    /// The file or the option that has it, for messages.
    pub origin: String,
    /// The party that is at fault if QEMU cannot have it.
    pub fault: Fault,
}

impl PartialEq for RequestedDevice {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RequestedDevice {}

impl RequestedDevice {
    fn failure(&self, what: &str) -> anyhow::Error {
        Failure::of(self.fault, format!("{}: {what}", self.origin)).into()
    }
}

/// Returns the devices for a guest. A device on PCI without a slot gets one, so that it is the same
/// in every kind of guest.
///
/// # Errors
///
/// Fails with the fault of a device if QEMU does not have it or one of its properties, if a property
/// could reach the host, or if QEMU cannot put the devices into one machine.
pub fn check_devices(session: &Session, requested: &[RequestedDevice]) -> Result<Vec<Device>> {
    let Some(last) = requested.last() else {
        return Ok(Vec::new());
    };
    let qemu = toolchain::qemu(session)?;
    let mut answers = ToolAnswers::load(&session.cache)?;
    let list = answers
        .ask(&qemu, &["-device", "help"])
        .with_context(|| format!("{} does not list its devices", qemu.display()))?;
    let mut devices = Vec::new();
    for (number, device) in requested.iter().enumerate() {
        let name = &device.text.name;
        if !names(&list).any(|known| known == name) {
            return Err(device.failure(&unknown(name, &list)));
        }
        let properties = answers
            .ask(&qemu, &["-device", &format!("{name},help")])
            .ok_or_else(|| {
                device.failure(&format!(
                    "QEMU does not describe the device `{name}`; a module of QEMU's that it needs may \
                     be missing on this host"
                ))
            })?;
        check_properties(&device.text, &properties).map_err(|what| device.failure(&what))?;
        devices.push(placed(&device.text, &properties, FIRST_SLOT + number));
    }
    let options: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let question = format!("{} a q35 with {}", qemu.display(), options.join(" "));
    let mut refused = None;
    answers.answer(question, &qemu, || match refusal(&qemu, &devices) {
        Ok(None) => Some(String::new()),
        other => {
            refused = Some(other);
            None
        }
    });
    answers.save()?;
    match refused {
        None => Ok(devices),
        Some(refused) => {
            let what = refused?.unwrap_or_default();
            // The message names the device.
            Err(last.failure(&format!("QEMU refuses the devices: {what}")))
        }
    }
}

/// Returns QEMU's message if it cannot make a machine with these devices.
fn refusal(qemu: &Path, devices: &[Device]) -> Result<Option<String>> {
    let folder = guest_folder()?;
    // QEMU reads its monitor's commands from the first file.
    let monitor = folder.path().join("monitor");
    for (end, text) in [("in", "quit\n"), ("out", "")] {
        let path = monitor.with_extension(end);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let chardev = super::machine::chardev("pipe,id=monitor", &monitor);
    let machine = MachineType::Q35(Vec::new());
    let mut tool = Tool::new(qemu)
        .args(["-M", machine.option(), "-S"])
        .args(["-device", machine.virtio_serial()])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-chardev", &chardev, "-mon", "chardev=monitor"])
        .env("LC_ALL", "C");
    for option in super::machine::device_options(devices) {
        tool = tool.arg(option);
    }
    let (status, _, stderr) = tool.capture()?;
    // qemu-system-x86_64: -device nvme,addr=2.0: drive property not set
    let message = stderr.trim();
    let message = message.split_once(": ").map_or(message, |(_, rest)| rest);
    Ok((!status.success()).then(|| message.to_owned()))
}

/// Returns the names of all devices, by `-device help`:
/// `name "virtio-net-pci", bus PCI, alias "virtio-net"`.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let quoted = |line, marker: &str| {
        let (_, rest): (&str, &str) = str::split_once(line, marker)?;
        Some(rest.split_once('"')?.0)
    };
    list.lines()
        .filter(|line| line.starts_with("name \""))
        .flat_map(move |line| [quoted(line, "name \""), quoted(line, ", alias \"")])
        .flatten()
}

/// Returns the message for a device that QEMU does not have.
fn unknown(name: &str, list: &str) -> String {
    let mut message = format!("QEMU has no device `{name}`");
    let near = names(list).map(|known| (strsim::levenshtein(name, known), known));
    let near = near.min().filter(|(distance, _)| *distance <= 3);
    if let Some((_, known)) = near {
        let _ = write!(message, "; did you mean `{known}`?");
    }
    message + " `qemu-system-x86_64 -device help` lists all"
}

/// Returns the type of a property, by `-device NAME,help`: `  dma_mask=<uint64>   - Words`.
fn type_of<'a>(property: &str, properties: &'a str) -> Option<&'a str> {
    let mut lines = properties.lines();
    lines.find_map(|line| {
        let rest = line.trim_start().strip_prefix(property)?;
        rest.strip_prefix("=<")?.split('>').next()
    })
}

fn check_properties(device: &DeviceText, properties: &str) -> Result<(), String> {
    let name = &device.name;
    for property in device.own_properties() {
        match type_of(property, properties) {
            None => {
                return Err(format!(
                    "QEMU's device `{name}` has no property `{property}`; \
                     `qemu-system-x86_64 -device {name},help` lists all"
                ));
            }
            Some(kind) if !HARMLESS.contains(&kind) && !FOR_GUEST.contains(&property) => {
                return Err(format!(
                    "the property `{property}` of the device `{name}` may name something of the \
                     host; a guest's devices have numbers and switches only"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Returns the device in this slot, if it is on PCI and names neither a slot nor a bus.
fn placed(device: &DeviceText, properties: &str, slot: usize) -> Device {
    let mut device = device.clone();
    let is_free = !device.has(SLOT) && !device.has("bus");
    if is_free && type_of(SLOT, properties).is_some_and(|kind| SLOT_TYPES.contains(&kind)) {
        let address = (SLOT.to_owned(), format!("{slot:x}.0"));
        device.properties.push(address);
    }
    Device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Misc devices:\nname \"edu\", bus PCI, desc \"An educational device\"\n\
                        name \"virtio-net-pci\", bus PCI, alias \"virtio-net\"\n";

    const PROPERTIES: &str = "edu options:\n  addr=<int32>           - Slot (default: -1)\n\
                              \x20 dma_mask=<uint64>\n  romfile=<str>\n";

    fn device(text: &str) -> DeviceText {
        DeviceText::parse(text).expect(text)
    }

    #[test]
    fn devices_are_found_by_names_and_aliases() {
        let found: Vec<&str> = names(LIST).collect();
        assert_eq!(found, ["edu", "virtio-net-pci", "virtio-net"]);
        let message = unknown("edo", LIST);
        assert!(message.starts_with("QEMU has no device `edo`; did you mean `edu`?"));
        assert!(!unknown("something", LIST).contains("did you mean"));
    }

    #[test]
    fn only_numbers_and_switches_can_be_set() {
        let check = |text| check_properties(&device(text), PROPERTIES);
        assert_eq!(check("edu,dma_mask=0xffff,id=a,bus=b"), Ok(()));
        let refused = check("edu,romfile=passwd").expect_err("a file");
        assert!(
            refused.contains("`romfile` of the device `edu`"),
            "{refused}"
        );
        for text in ["edu,driver=vfio", "edu,dma=1", "edu,mask=1"] {
            let refused = check(text).expect_err(text);
            assert!(refused.contains("has no property"), "{refused}");
        }
    }

    #[test]
    fn a_device_on_pci_has_a_slot() {
        for properties in [PROPERTIES, &PROPERTIES.replace("int32", "str")] {
            let placed_option = |text| placed(&device(text), properties, 10).to_string();
            assert_eq!(placed_option("edu"), "edu,addr=a.0");
            assert_eq!(placed_option("edu,addr=5.0"), "edu,addr=5.0");
            assert_eq!(placed_option("edu,bus=b"), "edu,bus=b");
            assert_eq!(
                check_properties(&device("edu,addr=5.0"), properties),
                Ok(())
            );
        }
        assert_eq!(placed(&device("edu"), "", 2).to_string(), "edu");
    }
}
