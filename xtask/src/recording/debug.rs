//! A recording under gdb, with the symbols of the kernel and of its modules.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Module, Recording};
use crate::kernel::KernelImage;
use crate::symbols::{self, LoadedModule};
use crate::toolchain::Toolchain;
use crate::vm::{self, Channel};

/// Plays a recording again under the user's debugger, until QEMU ends.
///
/// First it is played alone, to see where the kernel puts each module: it does
/// so again at the same address. `sources` are the folders of the sources;
/// `ready` gets gdb's command file when QEMU waits, `heard` what the kernel
/// logs.
pub fn debug(
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    sources: &[&Path],
    ready: impl FnOnce(&Path),
    heard: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    recording.check(toolchain, kernel)?;
    let loaded = loaded(recording, toolchain, kernel)?;
    let begin = |folder: &Path| {
        for Module { name, file } in &recording.modules {
            write(&folder.join(format!("{name}.ko")), file)?;
        }
        let commands = folder.join(COMMANDS);
        write(
            &commands,
            script(folder, kernel, sources, &loaded).as_bytes(),
        )?;
        ready(&commands);
        Ok(())
    };
    let mut said = |channel, bytes: &[u8]| match channel {
        Channel::Log => heard(bytes),
        Channel::Shell => Ok(()),
    };
    vm::debug_again(toolchain, kernel, begin, &mut said, |folder, console| {
        recording.debugged(folder, console, &folder.join(SOCKET), true)
    })
}

/// gdb's command file and its socket, in the guest's folder.
const COMMANDS: &str = "attach";
const SOCKET: &str = "gdb";

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The modules that the kernel loads, each once for each place.
fn loaded(
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
) -> Result<Vec<LoadedModule>> {
    let mut loaded: Vec<LoadedModule> = Vec::new();
    let at = symbols::kernel_function(kernel, symbols::BEFORE_INIT)?;
    let mut visit = |memory: &mut dyn vm::Memory| {
        let module = memory.first_argument()?;
        let mut read = |address: u64, length: usize| memory.read(address, length);
        for Module { name, file } in &recording.modules {
            if let Some(one) = LoadedModule::look(name, file, module, &mut read)?
                && !loaded.contains(&one)
            {
                loaded.push(one);
            }
        }
        Ok(())
    };
    vm::visit_again(
        toolchain,
        kernel,
        at,
        &mut visit,
        |folder, console, socket| recording.debugged(folder, console, socket, false),
    )?;
    Ok(loaded)
}

/// What gdb is told.
fn script(
    folder: &Path,
    kernel: &KernelImage,
    sources: &[&Path],
    loaded: &[LoadedModule],
) -> String {
    let mut script = String::from("# Of `cargo xtask replay --gdb`, and gone with it.\n");
    // `write!` to a String cannot fail.
    let _ = writeln!(script, "file {}", kernel.vmlinux().display());
    for folder in sources {
        let _ = writeln!(script, "directory {}", folder.display());
    }
    script.push_str("set confirm off\n");
    for LoadedModule { name, sections } in loaded {
        let file = folder.join(format!("{name}.ko"));
        let _ = write!(script, "add-symbol-file {}", file.display());
        for (section, address) in sections {
            let _ = write!(script, " -s {section} {address:#x}");
        }
        script.push('\n');
    }
    script.push_str("set confirm on\n");
    // gdb asks again after two seconds, which a busy host may take, and then takes
    // the late answer for that of its next question.
    script.push_str("set remotetimeout 60\n");
    let _ = writeln!(script, "target remote {}", folder.join(SOCKET).display());
    script
}
