//! A recording under gdb, with the symbols of the kernel and of its modules.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{RecordedModule, Recording};
use crate::kernel::KernelImage;
use crate::symbols::{self, LoadedModule};
use crate::toolchain::Toolchain;
use crate::vm::{self, Channels, Debugger, explain_full_disk, reverse_disk};

/// Replays a recording under the user's debugger, until QEMU ends.
///
/// A first replay without the debugger finds the address at which the kernel loads each module:
/// the kernel uses the same address again. `sources` are the folders of the sources; `ready`
/// receives gdb's command file when QEMU waits, `on_log` the kernel's log.
///
/// # Errors
///
/// If the recording needs another QEMU or another version of kmodlab, or QEMU fails.
pub fn debug(
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
    sources: &[&Path],
    ready: impl FnOnce(&Path),
    on_log: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    recording.check(toolchain, kernel)?;
    let loaded = loaded(recording, toolchain, kernel)?;
    let channels = Channels::new()?;
    let folder = channels.folder();
    for RecordedModule { name, file } in &recording.modules {
        write(&folder.join(format!("{name}.ko")), file)?;
    }
    let socket = channels.endpoints().gdb;
    let commands = folder.join(COMMANDS);
    let script = script(folder, &socket, kernel, sources, &loaded);
    write(&commands, script.as_bytes())?;
    let disk = folder.join("reverse.qcow2");
    reverse_disk::write_empty(&disk).map_err(explain_full_disk)?;
    let machine = recording
        .machine(&channels, Debugger::Backwards(disk))
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
        .machine(&channels, Debugger::Forwards)
        .map_err(explain_full_disk)?;
    vm::replay::visit(toolchain, kernel, &machine, channels, at, &mut visit)?;
    Ok(loaded)
}

/// Returns gdb's commands.
fn script(
    folder: &Path,
    socket: &Path,
    kernel: &KernelImage,
    sources: &[&Path],
    loaded: &[LoadedModule],
) -> String {
    let mut script = String::from("# Made by `replay --gdb`, which removes it at its end.\n");
    // `write!` to a String cannot fail.
    let _ = writeln!(script, "file {}", gdb_word(&kernel.vmlinux()));
    for folder in sources {
        let _ = writeln!(script, "directory {}", gdb_word(folder));
    }
    script.push_str("set confirm off\n");
    for LoadedModule { name, sections } in loaded {
        let file = folder.join(format!("{name}.ko"));
        let _ = write!(script, "add-symbol-file {}", gdb_word(&file));
        for (section, address) in sections {
            let _ = write!(script, " -s {section} {address:#x}");
        }
        script.push('\n');
    }
    script.push_str("set confirm on\n");
    // gdb repeats a request after two seconds, which a busy host may need, and then takes the
    // late answer for that to its next request.
    script.push_str("set remotetimeout 60\n");
    // The only path that gdb reads to the end of the line, whatever is in it.
    let _ = writeln!(script, "target remote {}", socket.display());
    script
}

/// Returns a path as one word of gdb's commands, which are split at white space outside of quotes
/// (`buildargv` in libiberty/argv.c).
fn gdb_word(path: &Path) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_quotes_is_one_word_for_gdb() {
        assert_eq!(gdb_word(Path::new("/a b/x.ko")), "\"/a b/x.ko\"");
        assert_eq!(gdb_word(Path::new(r#"/a"b\c"#)), r#""/a\"b\\c""#);
    }
}
