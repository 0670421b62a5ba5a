//! Adds files and lines to the kernel's reports, from the line tables of the kernel
//! and of the modules.
//!
//! The kernel prints an address of its code as `function+offset/size [module]`. The
//! function and its lines are in the ELF file, `vmlinux` or `NAME.ko`, so the running
//! guest is not needed.

mod formats;
mod gdb_script;
mod gdb_symbols;
mod line;
mod loaded;
mod object_file;
mod unloaded;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::kernel::{KernelImage, MODULE_ADDRESSES};
use crate::modules::kernel_name;
use crate::text::demangled;
use line::SymbolReference;
use object_file::{Frame, ObjectFile};
use unloaded::{CodeOf, UnloadedModule};

pub use formats::origins;
pub use gdb_script::{editor_gdb_script, gdb_script, gdb_source_folders, interactive_gdb_script};
pub use gdb_symbols::{FIND_MODULES, GuestSymbols, editor_script, find_modules};
pub use loaded::{BEFORE_INIT, LoadedModule, MODULE_LIST, listed_modules};

type Elf<'a> = object::read::elf::ElfFile64<'a, object::LittleEndian>;

/// The line tables of a kernel and of modules, which are read when first needed.
pub struct Symbols<'a> {
    kernel: &'a KernelImage,
    /// Folder of the modules' sources: `modules/` of the clone.
    sources: PathBuf,
    /// The sources of a project, if the modules are a project's.
    project: Option<ProjectSources>,
    /// Files of the modules, by the kernel's names of these.
    modules: HashMap<String, &'a Path>,
    /// Files that were read, by module; the key `None` is the kernel. A file that
    /// cannot be read is `None`.
    objects: HashMap<Option<String>, Option<ObjectFile>>,
}

/// The folder of a project, whose modules name their sources relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSources {
    /// The folder.
    pub folder: PathBuf,
    /// The folder as the user wrote it.
    pub shown: String,
}

/// A line of a lesson's source that a task executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLocation {
    /// Name and PID of the task: `rmmod (60)`, or `an interrupt on CPU 1`. Empty if the report has none.
    pub task: String,
    /// The file, as a path from the clone's top folder, or below the project's folder as the user
    /// wrote it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Name of the function, as in the source.
    pub function: String,
    /// Text of the line.
    pub source: String,
}

/// Folders below `modules/` with sources of the clone, as they are named in the line
/// tables.
const CLONE_FOLDERS: [&str; 3] = ["lessons/", "races/", "kernel_ext/"];

/// Folder of the crate `kernel_ext`, in the same way.
const KERNEL_EXT: &str = "kernel_ext/";

/// A source file that a person can open.
struct OwnFile {
    path: PathBuf,
    shown: String,
}

impl OwnFile {
    fn of_clone(modules: &Path, file: &str) -> Self {
        Self {
            path: modules.join(file),
            shown: format!("modules/{file}"),
        }
    }
}

/// First address of modules.
const MODULES: u64 = MODULE_ADDRESSES.start;

/// Returns the address of the kernel's function `name`.
///
/// # Errors
///
/// If `vmlinux` cannot be read, or has no such function.
pub fn kernel_function(kernel: &KernelImage, name: &str) -> Result<u64> {
    let object = ObjectFile::load(&kernel.vmlinux())?;
    let address = object.address(name, 0);
    address.with_context(|| format!("the kernel has no function {name}"))
}

impl<'a> Symbols<'a> {
    /// Returns the symbols of a guest with this kernel and these modules, each a name
    /// and a file, whose sources are in the folder `sources`.
    pub fn new(
        kernel: &'a KernelImage,
        modules: impl IntoIterator<Item = (&'a str, &'a Path)>,
        sources: PathBuf,
    ) -> Self {
        Self {
            kernel,
            sources,
            project: None,
            modules: modules
                .into_iter()
                .map(|(name, path)| (kernel_name(name), path))
                .collect(),
            objects: HashMap::new(),
        }
    }

    /// Returns the symbols of a guest with the modules of a project.
    pub fn of_project(mut self, project: Option<ProjectSources>) -> Self {
        self.project = project;
        self
    }

    /// Adds the file and line to each line of a report that names a function, and the
    /// text of that line below if the source is in the clone. A line with an unknown
    /// function does not change.
    ///
    /// Returns the innermost location of each task's stack in the lesson's sources.
    pub fn symbolize(&mut self, report: &mut Vec<String>) -> Vec<SourceLocation> {
        let mut locations: Vec<SourceLocation> = Vec::new();
        let unloaded = self.unloaded(report);
        let mut task = String::new();
        // Whether the location of this task is known.
        let mut located = false;
        // Whether the lines are about an earlier call, such as the allocation of an object.
        let mut earlier = false;
        let mut symbolized = Vec::new();
        let lines = std::mem::take(report);
        let is_crash = line::is_crash(lines.iter().map(|line| line::message(line)));
        for (index, line) in lines.iter().enumerate() {
            let message = line::message(line);
            if let Some((name, pid)) = line::task(message) {
                let below = lines[index + 1..].iter().map(|line| line::message(line));
                let interrupt =
                    line::cpu(message).filter(|_| is_crash && line::met_interrupt(below));
                // An idle task runs no code of a module itself.
                let now = match name.strip_prefix("swapper/").or(interrupt) {
                    Some(cpu) => format!("an interrupt on CPU {cpu}"),
                    None => format!("{name} ({pid})"),
                };
                located &= now == task;
                // KCSAN prints the name of one of the two tasks, after both stacks.
                let unnamed = format!("{} ({pid})", line::UNNAMED);
                for location in &mut locations {
                    if location.task == unnamed {
                        location.task.clone_from(&now);
                    }
                }
                task = now;
            }
            // Each object that kmemleak reports has its own stack.
            located &= !message.starts_with("unreferenced object");
            earlier = line::begins_earlier_call(message).unwrap_or(earlier);
            let (frames, code) = self.frames(line, unloaded.as_ref());
            if !located
                && !earlier
                && !line::is_guess(message)
                && !line::is_held_lock(message)
                && !line::is_race_headline(message)
                && let Some(location) = frames.iter().find_map(|frame| self.location(frame, &task))
            {
                located = true;
                if !locations.contains(&location) {
                    locations.push(location);
                }
            }
            self.write(line, &frames, code, &mut symbolized);
        }
        *report = symbolized;
        locations
    }

    /// Returns the line of the lesson's source that the instruction `offset` bytes into
    /// a function of a module was compiled from.
    pub fn source_location(
        &mut self,
        module: &str,
        function: &str,
        offset: u32,
    ) -> Option<SourceLocation> {
        let object = self.object(Some(module))?;
        let address = object.address(function, 0)? + u64::from(offset);
        let frames = object.frames(address);
        frames.iter().find_map(|frame| self.location(frame, ""))
    }

    /// Returns the line of the kernel's source that the instruction `offset` bytes into a function of the kernel
    /// was compiled from.
    pub fn kernel_location(&mut self, function: &str, offset: u32) -> Option<SourceLocation> {
        let object = self.object(None)?;
        let address = object.address(function, 0)? + u64::from(offset);
        let frames = object.frames(address);
        // The innermost may be a function of a header that is inlined everywhere.
        let frame = frames.last()?;
        let text = std::fs::read_to_string(self.kernel.tree.join(&frame.file)).ok();
        let line = usize::try_from(frame.line).ok()?.checked_sub(1)?;
        let source = text.and_then(|text| Some(text.lines().nth(line)?.replace('\t', "    ")));
        Some(SourceLocation {
            task: String::new(),
            file: frame.file.clone(),
            line: frame.line,
            function: frame.function.clone().unwrap_or_default(),
            source: source.unwrap_or_default(),
        })
    }

    /// Returns the file and the line that the instruction `offset` bytes into a function of a module was compiled
    /// from, of inlined functions that of the innermost; `None` if it has no line of its own.
    pub fn innermost_line(
        &mut self,
        module: &str,
        function: &str,
        offset: u32,
    ) -> Option<(String, u32)> {
        let object = self.object(Some(module))?;
        let address = object.address(function, 0)? + u64::from(offset);
        object.innermost_line(address)
    }

    /// Returns the functions and lines of the code that a line of a report names,
    /// innermost first.
    fn frames(&mut self, line: &str, unloaded: Option<&UnloadedModule>) -> (Vec<Frame>, CodeOf) {
        // A return address is that of the instruction after the call, which may
        // belong to another line, or even to another function.
        let is_exact = line::is_exact(line) || line::is_work(line);
        let back = |offset: u64| u64::from(offset > 0 && !is_exact);
        if let Some(SymbolReference {
            name,
            offset,
            size,
            module,
            ..
        }) = line::symbol_reference(line)
        {
            let frames = self.object(module).and_then(|object| {
                let address = object.address(name, size)?;
                Some(object.frames(address.wrapping_add(offset - back(offset))))
            });
            return (frames.unwrap_or_default(), CodeOf::Named);
        }
        match line::bare_address(line) {
            Some(address) if address < MODULES => {
                let frames = self
                    .object(None)
                    .map(|object| object.frames(address - back(address)));
                (frames.unwrap_or_default(), CodeOf::Named)
            }
            Some(address) => {
                let met_int3 = unloaded.is_some_and(|unloaded| unloaded.met_int3);
                let code = address - u64::from(met_int3 && line::is_exact(line));
                match self.unloaded_frames(code, is_exact, unloaded) {
                    frames if frames.is_empty() && is_exact => (frames, CodeOf::Named),
                    frames if frames.is_empty() => (self.init_frames(address), CodeOf::Init),
                    frames => (frames, CodeOf::Unloaded),
                }
            }
            None => (Vec::new(), CodeOf::Named),
        }
    }

    /// Returns the file of the kernel or of a module, which is read once. With a file
    /// that cannot be read or has no line tables, a report stays as the kernel wrote
    /// it.
    fn object(&mut self, module: Option<&str>) -> Option<&ObjectFile> {
        let key = module.map(kernel_name);
        if !self.objects.contains_key(&key) {
            let path = match key.as_ref() {
                None => Some(self.kernel.vmlinux()),
                Some(module) => self.modules.get(module).map(|path| path.to_path_buf()),
            };
            let object = path.and_then(|path| ObjectFile::load(&path).ok());
            self.objects.insert(key.clone(), object);
        }
        self.objects.get(&key)?.as_ref()
    }

    /// Returns the file of a frame on the host and its path for messages, if it is a source of
    /// the clone or of the project.
    fn own_file(&self, frame: &Frame) -> Option<OwnFile> {
        let file = &frame.file;
        if file.split('/').any(|part| part == "..") || file.starts_with('/') {
            return None;
        }
        let is_clones = CLONE_FOLDERS.iter().any(|folder| file.starts_with(folder));
        let Some(ProjectSources { folder, shown }) = &self.project else {
            return is_clones.then(|| OwnFile::of_clone(&self.sources, file));
        };
        let path = folder.join(file);
        if path.is_file() {
            let shown = format!("{}/{file}", shown.trim_end_matches('/'));
            return Some(OwnFile { path, shown });
        }
        let is_crates = file.starts_with(KERNEL_EXT);
        is_crates.then(|| OwnFile::of_clone(&self.sources, file))
    }

    fn file_and_line(&self, frame: &Frame) -> String {
        let file = self.own_file(frame).map(|own| own.shown);
        format!("{}:{}", file.as_ref().unwrap_or(&frame.file), frame.line)
    }

    fn source(&self, frame: &Frame) -> Option<String> {
        let text = std::fs::read_to_string(self.own_file(frame)?.path).ok()?;
        let line = usize::try_from(frame.line).ok()?.checked_sub(1)?;
        Some(text.lines().nth(line)?.replace('\t', "    "))
    }

    fn location(&self, frame: &Frame, task: &str) -> Option<SourceLocation> {
        let file = self.own_file(frame)?.shown;
        // The lesson is about its own code, not about kernel_ext.
        if file.starts_with("modules/kernel_ext/") {
            return None;
        }
        Some(SourceLocation {
            task: task.to_owned(),
            file,
            line: frame.line,
            function: frame.function.clone().unwrap_or_default(),
            source: self.source(frame).unwrap_or_default(),
        })
    }

    /// Writes a line of a report with its frames.
    fn write(&self, line: &str, frames: &[Frame], code: CodeOf, out: &mut Vec<String>) {
        let mut text = line.to_owned();
        if let Some(SymbolReference { name, at, .. }) = line::symbol_reference(line) {
            text.replace_range(at..at + name.len(), &object_file::demangled(name));
        } else if line::is_race_headline(line::message(line)) || line::is_work(line) {
            text = demangled(line);
        }
        let text_begins = line.len() - line::message(line).len();
        let indent = " ".repeat(text_begins + 4);
        let bare = line::symbol_reference(line).is_none()
            && line::bare_address(line).is_some_and(|address| address >= MODULES);
        let Some((innermost, outer)) = frames.split_first() else {
            if bare {
                text.push_str("  (no module at this address)");
            }
            out.push(text);
            return;
        };
        let describe = |frame: &Frame, more: bool| match &frame.function {
            Some(function) if more => {
                format!("{} in {function}, inlined", self.file_and_line(frame))
            }
            _ => self.file_and_line(frame),
        };
        text.push_str("  ");
        text.push_str(&describe(innermost, !outer.is_empty()));
        text.push_str(code.note());
        out.push(text);
        let source = |frame: &Frame, out: &mut Vec<String>| {
            if let Some(source) = self.source(frame) {
                out.push(format!("{indent}{:4} | {source}", frame.line));
            }
        };
        source(innermost, out);
        // The kernel's own functions need no more than one line.
        if !frames.iter().any(|frame| self.own_file(frame).is_some()) {
            return;
        }
        for (index, pair) in (1..).zip(frames.windows(2)) {
            // All code of a macro is on the macro's line.
            let (inner, frame) = (&pair[0], &pair[1]);
            if self.file_and_line(inner) != self.file_and_line(frame) {
                let more = index < frames.len() - 1;
                out.push(format!("{indent}from {}", describe(frame, more)));
                source(frame, out);
            }
        }
    }
}
