//! A recording under gdb, with the symbols of the kernel and of its modules.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{RecordedModule, RecordedSource, Recording};
use crate::failure::Failure;
use crate::kernel::KernelImage;
use crate::session::Session;
use crate::symbols::{self, LoadedModule};
use crate::toolchain::Toolchain;
use crate::vm::{self, Channels, Debugger, Hardware, explain_full_disk, reverse_disk};

/// Replays a recording under the user's debugger, until QEMU ends.
///
/// A first replay without the debugger finds the address at which the kernel loads each module:
/// the kernel uses the same address again. `sources` are the folders of the sources that the recording does
/// not have; `ready` receives gdb's command file when QEMU waits, `on_log` the kernel's log.
///
/// # Errors
///
/// If the recording needs another QEMU or another version of kmodlab, a module in it cannot be read, or QEMU
/// fails.
pub fn debug(
    session: &Session,
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    sources: &[PathBuf],
    ready: impl FnOnce(&Path),
    on_log: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    for RecordedModule { name, file } in &recording.modules {
        LoadedModule::check(file).map_err(|error| {
            Failure::usage(format!("the recording's module {name}.ko: {error:#}"))
        })?;
    }
    let hardware = recording.check(session, toolchain, kernel)?;
    let loaded = loaded(recording, &hardware, toolchain, kernel)?;
    let channels = Channels::new()?;
    let folder = channels.folder();
    for RecordedModule { name, file } in &recording.modules {
        write(&folder.join(format!("{name}.ko")), file)?;
    }
    let recorded = folder.join("sources");
    for RecordedSource { name, text } in &recording.sources {
        let path = recorded.join(name);
        let parent = path.parent().unwrap_or(&recorded);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
        write(&path, text)?;
    }
    // First, for the clone's source may have changed since then.
    let recorded = (!recording.sources.is_empty()).then_some(recorded);
    let sources: Vec<PathBuf> = recorded
        .into_iter()
        .chain(sources.iter().cloned())
        .collect();
    let socket = channels.endpoints().gdb;
    let commands = folder.join(COMMANDS);
    let script = symbols::gdb_script(folder, &socket, kernel, &sources, &loaded);
    write(&commands, script.as_bytes())?;
    let disk = folder.join("reverse.qcow2");
    reverse_disk::write_empty(&disk).map_err(explain_full_disk)?;
    let machine = recording
        .machine(&hardware, &channels, Debugger::Backwards(disk))
        .map_err(explain_full_disk)?;
    let ready = || ready(&commands);
    vm::replay::debug(toolchain, kernel, &machine, channels, ready, on_log)
}

/// gdb's command file in the guest's folder.
const COMMANDS: &str = "attach";

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the modules that the kernel loads, each once for each address.
fn loaded(
    recording: &Recording,
    hardware: &Hardware,
    toolchain: &Toolchain,
    kernel: &KernelImage,
) -> Result<Vec<LoadedModule>> {
    let mut loaded: Vec<LoadedModule> = Vec::new();
    let at = symbols::kernel_function(kernel, symbols::BEFORE_INIT)?;
    let mut visit = |memory: &mut dyn vm::Memory| {
        let module = memory.first_argument()?;
        let mut read = |address: u64, length: usize| memory.read(address, length);
        for RecordedModule { name, file } in &recording.modules {
            if let Some(one) = LoadedModule::look(name, file, module, &mut read)?
                && !loaded.contains(&one)
            {
                loaded.push(one);
            }
        }
        Ok(())
    };
    let channels = Channels::new()?;
    let machine = recording
        .machine(hardware, &channels, Debugger::Forwards)
        .map_err(explain_full_disk)?;
    vm::replay::visit(toolchain, kernel, &machine, channels, at, &mut visit)?;
    Ok(loaded)
}
