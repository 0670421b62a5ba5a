//! A guest's run, kept so that it can be played again: to look at what it did,
//! instruction by instruction, as often as is wanted, forwards and backwards.

mod again;
mod debug;
mod file;
mod folder;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::initramfs::GuestFile;
use crate::kernel::KernelImage;
use crate::pipeline::Prepared;
use crate::play::plan::Play;
use crate::play::{Outcome, Tape};
use crate::toolchain::Toolchain;
use crate::vm::{Clock, Console, Events, GuestRun, Machine};

pub use again::{Compared, play_again};
pub use debug::debug;
pub use folder::Folder;

/// The number of this format; a reader refuses another.
const FORMAT: u32 = 1;

/// What the name of a recording's file ends in.
pub const EXTENSION: &str = "kmodrec";

/// A recording: all that a replay takes but the kernel and QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What it is a recording of.
    pub manifest: Manifest,
    /// What reached the guest from outside, as QEMU writes it.
    pub events: Vec<u8>,
    /// The archive that became its root folder, with all that the run brought.
    pub initrd: Vec<u8>,
    /// The kernel's log, byte by byte.
    pub log: Vec<u8>,
    /// The shell's channel, byte by byte.
    pub console: Vec<u8>,
    /// The modules that the run brought.
    pub modules: Vec<Module>,
}

/// A module's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The bytes of `NAME.ko`.
    pub file: Vec<u8>,
}

/// What a recording is of. It is JSON in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the format: 1.
    pub format: u32,
    /// The run's name in one word: `kthread_run-c.3`.
    pub id: String,
    /// The lesson.
    pub lesson: String,
    /// The language of its module: `rust` or `c`.
    pub language: String,
    /// The lesson's commands.
    pub commands: Vec<String>,
    /// What the run came to, by the verdict's name.
    pub verdict: String,
    /// The same in a sentence.
    pub verdict_text: String,
    /// The word that marks the guest's notes.
    pub nonce: String,
    /// The kernel.
    pub kernel: Kernel,
    /// QEMU's version.
    pub qemu: String,
    /// The guest's hardware.
    pub machine: Hardware,
    /// What QEMU was told, without the names of files.
    pub command: String,
    /// The host's time for the guest, in seconds.
    pub wall_seconds: f64,
}

/// A recording's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Its name in kernels.toml: `6.12`.
    pub name: String,
    /// Its version and profile: `6.12.117`, `6.12.117-debug`.
    pub label: String,
    /// The key of all that went into it.
    pub key: String,
}

/// What a guest's hardware is described by; it has one CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// An instruction takes `2^shift` nanoseconds of the guest's time.
    pub shift: u8,
    /// Memory in MiB.
    pub memory: u32,
    /// Words for the kernel's command line.
    pub kernel_words: Vec<String>,
}

impl Hardware {
    /// That of a guest in virtual time with one CPU.
    pub fn of(machine: &Machine) -> Result<Self> {
        let Clock::Virtual { shift } = machine.clock else {
            anyhow::bail!("only a guest in virtual time can be recorded");
        };
        ensure!(machine.smp == 1, "only one CPU can be recorded");
        Ok(Self {
            shift,
            memory: machine.memory,
            kernel_words: machine.kernel_words.clone(),
        })
    }

    /// A guest with this hardware, without channels yet.
    pub fn machine(&self, initrd: &std::path::Path, events: Events) -> Machine {
        Machine {
            clock: Clock::Virtual { shift: self.shift },
            console: Console::Output,
            start: crate::vm::Start::Boot,
            initrd: initrd.to_owned(),
            smp: 1,
            memory: self.memory,
            kernel_words: self.kernel_words.clone(),
            events,
            gdb: None,
        }
    }

    /// What QEMU is told to record it, without the names of files.
    fn command(&self, toolchain: &Toolchain, kernel: &KernelImage) -> String {
        let machine = Machine {
            console: Console::Recorded {
                debug: "debug".into(),
                log: "log".into(),
                shell: "shell".into(),
                control: "control".into(),
            },
            ..self.machine("initrd".as_ref(), Events::Recorded("events".into()))
        };
        let toolchain = Toolchain {
            qemu: "qemu".into(),
            ..toolchain.clone()
        };
        let kernel = KernelImage {
            objects: "kernel".into(),
            ..kernel.clone()
        };
        machine.command(&toolchain, &kernel).quoted()
    }
}

impl Recording {
    /// The recording of a play: what it came to, what the guest left, and the
    /// tape.
    pub fn of(
        prepared: &Prepared,
        play: &Play<'_>,
        outcome: &Outcome,
        run: &GuestRun,
        tape: Tape,
    ) -> Result<Self> {
        let Prepared {
            toolchain, kernel, ..
        } = prepared;
        let Tape {
            events,
            initrd,
            machine,
            files,
        } = tape;
        let machine = Hardware::of(&machine)?;
        let steps = &play.lesson.transcript.steps;
        Ok(Self {
            manifest: Manifest {
                format: FORMAT,
                id: outcome.id(),
                lesson: play.lesson.name.clone(),
                language: play.language.name().to_owned(),
                commands: steps.iter().map(|step| step.command.clone()).collect(),
                verdict: outcome.verdict.name().to_owned(),
                verdict_text: outcome.verdict.to_string(),
                nonce: outcome.nonce.clone().unwrap_or_default(),
                kernel: Kernel {
                    name: kernel.kernel.clone(),
                    label: kernel.label(),
                    key: kernel.key.as_str().to_owned(),
                },
                qemu: toolchain.qemu_version.clone(),
                command: machine.command(toolchain, kernel),
                machine,
                wall_seconds: run.wall.as_secs_f64(),
            },
            events,
            initrd,
            log: run.log.clone(),
            console: run.console.clone(),
            modules: files
                .iter()
                .filter_map(|file| module(prepared, file).transpose())
                .collect::<Result<_>>()?,
        })
    }
}

/// The module that is in a guest's file, if one is: as it was built, with the line
/// tables that the guest's has not.
fn module(prepared: &Prepared, file: &GuestFile) -> Result<Option<Module>> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let Some(name) = name.strip_suffix(".ko") else {
        return Ok(None);
    };
    let mut contents = file.contents.clone();
    for module in prepared.modules.iter().filter(|module| module.name == name) {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        // The other language's has the same name.
        if read(&module.stripped)? == file.contents {
            contents = read(&module.path)?;
        }
    }
    Ok(Some(Module {
        name: name.to_owned(),
        file: contents,
    }))
}
