//! Runs an exact schedule under the user's debugger, from the beginning of a delay on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kmodlab_protocol::RunOptions;

use super::case::CompletedRun;
use super::plan::TestCase;
use super::request::{CaseRequest, CaseSchedule, Mode};
use super::runner::{Runner, Script, TaggedRun};
use super::scheduled::{ScheduledCase, main_module};
use crate::kernel::KernelImage;
use crate::modules::{Language, Module};
use crate::schedule::{self, ExactSchedule};
use crate::symbols::{self, LoadedModule};
use crate::vm::debugged::{DebugPlan, debug};
use crate::vm::{Channels, Memory};

/// The function of `perturb` that delays the calling task. Its first argument is the length in
/// nanoseconds.
const DELAYS: &str = "perturb_delay";

/// The function of `perturb` that the calling task executes before a store which it holds back. Its first argument
/// is the time for that, in nanoseconds.
const HOLDS: &str = "perturb_hold_next";

/// gdb's command file in the guest's folder.
const COMMANDS: &str = "attach";

/// The request to run a schedule under the user's debugger.
#[derive(Clone, Copy)]
pub(super) struct DebugRequest<'a> {
    /// The length in nanoseconds of the delay at whose beginning the debugger takes over.
    nanoseconds: u64,
    /// The function of `perturb` with this length as its first argument.
    function: &'static str,
    /// Receives the path of gdb's command file when QEMU waits.
    ready: &'a dyn Fn(&Path),
    /// Receives the kernel's log.
    on_log: &'a dyn Fn(&[u8]) -> Result<()>,
}

impl Runner<'_> {
    /// Runs a test case with a schedule, and stops the guest when the delay with the index
    /// `deciding` begins. `ready` receives the path of gdb's command file then, and `on_log` the
    /// kernel's log. Returns when the guest has ended.
    ///
    /// # Errors
    ///
    /// If there is no such delay or no snapshot to resume from, or QEMU fails.
    pub fn debug(
        &self,
        case: &TestCase<'_>,
        prepared: &ScheduledCase,
        schedule: &ExactSchedule,
        deciding: usize,
        ready: &dyn Fn(&Path),
        on_log: &dyn Fn(&[u8]) -> Result<()>,
    ) -> Result<CompletedRun> {
        let delay = schedule.delays.get(deciding);
        let delay = delay.filter(|delay| delay.nanoseconds > 0);
        let delay = delay.context("--gdb: the schedule has no delay to stop at")?;
        let request = CaseRequest {
            schedule: Some(&prepared.exact(schedule, &[])?),
            debugger: Some(&DebugRequest {
                nanoseconds: delay.nanoseconds,
                function: match delay.until {
                    Some(_) => HOLDS,
                    None => DELAYS,
                },
                ready,
                on_log,
            }),
            ..CaseRequest::new(Mode::Virtual)
        };
        self.case(case, &request, &mut |_| ())
    }

    /// Runs the guest of [`Runner::debug`].
    pub(super) fn debugged(
        &self,
        case: &TestCase<'_>,
        script: &Script<'_>,
        schedule: &CaseSchedule<'_>,
        request: &DebugRequest<'_>,
    ) -> Result<TaggedRun> {
        let snapshot = schedule.snapshot.filter(|snapshot| snapshot.is_usable());
        let snapshot = snapshot.context("--gdb needs a snapshot to resume from")?;
        let options = RunOptions {
            setting: Some(schedule.setting.clone()),
            reports_trace: false,
        };
        let (log, agent) = (snapshot.log()?, snapshot.agent()?);
        let channels = Channels::new()?;
        let guest = self.start.guest(self.built);
        let machine = snapshot.machine(guest, &channels, None, &options)?;
        let kernel = &self.built.kernel;
        let file = |module: &Module| -> Result<ModuleFile> {
            let name = module.kernel_name();
            let bytes = std::fs::read(&module.path)
                .with_context(|| format!("cannot read {}", module.path.display()))?;
            write(&channels.folder().join(format!("{name}.ko")), &bytes)?;
            Ok(ModuleFile { name, bytes })
        };
        let mut perturb = self.built.modules_of(schedule::MODULE, Language::Rust);
        let perturb = perturb
            .next()
            .context("the module `perturb` was not built")?;
        let list = kernel.symbol_range(symbols::MODULE_LIST);
        let mut plan = SchedulePlan {
            kernel,
            folder: channels.folder().to_owned(),
            sources: symbols::gdb_source_folders(
                case.lesson.project.as_deref(),
                &self.session.workspace,
                &kernel.tree,
            ),
            lesson: file(main_module(
                self.built,
                &case.lesson.origin(),
                case.language,
            )?)?,
            perturb: file(perturb)?,
            list: list.context("the kernel has no list of modules")?.start,
            loaded: Vec::new(),
            request,
        };
        let toolchain = &self.built.toolchain;
        let mut run = debug(toolchain, kernel, &machine, channels, snapshot, &mut plan)?;
        run.log.splice(0..0, log);
        run.agent.splice(0..0, agent);
        let tag = self.assignment(script, true).tag;
        Ok(TaggedRun { tag, run })
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The state of a module whose init function has not returned, at the beginning of its `struct module`
/// (include/linux/module.h).
const MODULE_STATE_COMING: [u8; STATE_BYTES] = [1, 0, 0, 0];
const STATE_BYTES: usize = 4;

struct ModuleFile {
    name: String,
    bytes: Vec<u8>,
}

impl ModuleFile {
    /// Returns this module if its `struct module` is at an address.
    fn look(&self, module: u64, memory: &mut dyn Memory) -> Result<Option<LoadedModule>> {
        let mut read = |address: u64, length: usize| memory.read(address, length);
        LoadedModule::look(&self.name, &self.bytes, module, &mut read)
    }
}

/// Runs the guest to the delay. Each stop before it changes the times after it, so there is one only for each
/// delay before this one.
struct SchedulePlan<'a> {
    kernel: &'a KernelImage,
    /// The guest's folder, with the modules' files.
    folder: PathBuf,
    /// The folders of the sources.
    sources: Vec<PathBuf>,
    lesson: ModuleFile,
    perturb: ModuleFile,
    /// Address of the kernel's list of modules.
    list: u64,
    loaded: Vec<LoadedModule>,
    request: &'a DebugRequest<'a>,
}

impl SchedulePlan<'_> {
    /// Finds a module in the kernel's list of modules, without its init sections if the kernel has freed them.
    fn listed(&self, file: &ModuleFile, memory: &mut dyn Memory) -> Result<Option<LoadedModule>> {
        let mut read = |address: u64, length: usize| memory.read(address, length);
        for module in symbols::listed_modules(self.list, &mut read)? {
            if let Some(mut found) = file.look(module, memory)? {
                if memory.read(module, STATE_BYTES)? != MODULE_STATE_COMING {
                    found.remove_init();
                }
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl DebugPlan for SchedulePlan<'_> {
    fn begin(&mut self, memory: &mut dyn Memory) -> Result<u64> {
        let perturb = self.listed(&self.perturb, memory)?;
        let perturb =
            perturb.with_context(|| format!("the module {} is not loaded", schedule::MODULE))?;
        let address = perturb.function(&self.perturb.bytes, self.request.function)?;
        self.loaded.push(perturb);
        Ok(address)
    }

    fn hands_over(&mut self, memory: &mut dyn Memory) -> Result<bool> {
        if memory.first_argument()? != self.request.nanoseconds {
            return Ok(false);
        }
        // A module that is being freed is not in the list any more.
        self.loaded.extend(self.listed(&self.lesson, memory)?);
        Ok(true)
    }

    fn ready(&mut self, socket: &Path, thread: u32) -> Result<()> {
        let mut script = symbols::gdb_script(
            &self.folder,
            socket,
            self.kernel,
            &self.sources,
            &self.loaded,
        );
        // For a debugger that attaches, QEMU selects the first CPU.
        script += &format!("thread {thread}\n");
        let commands = self.folder.join(COMMANDS);
        write(&commands, script.as_bytes())?;
        (self.request.ready)(&commands);
        Ok(())
    }

    fn log(&mut self, bytes: &[u8]) -> Result<()> {
        (self.request.on_log)(bytes)
    }
}
