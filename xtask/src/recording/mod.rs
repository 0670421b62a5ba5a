//! Recordings of runs, and replays: a replay shows what a guest did, instruction by instruction,
//! as often as needed, forwards and backwards.

mod debug;
mod file;
mod folder;
mod replay;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kmodlab_protocol::{GuestFile, Tag};
use serde::{Deserialize, Serialize};

use crate::failure::Fault;
use crate::kernel::KernelImage;
use crate::modules::{SourceFile, source_files};
use crate::pipeline::Built;
use crate::project;
use crate::run::plan::TestCase;
use crate::run::{CompletedRun, RecordedInput};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::vm::{
    Boot, Channels, Debugger, Endpoints, Hardware, Machine, MachineType, VirtualClock,
    check_devices,
};

pub use debug::debug;
pub use folder::{RecordingFolder, RecordingWriter};
pub use replay::{ComparedReplay, replay};

/// The version of the file format; a reader refuses another.
const FORMAT: u32 = 2;

/// The extension of a recording's file.
pub const EXTENSION: &str = "kmodrec";

/// A recording: everything that a replay needs but the kernel and QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The description of the recorded run.
    pub manifest: Manifest,
    /// The events that reached the guest from outside, as QEMU writes them.
    pub events: Vec<u8>,
    /// The archive that became the guest's root folder, with all files that the run brought.
    pub initrd: Vec<u8>,
    /// The kernel's log, byte by byte.
    pub log: Vec<u8>,
    /// The agent's channel, byte by byte.
    pub agent: Vec<u8>,
    /// The modules that the run brought.
    pub modules: Vec<RecordedModule>,
    /// The sources of the modules, for a debugger; none in a recording of an earlier kmodlab.
    pub sources: Vec<RecordedSource>,
}

/// A module's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedModule {
    /// Its name.
    pub name: String,
    /// The bytes of `NAME.ko`.
    pub file: Vec<u8>,
}

/// A source of a module, as it was before the guest ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSource {
    /// Its path in the module's line table.
    pub name: PathBuf,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// The description of a recorded run. It is JSON in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The run's name in one word: `kthread_run-c.3`.
    pub id: String,
    /// The lesson.
    pub lesson: String,
    /// The language of its module: `rust` or `c`.
    pub language: String,
    /// The lesson's commands.
    pub commands: Vec<String>,
    /// The name of the run's verdict.
    pub verdict: String,
    /// The same in a sentence.
    pub verdict_text: String,
    /// The tag of the agent's messages.
    pub tag: Tag,
    /// The kernel.
    pub kernel: RecordedKernel,
    /// QEMU's version.
    pub qemu: String,
    /// The guest's hardware.
    pub machine: RecordedMachine,
    /// QEMU's command line, without the names of files.
    pub command: String,
    /// The host's time for the guest, in seconds.
    pub wall_seconds: f64,
}

/// The kernel of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedKernel {
    /// Its name in kernels.toml: `6.12`.
    pub name: String,
    /// Its version and profile: `6.12.117`, `6.12.117-debug`.
    pub label: String,
    /// The key of everything that it was built from.
    pub key: String,
}

/// The hardware of a recorded guest, which has one CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedMachine {
    /// The binary logarithm of the nanoseconds that an instruction takes on the guest's clock.
    pub shift: u8,
    /// Memory in MiB.
    pub memory: u32,
    /// Kernel parameters.
    pub kernel_parameters: Vec<String>,
    /// The user's devices, if the machine is a q35.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q35: Option<Vec<String>>,
}

impl RecordedMachine {
    /// Returns the hardware, after QEMU was asked for the devices: the file may be anyone's.
    ///
    /// # Errors
    ///
    /// If a device is not one that a guest may have.
    fn hardware(&self, session: &Session) -> Result<Hardware> {
        let machine = match &self.q35 {
            None => MachineType::Microvm,
            Some(devices) => {
                let devices = devices
                    .iter()
                    .map(|text| project::device(text, "the recording", Fault::Usage));
                let devices = devices.collect::<Result<Vec<_>>>()?;
                MachineType::Q35(check_devices(session, &devices)?)
            }
        };
        Ok(Hardware {
            memory_mib: self.memory,
            machine,
            ..Hardware::DEFAULT
        })
    }

    /// Returns a guest with this hardware that replays the recording in the file `events`.
    fn replayed(
        &self,
        hardware: &Hardware,
        channels: Endpoints,
        initrd: &Path,
        events: &Path,
        debugger: Debugger,
    ) -> Machine {
        let clock = VirtualClock { shift: self.shift };
        let (boot, events) = (self.boot(hardware, initrd), events.to_owned());
        Machine::replayed(clock, channels, boot, events, debugger)
    }

    fn boot(&self, hardware: &Hardware, initrd: &Path) -> Boot {
        Boot {
            initrd: initrd.to_owned(),
            kernel_parameters: self.kernel_parameters.clone(),
            hardware: hardware.clone(),
        }
    }

    /// Returns QEMU's command line to record it, without the names of files.
    fn command(&self, hardware: &Hardware, toolchain: &Toolchain, kernel: &KernelImage) -> String {
        let machine = Machine::recorded(
            VirtualClock { shift: self.shift },
            Endpoints::names(),
            self.boot(hardware, "initrd".as_ref()),
            "events".into(),
        );
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
    /// Makes the recording of a run, with the sources of its modules.
    ///
    /// # Errors
    ///
    /// If the file of a module cannot be read.
    pub fn of(
        built: &Built,
        case: &TestCase<'_>,
        completed: &CompletedRun,
        input: &RecordedInput,
        sources: Vec<RecordedSource>,
    ) -> Result<Self> {
        let Built {
            toolchain, kernel, ..
        } = built;
        let CompletedRun { outcome, run, .. } = completed;
        let RecordedInput {
            events,
            initrd,
            clock,
            kernel_parameters,
            hardware,
            files,
            tag,
        } = input;
        let machine = RecordedMachine {
            shift: clock.shift,
            memory: hardware.memory_mib,
            kernel_parameters: kernel_parameters.clone(),
            q35: match &hardware.machine {
                MachineType::Microvm => None,
                MachineType::Q35(devices) => {
                    Some(devices.iter().map(ToString::to_string).collect())
                }
            },
        };
        Ok(Self {
            manifest: Manifest {
                format: FORMAT,
                id: outcome.id(),
                lesson: case.lesson.name.clone(),
                language: case.language.name().to_owned(),
                commands: crate::lesson::assignment::commands(&case.lesson.transcript),
                verdict: outcome.verdict.name().to_owned(),
                verdict_text: outcome.verdict.to_string(),
                tag: *tag,
                kernel: RecordedKernel {
                    name: kernel.kernel.clone(),
                    label: kernel.label(),
                    key: kernel.key.as_str().to_owned(),
                },
                qemu: toolchain.qemu_version.clone(),
                command: machine.command(hardware, toolchain, kernel),
                machine,
                wall_seconds: run.wall.as_secs_f64(),
            },
            events: events.clone(),
            initrd: initrd.clone(),
            log: run.log.clone(),
            agent: run.agent.clone(),
            modules: files
                .iter()
                .filter_map(|file| module(built, file).transpose())
                .collect::<Result<_>>()?,
            sources,
        })
    }

    /// Makes a guest that replays this recording; its files are written to the guest's folder.
    fn machine(
        &self,
        hardware: &Hardware,
        channels: &Channels,
        debugger: Debugger,
    ) -> Result<Machine> {
        let write = |name: &str, bytes: &[u8]| {
            let path = channels.folder().join(name);
            std::fs::write(&path, bytes)
                .with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        let initrd = write("initrd", &self.initrd)?;
        let events = write("events", &self.events)?;
        let machine = &self.manifest.machine;
        Ok(machine.replayed(hardware, channels.endpoints(), &initrd, &events, debugger))
    }
}

/// Returns the module in a guest's file, if it is one: as it was built, with the line tables
/// that the guest's file lacks.
fn module(built: &Built, file: &GuestFile) -> Result<Option<RecordedModule>> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let Some(name) = name.strip_suffix(".ko") else {
        return Ok(None);
    };
    let mut contents = file.contents.clone();
    for module in built.modules.iter().filter(|module| module.name == name) {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        // The module in the other language has the same name.
        if read(&module.stripped)? == file.contents {
            contents = read(&module.path)?;
        }
    }
    Ok(Some(RecordedModule {
        name: name.to_owned(),
        file: contents,
    }))
}

/// Bytes of sources that a recording has at most: a module of one's own may lie beside much else.
const MOST_SOURCES: u64 = 4 << 20;

/// Returns the sources of a case's modules: the smallest first if there are too many.
fn sources(session: &Session, case: &TestCase<'_>) -> Result<Vec<RecordedSource>> {
    let TestCase { lesson, language } = case;
    // Line tables name the clone's sources from its folder of modules on, and others from their own.
    let modules = session.workspace.modules();
    let below = lesson.folder.strip_prefix(modules).unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for file in source_files(lesson, *language)? {
        let extension = file.name.extension().unwrap_or_default();
        if ["c", "h", "rs", "S"].iter().any(|word| extension == *word) {
            let look = || format!("cannot look at {}", file.path.display());
            files.push((file.path.metadata().with_context(look)?.len(), file));
        }
    }
    files.sort_by_key(|(size, _)| *size);
    let mut bytes = 0;
    let mut sources = Vec::new();
    for (size, SourceFile { name, path }) in files {
        bytes += size;
        if bytes > MOST_SOURCES {
            break;
        }
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // A recording with a name that no reader takes could not be read.
        let name = below.join(name);
        let source = name.to_str().and_then(|name| file::source(name, text).ok());
        sources.extend(source);
    }
    Ok(sources)
}
