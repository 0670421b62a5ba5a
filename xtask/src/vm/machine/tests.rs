//! The command line of each kind of guest, in the files of `command_lines/`
//! (`SNAPSHOTS=overwrite cargo test` updates them).

use snapbox::{assert_data_eq, file};

use super::super::device::DeviceText;
use super::super::test_values::{kernel, toolchain};
use std::path::Path;

use super::super::device::Device;
use super::super::hardware::MachineType;
use super::*;

const CLOCK: VirtualClock = VirtualClock { shift: 5 };

fn boot() -> Boot {
    Boot {
        initrd: PathBuf::from("a folder/init,rd"),
        kernel_parameters: vec!["quiet".to_owned()],
        hardware: Hardware::DEFAULT,
    }
}

/// Returns a boot on a q35 with a device.
fn pci_boot() -> Boot {
    let device = DeviceText::parse("edu,addr=2.0").expect("a device");
    let hardware = Hardware {
        machine: MachineType::Q35(vec![Device(device)]),
        ..Hardware::DEFAULT
    };
    Boot { hardware, ..boot() }
}

fn firmware() -> FirmwareFiles {
    FirmwareFiles::at(Path::new("firmware"))
}

/// Returns a command line with one option in each line. The rate of the host's TSC and the
/// host's CPU are left out.
fn lines(machine: &Machine) -> String {
    let command = machine.command(&toolchain(), &kernel("kernel")).quoted();
    let words = shlex::split(&command).expect("it is quoted");
    let mut lines = String::new();
    for word in words {
        let word: Vec<&str> = word
            .split(' ')
            .map(|part| match part.split_once('=') {
                Some(("tsc_early_khz" | "lpj", number))
                    if number != "1000000" && number != "4000000" =>
                {
                    "host's rate"
                }
                _ => part,
            })
            .collect();
        let separator = if word[0].starts_with('-') { "\n" } else { " " };
        lines.push_str(separator);
        lines.push_str(&word.join(" "));
    }
    lines.trim_start().to_owned() + "\n"
}

#[test]
fn interactive_guests() {
    let hardware = Hardware {
        cpus: 4,
        memory_mib: 512,
        ..Hardware::DEFAULT
    };
    let larger = Boot { hardware, ..boot() };
    let tcg = Machine::interactive(Accel::Tcg, larger, None, Some("a folder/reload".into()));
    assert_data_eq!(lines(&tcg), file!["command_lines/interactive-tcg.txt"]);
    let kvm = Machine::interactive(Accel::Kvm, boot(), Some(1234), None);
    assert_data_eq!(lines(&kvm), file!["command_lines/interactive-kvm-gdb.txt"]);
    let batch = Machine::batch(Accel::Tcg, boot(), "a folder/report".into());
    assert_data_eq!(lines(&batch), file!["command_lines/batch-tcg.txt"]);
}

#[test]
fn a_guest_that_probes_kvm() {
    let machine = Machine::kvm_probe(Endpoints::names(), boot());
    assert_data_eq!(lines(&machine), file!["command_lines/kvm-probe.txt"]);
}

#[test]
fn a_guest_that_boots_for_one_run() {
    let machine = Machine::scripted(CLOCK, Endpoints::names(), boot());
    assert_data_eq!(lines(&machine), file!["command_lines/scripted.txt"]);
}

#[test]
fn guests_of_snapshots() {
    let (channels, memory) = (Endpoints::names, || PathBuf::from("memory"));
    let boots = Machine::to_be_saved(CLOCK, channels(), boot(), memory(), firmware());
    assert_data_eq!(lines(&boots), file!["command_lines/to-be-saved.txt"]);
    let again = Machine::to_be_saved_again(CLOCK, channels(), boot(), memory(), firmware());
    assert_data_eq!(lines(&again), file!["command_lines/to-be-saved-again.txt"]);
    let resumed = Machine::resumed(CLOCK, channels(), boot(), memory(), firmware());
    assert_data_eq!(lines(&resumed), file!["command_lines/resumed.txt"]);
}

#[test]
fn guests_of_recordings() {
    let (channels, events) = (Endpoints::names, || PathBuf::from("events"));
    let recorded = Machine::recorded(CLOCK, channels(), boot(), events());
    assert_data_eq!(lines(&recorded), file!["command_lines/recorded.txt"]);
    let replayed = |debugger| Machine::replayed(CLOCK, channels(), boot(), events(), debugger);
    assert_data_eq!(
        lines(&replayed(Debugger::None)),
        file!["command_lines/replayed.txt"]
    );
    assert_data_eq!(
        lines(&replayed(Debugger::Forwards)),
        file!["command_lines/replayed-forwards.txt"]
    );
    assert_data_eq!(
        lines(&replayed(Debugger::Backwards("disk".into()))),
        file!["command_lines/replayed-backwards.txt"]
    );
}

#[test]
fn guests_in_real_time() {
    let tcg = Machine::real_time(Accel::Tcg, Endpoints::names(), boot());
    assert_data_eq!(lines(&tcg), file!["command_lines/real-time-tcg.txt"]);
    let kvm = Machine::real_time(Accel::Kvm, Endpoints::names(), boot());
    assert_data_eq!(lines(&kvm), file!["command_lines/real-time-kvm.txt"]);
}

#[test]
fn guests_with_pci() {
    let (channels, memory) = (Endpoints::names, || PathBuf::from("memory"));
    let interactive = Machine::interactive(Accel::Tcg, pci_boot(), None, Some("reload".into()));
    assert_data_eq!(
        lines(&interactive),
        file!["command_lines/q35-interactive.txt"]
    );
    let scripted = Machine::scripted(CLOCK, channels(), pci_boot());
    assert_data_eq!(lines(&scripted), file!["command_lines/q35-scripted.txt"]);
    let boots = Machine::to_be_saved(CLOCK, channels(), pci_boot(), memory(), firmware());
    assert_data_eq!(lines(&boots), file!["command_lines/q35-to-be-saved.txt"]);
    let resumed = Machine::resumed(CLOCK, channels(), pci_boot(), memory(), firmware());
    assert_data_eq!(lines(&resumed), file!["command_lines/q35-resumed.txt"]);
    let recorded = Machine::recorded(CLOCK, channels(), pci_boot(), "events".into());
    assert_data_eq!(lines(&recorded), file!["command_lines/q35-recorded.txt"]);
    let real_time = Machine::real_time(Accel::Kvm, channels(), pci_boot());
    assert_data_eq!(lines(&real_time), file!["command_lines/q35-real-time.txt"]);
}
