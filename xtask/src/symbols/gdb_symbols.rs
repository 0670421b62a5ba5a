//! gdb's command `lx-symbols` for an interactive guest, whose user loads and removes modules.
//!
//! The command is a script in gdb, which starts this program and reads the guest's memory for it: while
//! gdb is attached, nobody else can.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, Write as _, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::gdb_script::{gdb_word, section_arguments};
use super::{LoadedModule, MODULE_LIST, editor_gdb_script, interactive_gdb_script, listed_modules};
use crate::cache::Cache;
use crate::kernel::KernelImage;
use crate::modules::Module;
use crate::text::hexadecimal_bytes;
use crate::{streams, whole_file};

/// First argument of a program that finds the modules of a guest for gdb; see [`find_modules`].
pub const FIND_MODULES: &str = "__find-modules";

/// Folder of the cache with the files of [`editor_script`].
const EDITOR_SCRIPTS: &str = "debuggers";

/// The script for gdb, which expects the variable `PROGRAM`.
const SCRIPT: &str = include_str!("lx_symbols.py");

/// The files of an interactive guest for gdb.
#[derive(Debug)]
pub struct GuestSymbols {
    /// Folder of the modules with their debug information.
    modules: PathBuf,
}

impl GuestSymbols {
    /// Returns the symbols in the folder of a guest.
    pub fn new(folder: &Path) -> Self {
        Self {
            modules: folder.join("symbols"),
        }
    }

    /// Writes the modules with their debug information. gdb may have the files of earlier ones open.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn write_modules(&self, modules: &[Module]) -> Result<()> {
        std::fs::create_dir_all(&self.modules)
            .with_context(|| format!("cannot make {}", self.modules.display()))?;
        for module in modules {
            let bytes = std::fs::read(&module.path)
                .with_context(|| format!("cannot read {}", module.path.display()))?;
            let file = self.modules.join(format!("{}.ko", module.kernel_name()));
            whole_file::write(&file, bytes)?;
        }
        Ok(())
    }

    /// Writes gdb's command files, and returns the path of that for a terminal; `editor` is the path of
    /// that for an editor, which is of use until the guest ends. QEMU listens at `port` of the host;
    /// `sources` are the folders of the sources.
    ///
    /// # Errors
    ///
    /// If a file cannot be written, or the kernel has no list of modules.
    pub fn write_scripts(
        &self,
        kernel: &KernelImage,
        sources: &[PathBuf],
        port: u16,
        editor: &Path,
    ) -> Result<PathBuf> {
        let list = kernel.symbol_range(MODULE_LIST);
        let list = list.context("the kernel has no list of modules")?.start;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let command = [
            program.display().to_string(),
            FIND_MODULES.to_owned(),
            self.modules.display().to_string(),
            format!("{list:x}"),
        ];
        let script = self.modules.join("lx_symbols.py");
        // Python reads a list in JSON too.
        let program = serde_json::to_string(&command)?;
        whole_file::write(&script, format!("PROGRAM = {program}\n{SCRIPT}"))?;
        let commands = self.modules.with_file_name("attach");
        let text = interactive_gdb_script(kernel, sources, port, &script);
        whole_file::write(&commands, text)?;
        whole_file::write(editor, editor_gdb_script(sources, &script))?;
        Ok(commands)
    }
}

/// Returns the path of gdb's command file, for an editor, of the guest that has this port of the host.
///
/// # Errors
///
/// If its folder cannot be made.
pub fn editor_script(cache: &Cache, port: u16) -> Result<PathBuf> {
    Ok(cache.folder(EDITOR_SCRIPTS)?.join(port.to_string()))
}

/// Finds modules of a guest in its memory. The arguments are the folder with the modules' files, the
/// address of the kernel's list, and
///
/// - `list`: prints a line for each module in the list;
/// - `loading ADDRESS`: prints a line for the module whose init function the kernel is about to call;
/// - `removing ADDRESS`: prints a line for a module that the kernel is about to free.
///
/// The lines are `add FILE<tab>SECTIONS` or `remove FILE`, in words of gdb. In between are lines
/// `read ADDRESS LENGTH`; the answer on standard input is a line with the bytes in hexadecimal, empty
/// if gdb cannot read them. Addresses are hexadecimal.
///
/// # Errors
///
/// If the arguments or a file are wrong.
pub fn find_modules(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [folder, list, question, rest @ ..] = &arguments[..] else {
        anyhow::bail!("{FIND_MODULES} needs a folder, an address and a question");
    };
    let files = module_files(Path::new(folder))?;
    let mut memory = read_through_gdb;
    let modules = match rest {
        [module] => vec![hexadecimal(module)?],
        _ => listed_modules(hexadecimal(list)?, &mut memory).unwrap_or_default(),
    };
    for module in modules {
        for (path, file) in &files {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let Some(mut found) = LoadedModule::look(&name, file, module, &mut memory)? else {
                continue;
            };
            if *question == "list" {
                found.remove_init();
            }
            let path = gdb_word(path);
            match *question {
                "removing" => crate::outln!("remove {path}")?,
                _ => crate::outln!("add {path}\t{}", section_arguments(&found.sections))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the modules' files in a folder, with their contents.
fn module_files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "ko") {
            let bytes = std::fs::read(&path).with_context(cannot)?;
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

/// Reads the guest's memory through gdb.
fn read_through_gdb(address: u64, length: usize) -> Result<Vec<u8>> {
    crate::outln!("read {address:x} {length}")?;
    streams::stdout().flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    let bytes = hexadecimal_bytes(line.trim_end());
    bytes
        .filter(|bytes| bytes.len() == length)
        .with_context(|| format!("gdb cannot read {length} bytes at {address:#x}"))
}

fn hexadecimal(digits: &str) -> Result<u64> {
    u64::from_str_radix(digits, 16).with_context(|| format!("{digits} is not an address"))
}
