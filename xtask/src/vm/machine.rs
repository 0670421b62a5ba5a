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
    /// Where one was saved, and it runs until it asks to be saved again.
    SaveAgain {
        /// The file that is its memory: a copy of what was saved.
        memory: PathBuf,
        /// What is in the lesson's device.
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

impl Start {
    /// Is the guest to be saved?
    pub fn saves(&self) -> bool {
        match self {
            Start::Save { .. } | Start::SaveAgain { .. } => true,
            Start::Boot | Start::GoOn { .. } => false,
        }
    }
}

/// What QEMU does with all that reaches a guest from outside: the moments of
/// interrupts and the like (QEMU manual, "Record/replay"). Such a guest has one
/// CPU and virtual time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// It comes as it comes.
    Live,
    /// The same, and QEMU writes it to this file, which is whole when QEMU has
    /// ended by itself.
    Recorded(PathBuf),
    /// It comes as it was recorded.
    Replayed {
        /// The file that was recorded.
        from: PathBuf,
        /// A disk for snapshots of the guest, which it does not see (see
        /// [`Snapshots`](super::Snapshots)): with one, QEMU takes a snapshot
        /// when a debugger attaches, and the debugger can step backwards.
        snapshots: Option<PathBuf>,
    },
}

/// Where QEMU waits for a debugger, before the guest's first instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gdb {
    /// The port 1234, as gdb's users expect of a QEMU.
    Port,
    /// A socket that QEMU makes.
    Socket(PathBuf),
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
    /// What becomes of what reaches it from outside.
    pub events: Events,
    /// Whether a debugger is waited for, and where.
    pub gdb: Option<Gdb>,
}

/// The second serial line's name in the guest.
pub const SECOND_SERIAL: &str = "/dev/ttyS1";

/// Lets the kernel find the second serial line; without it, it looks for one.
const SECOND_SERIAL_WORD: &str = "8250.nr_uarts=2";

/// The smallest machine that QEMU has: no firmware, no PCI, no ACPI. The kernel
/// is started by PVH. Without ACPI it keeps the PIT, which it needs to find out
/// how fast the TSC is.
const MACHINE: &str = "microvm,acpi=off,isa-serial=on,rtc=on";

/// The bus of the shell's channel. It has one port: the guest looks at all that
/// there may be, 31 if nothing is said, each time something was written.
const VIRTIO_SERIAL: &str = "virtio-serial-device,max_ports=1";

/// TCG's own CPU with an instruction for random numbers, which are the same in every
/// run. Without one the kernel has no source that it trusts, and makes each number
/// from all it knows: 1.5 % of the instructions of a lesson.
const RANDOM: [&str; 4] = ["-cpu", "qemu64,+rdrand", "-seed", "1"];

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
                    .args(["-icount", &self.icount(shift)])
                    .args(RANDOM)
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
                    .args(["-chardev", &socket("shell"), "-device", VIRTIO_SERIAL])
                    .args(["-device", "virtconsole,chardev=shell"])
                    .args(["-chardev", &socket("control")])
                    .args(["-mon", "chardev=control,mode=control"])
            }
            Console::Recorded {
                log,
                shell,
                debug,
                control,
            } => {
                let tool = tool
                    .args(["-chardev", &chardev("file,id=debug", debug)])
                    .args(["-device", "isa-debugcon,iobase=0xe9,chardev=debug"])
                    .args(["-chardev", &chardev("file,id=log", log)])
                    .args(["-serial", "chardev:log"])
                    .args(["-chardev", &chardev("file,id=shell", shell)])
                    .args(["-chardev", &chardev("socket,id=control", control)])
                    .args(["-mon", "chardev=control,mode=control"]);
                if self.events == Events::Live {
                    tool.args(["-device", VIRTIO_SERIAL])
                        .args(["-device", "virtconsole,chardev=shell"])
                } else {
                    // QEMU's virtio console sets a timer when a snapshot of it
                    // is loaded, which was not recorded: the replay would stop
                    // there (virtio_serial_post_load_timer_cb in
                    // hw/char/virtio-serial-bus.c).
                    words.push(SECOND_SERIAL_WORD.to_owned());
                    tool.args(["-device", "isa-serial,index=1,chardev=shell"])
                }
            }
        };
        tool = match &self.start {
            Start::Boot => tool,
            Start::Save { memory, lesson } => self.saved(tool, &mut words, memory, "on", lesson),
            Start::SaveAgain { memory, lesson } => self
                .saved(tool, &mut words, memory, "on", lesson)
                .args(["-incoming", "defer"]),
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
        if self.events != Events::Live {
            // A device that only a guest under KVM has a use for. When a
            // debugger runs backwards, QEMU resets it in its main thread, which
            // waits for the CPU there while the CPU waits for that thread's
            // lock (vapic_reset in hw/i386/kvmvapic.c; seen with QEMU 7.2).
            tool = tool.args(["-global", "apic-common.vapic=off"]);
        }
        if let Events::Replayed {
            snapshots: Some(disk),
            ..
        } = &self.events
        {
            let disk = format!("if=none,format=qcow2,file={}", escaped(disk));
            tool = tool.args(["-drive", &disk]);
        }
        tool = match &self.gdb {
            None => tool,
            Some(Gdb::Port) => tool.args(["-s", "-S"]),
            Some(Gdb::Socket(path)) => {
                let socket = format!("unix:{},server=on,wait=off", escaped(path));
                tool.args(["-gdb", &socket, "-S"])
            }
        };
        words.extend(self.kernel_words.iter().cloned());
        tool.args(["-append", &words.join(" ")])
    }

    /// The value of `-icount`.
    fn icount(&self, shift: u8) -> String {
        let clock = format!("shift={shift},sleep=off");
        match &self.events {
            Events::Live => clock,
            Events::Recorded(file) => format!("{clock},rr=record,rrfile={}", escaped(file)),
            Events::Replayed { from, .. } => {
                format!("{clock},rr=replay,rrfile={}", escaped(from))
            }
        }
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
