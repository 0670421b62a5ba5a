//! A guest's hardware, as QEMU's command line.

use std::path::{Path, PathBuf};

use super::qmp::EPOCH;
use super::tsc;
use crate::kernel::KernelImage;
use crate::process::Tool;
use crate::toolchain::Toolchain;

/// What runs a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

impl Accel {
    /// As QEMU's `-accel` wants it.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        }
    }
}

/// How a guest's clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Each instruction takes `2^shift` nanoseconds of the guest's time, and
    /// time that the guest would idle away is skipped (QEMU manual, "TCG
    /// instruction counting"). The same guest does the same things at the same
    /// times, whatever the host is doing.
    Virtual {
        /// 5 is a CPU of 31 million instructions a second. Below 5 the kernel's
        /// calibration of its timers takes seconds on the wall, above 7 it does
        /// not end.
        shift: u8,
    },
    /// As on the wall, with this accelerator.
    Real(Accel),
}

/// Where a guest's serial port goes, which the kernel logs to.
#[derive(Debug, Clone)]
pub enum Console {
    /// The terminal that xtask runs on: the log and the shell together.
    Terminal,
    /// QEMU's standard output, and no shell.
    Output,
    /// Sockets that xtask listens on: the log, the shell's own channel
    /// (`/dev/hvc0`), and QEMU's control channel, apart from each other.
    Sockets {
        /// The folder of `log`, `shell` and `control`.
        folder: PathBuf,
    },
}

/// A guest before it starts.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its clock, and with that the kind of machine.
    pub clock: Clock,
    /// What its serial port is connected to.
    pub console: Console,
    /// The archive that becomes its root folder.
    pub initrd: PathBuf,
    /// CPUs.
    pub smp: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// More words for the kernel's command line.
    pub kernel_words: Vec<String>,
    /// Wait for a debugger before the first instruction.
    pub gdb: bool,
}

/// The smallest machine that QEMU has: no firmware, no PCI, no ACPI. The kernel
/// is started by PVH. Without ACPI it keeps the PIT, which it needs to find out
/// how fast the TSC is.
const MACHINE: &str = "microvm,acpi=off,isa-serial=on,rtc=on";

/// Words on every guest's kernel command line.
///
/// A panic resets the guest at once, by a triple fault, and `-no-reboot` turns
/// that into the end of QEMU. Two NUMA nodes are made of the memory there is.
const KERNEL_WORDS: [&str; 4] = ["console=ttyS0", "reboot=t", "panic=-1", "numa=fake=2"];

impl Machine {
    /// QEMU's command line for `kernel`.
    pub fn command(&self, toolchain: &Toolchain, kernel: &KernelImage) -> Tool {
        let mut words: Vec<String> = KERNEL_WORDS.map(str::to_owned).to_vec();
        let mut tool = Tool::new(&toolchain.qemu).args(["-M", MACHINE]);
        match self.clock {
            Clock::Virtual { shift } => {
                tool = tool
                    .args(["-accel", "tcg"])
                    .args(["-icount", &format!("shift={shift},sleep=off")])
                    .args(["-rtc", &format!("clock=vm,base={EPOCH}")]);
                // The TSC counts nanoseconds then.
                words.extend(tsc_words(1_000_000));
            }
            Clock::Real(accel @ Accel::Tcg) => {
                tool = tool.args(["-accel", accel.name()]);
                words.extend(tsc::host_khz().into_iter().flat_map(tsc_words));
            }
            // The guest asks KVM.
            Clock::Real(accel @ Accel::Kvm) => {
                tool = tool.args(["-accel", accel.name(), "-cpu", "host"]);
            }
        }
        tool = tool
            .arg("-kernel")
            .arg(kernel.vmlinux())
            .arg("-initrd")
            .arg(&self.initrd)
            .args([
                "-smp",
                &self.smp.to_string(),
                "-m",
                &self.memory.to_string(),
            ])
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ]);
        tool = match &self.console {
            Console::Terminal => tool
                .args(["-chardev", "stdio,id=terminal,mux=on,signal=off"])
                .args(["-serial", "chardev:terminal", "-mon", "chardev=terminal"]),
            Console::Output => tool
                .args(["-chardev", "stdio,id=log,signal=off"])
                .args(["-serial", "chardev:log"]),
            Console::Sockets { folder } => {
                let socket = |name: &str| socket_option(folder, name);
                tool.args(["-chardev", &socket("log"), "-serial", "chardev:log"])
                    .args([
                        "-chardev",
                        &socket("shell"),
                        "-device",
                        "virtio-serial-device",
                    ])
                    .args(["-device", "virtconsole,chardev=shell"])
                    .args(["-chardev", &socket("control")])
                    .args(["-mon", "chardev=control,mode=control"])
            }
        };
        if let (Clock::Real(_), Console::Sockets { .. }) = (self.clock, &self.console) {
            // A guest that is watched tells its age by its real-time clock; a
            // person's tells the date.
            tool = tool.args(["-rtc", &format!("clock=vm,base={EPOCH}")]);
        }
        if self.gdb {
            tool = tool.args(["-s", "-S"]);
        }
        words.extend(self.kernel_words.iter().cloned());
        tool.args(["-append", &words.join(" ")])
    }
}

fn socket_option(folder: &Path, name: &str) -> String {
    // QEMU's options are separated by commas; a doubled one is a letter.
    let path = folder.join(name).display().to_string().replace(',', ",,");
    format!("socket,id={name},path={path}")
}

/// Words that spare the kernel of finding out how fast an emulated CPU's
/// clocks run: `khz` ticks a millisecond, and `lpj`, the delay loop's turns in
/// a tick of 1/250 s, which it would take from the former.
fn tsc_words(khz: u64) -> [String; 4] {
    [
        "no_timer_check".to_owned(),
        "tsc=reliable".to_owned(),
        format!("tsc_early_khz={khz}"),
        format!("lpj={}", khz * 4),
    ]
}
