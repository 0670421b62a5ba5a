//! A guest's hardware, as QEMU's command line.

use std::path::{Path, PathBuf};

use super::lesson_device::{self, LessonDevice};
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
    /// The same, but recorded: the log, the shell's own channel (`/dev/hvc0`),
    /// what modules tell the host, and QEMU's control channel. QEMU writes to a file at once, so that no
    /// reader's delay reaches the guest.
    Recorded {
        /// A file for the log.
        log: PathBuf,
        /// A file for what the shell prints.
        shell: PathBuf,
        /// A file for what a module tells the host (`kernel_ext::stop::tell_host`).
        debug: PathBuf,
        /// A socket that xtask listens on.
        control: PathBuf,
    },
}

/// Where a guest's first instruction is.
#[derive(Debug, Clone)]
pub enum Start {
    /// At the kernel's entry.
    Boot,
    /// The same, and it runs until it asks to be saved.
    Save {
        /// The file that is its memory.
        memory: PathBuf,
        /// What is in the lesson's device, empty at that time.
        lesson: LessonDevice,
    },
    /// Where it was saved, once [`Qmp`](super::qmp::Qmp) has told it to go on.
    GoOn {
        /// The file that was its memory; it stays as it is.
        memory: PathBuf,
        /// What is in the lesson's device now.
        lesson: LessonDevice,
    },
}

/// A guest before it starts.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its clock, and with that the kind of machine.
    pub clock: Clock,
    /// What its serial port is connected to.
    pub console: Console,
    /// Where it starts.
    pub start: Start,
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
            Console::Recorded {
                log,
                shell,
                debug,
                control,
            } => tool
                .args(["-chardev", &chardev("file,id=debug", debug)])
                .args(["-device", "isa-debugcon,iobase=0xe9,chardev=debug"])
                .args(["-chardev", &chardev("file,id=log", log)])
                .args(["-serial", "chardev:log"])
                .args(["-chardev", &chardev("file,id=shell", shell)])
                .args(["-device", "virtio-serial-device"])
                .args(["-device", "virtconsole,chardev=shell"])
                .args(["-chardev", &chardev("socket,id=control", control)])
                .args(["-mon", "chardev=control,mode=control"]),
        };
        tool = match &self.start {
            Start::Boot => tool,
            Start::Save { memory, lesson } => self.saved(tool, &mut words, memory, "on", lesson),
            // A private mapping: what the guest writes stays its own.
            Start::GoOn { memory, lesson } => self
                .saved(tool, &mut words, memory, "off", lesson)
                .args(["-incoming", "defer"]),
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

    /// What only a guest has that is saved, or was: memory in a file, a device
    /// to be stopped by, and one that brings the lesson.
    fn saved(
        &self,
        tool: Tool,
        words: &mut Vec<String>,
        memory: &Path,
        share: &str,
        lesson: &LessonDevice,
    ) -> Tool {
        words.push(lesson_device::KERNEL_WORD.to_owned());
        let options = format!(
            "memory-backend-file,id=ram,size={}M,share={share},mem-path={}",
            self.memory,
            escaped(memory)
        );
        let mut tool = tool
            .args(["-object", &options])
            .args(["-machine", "memory-backend=ram"])
            .args(["-device", "pvpanic", "-action", "panic=pause"]);
        for (name, file) in lesson.files() {
            let option = format!("name={name},file={}", escaped(&file));
            tool = tool.args(["-fw_cfg", &option]);
        }
        tool
    }
}

fn socket_option(folder: &Path, name: &str) -> String {
    chardev(&format!("socket,id={name}"), &folder.join(name))
}

fn chardev(kind: &str, path: &Path) -> String {
    format!("{kind},path={}", escaped(path))
}

/// A path within one of QEMU's options, which are separated by commas: a
/// doubled one is a letter.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
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
