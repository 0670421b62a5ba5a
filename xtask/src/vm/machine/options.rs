//! QEMU's options, for one part of a machine at a time.

use std::path::Path;

use kmodlab_protocol::{CHANNEL_PORT, CHANNEL_VARIABLE, SERIAL_CHANNEL};

use super::{Accel, Debugger};
use crate::process::Tool;
use crate::vm::channels::Endpoints;
use crate::vm::device::Device;
use crate::vm::hardware::MachineType;
use crate::vm::tsc;

/// Gives a sound device among the user's no sound device of the host.
const NO_SOUND: [&str; 2] = ["-audiodev", "none,id=none"];

/// Lets the kernel use the second serial line.
const SECOND_SERIAL: &str = "8250.nr_uarts=2";

pub(super) fn real_time(tool: Tool, accel: Accel, parameters: &mut Vec<String>) -> Tool {
    let tool = tool.args(["-accel", accel.name()]);
    match accel {
        Accel::Tcg => {
            parameters.extend(tsc::host_khz().into_iter().flat_map(tsc_parameters));
            tool
        }
        // The guest asks KVM for the rate.
        Accel::Kvm => tool.args(["-cpu", "host"]),
    }
}

/// Adds the terminal, with the kernel's log and the shell together.
pub(super) fn interactive(tool: Tool, gdb: Option<u16>) -> Tool {
    let tool = tool
        .args(["-chardev", "stdio,id=terminal,mux=on,signal=off"])
        .args(["-serial", "chardev:terminal", "-mon", "chardev=terminal"]);
    match gdb {
        Some(port) => tool.args(["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]),
        None => tool,
    }
}

/// Adds a console that only prints, and the debug console.
pub(super) fn batch(tool: Tool, report: &Path) -> Tool {
    tool.args(["-chardev", "stdio,id=terminal,signal=off"])
        .args(["-serial", "chardev:terminal"])
        .args(["-chardev", &chardev("file,id=debug", report)])
        .args(["-device", "isa-debugcon,iobase=0xe9,chardev=debug"])
}

pub(super) fn log_and_control(tool: Tool, channels: &Endpoints) -> Tool {
    tool.args(["-chardev", &chardev("file,id=log", &channels.log)])
        .args(["-serial", "chardev:log"])
        .args(["-chardev", &chardev("socket,id=control", &channels.control)])
        .args(["-mon", "chardev=control,mode=control"])
}

pub(super) fn with_debug(tool: Tool, channels: &Endpoints) -> Tool {
    log_and_control(tool, channels)
        .args(["-chardev", &chardev("file,id=debug", &channels.debug)])
        .args(["-device", "isa-debugcon,iobase=0xe9,chardev=debug"])
}

/// Adds the agent's channel, a virtio serial port.
pub(super) fn virtio_port(tool: Tool, machine: &MachineType, kind: &str, path: &Path) -> Tool {
    let port = format!("virtserialport,chardev=agent,nr={CHANNEL_PORT}");
    tool.args(["-chardev", &chardev(&format!("{kind},id=agent"), path)])
        .args(machine.virtio_properties())
        .args(["-device", machine.virtio_serial(), "-device", &port])
}

/// Adds the channels of a guest that is recorded or replayed.
///
/// The agent's channel is a serial line: QEMU's virtio serial device sets a timer when an
/// internal snapshot of it is loaded, which was not recorded, and the replay would stop there
/// (virtio_serial_post_load_timer_cb in hw/char/virtio-serial-bus.c).
pub(super) fn record_devices(
    tool: Tool,
    parameters: &mut Vec<String>,
    channels: &Endpoints,
) -> Tool {
    parameters.push(SECOND_SERIAL.to_owned());
    parameters.push(format!("{CHANNEL_VARIABLE}={SERIAL_CHANNEL}"));
    with_debug(tool, channels)
        .args(["-chardev", &chardev("file,id=agent", &channels.agent)])
        .args(["-device", "isa-serial,index=1,chardev=agent"])
        // A device that only a guest under KVM has a use for. When a debugger runs backwards,
        // QEMU resets it in its main thread, which waits for the CPU there while the CPU waits
        // for that thread's lock (vapic_reset in hw/i386/kvmvapic.c; seen with QEMU 7.2).
        .args(["-global", "apic-common.vapic=off"])
}

pub(super) fn replay_debugger(tool: Tool, channels: &Endpoints, debugger: &Debugger) -> Tool {
    let tool = match debugger {
        Debugger::None => return tool,
        Debugger::Forwards => tool,
        // QEMU takes a snapshot when a debugger attaches. The guest does not see the disk.
        Debugger::Backwards(disk) => {
            let disk = format!("if=none,format=qcow2,file={}", escaped(disk));
            tool.args(["-drive", &disk])
        }
    };
    let socket = format!("unix:{},server=on,wait=off", escaped(&channels.gdb));
    tool.args(["-gdb", &socket, "-S"])
}

/// Returns the options for a user's devices; none without a device.
pub(in crate::vm) fn device_options(devices: &[Device]) -> Vec<String> {
    if devices.is_empty() {
        return Vec::new();
    }
    let devices = devices
        .iter()
        .flat_map(|device| ["-device".to_owned(), device.to_string()]);
    NO_SOUND
        .map(str::to_owned)
        .into_iter()
        .chain(devices)
        .collect()
}

/// Returns QEMU's option `-chardev` of this kind with a path.
pub(in crate::vm) fn chardev(kind: &str, path: &Path) -> String {
    format!("{kind},path={}", escaped(path))
}

/// Returns a path as a part of one of QEMU's options, which are separated by commas: a doubled
/// comma is a letter.
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Returns kernel parameters that save the kernel from measuring the rate of an emulated CPU's
/// clocks: `khz` ticks a millisecond, and `lpj`, the delay loop's turns in a tick of 1/250 s,
/// which it would compute from the former.
pub(super) fn tsc_parameters(khz: u64) -> [String; 4] {
    [
        "no_timer_check".to_owned(),
        "tsc=reliable".to_owned(),
        format!("tsc_early_khz={khz}"),
        format!("lpj={}", khz * 4),
    ]
}
