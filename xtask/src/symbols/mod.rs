//! Reports of the kernel's with files and lines: what the kernel's line tables
//! and the modules' say of the functions that a report names.
//!
//! The kernel names a place in its code `function+offset/size [module]`. Both
//! that function and its line are in the ELF file that was loaded, `vmlinux` or
//! `NAME.ko`; nothing of the running guest is needed.

mod line;
mod loaded;
mod object_file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::kernel::KernelImage;
use crate::lesson::timestamp;
use line::SymbolReference;
use object_file::{Frame, ObjectFile};

pub use loaded::{BEFORE_INIT, LoadedModule};

/// The files that tell functions' lines; read when they are first asked.
pub struct Symbols<'a> {
    kernel: &'a KernelImage,
    /// Where the modules' sources are: `modules/` of the clone.
    sources: PathBuf,
    /// The modules' files, by name.
    modules: HashMap<&'a str, &'a Path>,
    /// What was read, by module; `None` is the kernel.
    read: HashMap<Option<String>, Option<ObjectFile>>,
}

/// A place in a source of ours that a task was at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLocation {
    /// The task's name and number: `rmmod (60)`. Empty if the report has none.
    pub task: String,
    /// The file, as a path in the clone.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function, as its source calls it.
    pub function: String,
    /// The line's text.
    pub source: String,
}

/// Folders below `modules/` whose sources are ours, as the compilers are told
/// of them.
const OURS: [&str; 3] = ["lessons/", "races/", "kernel_ext/"];

/// Modules are loaded from here on (Documentation/arch/x86/x86_64/mm.rst).
const MODULES: u64 = 0xffff_ffff_a000_0000;

/// The address of the kernel's function `name`.
pub fn kernel_function(kernel: &KernelImage, name: &str) -> Result<u64> {
    let object = ObjectFile::load(&kernel.vmlinux())?;
    let address = object.address(name, 0);
    address.with_context(|| format!("the kernel has no function {name}"))
}

impl<'a> Symbols<'a> {
    /// Of a guest with this kernel and these modules, each a name and a file,
    /// whose sources are in the folder `sources`.
    pub fn new(
        kernel: &'a KernelImage,
        modules: impl IntoIterator<Item = (&'a str, &'a Path)>,
        sources: PathBuf,
    ) -> Self {
        Self {
            kernel,
            sources,
            modules: modules.into_iter().collect(),
            read: HashMap::new(),
        }
    }

    /// Adds to each line of a report that names a function the file and line
    /// of it, and where the source is ours the source's line below. Returns
    /// the first place of ours in each task's stack.
    ///
    /// A line that nothing is known of stays as it is.
    pub fn symbolize(&mut self, report: &mut Vec<String>) -> Vec<SourceLocation> {
        let mut locations: Vec<SourceLocation> = Vec::new();
        let gone = report.iter().find_map(|line| line::unloaded(line));
        // kmemleak looks when the lesson is over.
        let only = || self.modules.keys().next().copied();
        let gone = gone.or_else(only).map(str::to_owned);
        let mut task = String::new();
        let mut told = false;
        let mut symbolized = Vec::new();
        for line in report.drain(..) {
            let message = timestamp::split_kernel(&line)
                .map_or(&*line, |(_, rest)| rest)
                .trim_start();
            if let Some((name, pid)) = line::task(message) {
                let now = format!("{name} ({pid})");
                told &= now == task;
                task = now;
            }
            // kmemleak's next one, if the same task's.
            told &= !message.starts_with("unreferenced object");
            let frames = self.frames(&line, gone.as_deref());
            if !told
                && !line::is_guess(message)
                && let Some(location) = frames.iter().find_map(|frame| self.location(frame, &task))
            {
                told = true;
                if !locations.contains(&location) {
                    locations.push(location);
                }
            }
            self.write(&line, &frames, &mut symbolized);
        }
        *report = symbolized;
        locations
    }

    /// The line of the lesson's source that the instruction `offset` bytes into a
    /// function of a module was made of.
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

    /// Where the code comes from that the line names, innermost first.
    fn frames(&mut self, line: &str, gone: Option<&str>) -> Vec<Frame> {
        // A call's return address is the next instruction's, and that may be
        // another line's or, after the last instruction, another function's.
        let back = |offset: u64| u64::from(offset > 0 && !line::is_exact(line));
        if let Some(SymbolReference {
            name,
            offset,
            size,
            module,
            ..
        }) = line::symbol_reference(line)
        {
            return self
                .object(module)
                .and_then(|object| {
                    let address = object.address(name, size)?;
                    Some(object.frames(address.wrapping_add(offset - back(offset))))
                })
                .unwrap_or_default();
        }
        match line::bare_address(line) {
            Some(address) if address < MODULES => self
                .object(None)
                .map(|object| object.frames(address - back(address)))
                .unwrap_or_default(),
            Some(address) => self.gone(address, gone),
            None => Vec::new(),
        }
    }

    /// Where code came from that is no more: that of the module that was
    /// unloaded last, if this was where a call in it would have returned to. A
    /// guest's only module is loaded where modules begin.
    fn gone(&mut self, address: u64, module: Option<&str>) -> Vec<Frame> {
        module
            .and_then(|module| self.object(Some(module)))
            .and_then(|object| {
                let address = object.after_call(address - MODULES)?;
                Some(object.frames(address - 1))
            })
            .unwrap_or_default()
    }

    /// The kernel's or a module's file, read once. Without line tables, or
    /// with a file that cannot be read, a report stays as the kernel wrote it:
    /// it must not be lost for that.
    fn object(&mut self, module: Option<&str>) -> Option<&ObjectFile> {
        let key = module.map(str::to_owned);
        if !self.read.contains_key(&key) {
            let path = match module {
                None => Some(self.kernel.vmlinux()),
                Some(module) => self.modules.get(module).map(|path| path.to_path_buf()),
            };
            let object = path.and_then(|path| ObjectFile::load(&path).ok());
            self.read.insert(key.clone(), object);
        }
        self.read.get(&key)?.as_ref()
    }

    /// The file as a path in the clone, where it is ours.
    fn ours(frame: &Frame) -> Option<String> {
        let file = &frame.file;
        let ours = OURS.iter().any(|folder| file.starts_with(folder))
            && !file.split('/').any(|part| part == "..");
        ours.then(|| format!("modules/{file}"))
    }

    fn shown(frame: &Frame) -> String {
        let file = Self::ours(frame).unwrap_or_else(|| frame.file.clone());
        format!("{file}:{}", frame.line)
    }

    fn source(&self, frame: &Frame) -> Option<String> {
        let file = Self::ours(frame)?;
        let path = self.sources.join(file.strip_prefix("modules/")?);
        let text = std::fs::read_to_string(path).ok()?;
        let line = usize::try_from(frame.line).ok()?.checked_sub(1)?;
        Some(text.lines().nth(line)?.replace('\t', "    "))
    }

    fn location(&self, frame: &Frame, task: &str) -> Option<SourceLocation> {
        let file = Self::ours(frame)?;
        // What a lesson is about is its own code.
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

    /// Writes a line with what is known of it.
    fn write(&self, line: &str, frames: &[Frame], out: &mut Vec<String>) {
        let mut text = line.to_owned();
        if let Some(SymbolReference { name, at, .. }) = line::symbol_reference(line) {
            text.replace_range(at..at + name.len(), &object_file::demangled(name));
        }
        let text_begins = line.len()
            - timestamp::split_kernel(line)
                .map_or(line, |(_, rest)| rest)
                .trim_start()
                .len();
        let indent = " ".repeat(text_begins + 4);
        let bare = line::symbol_reference(line).is_none()
            && line::bare_address(line).is_some_and(|address| address >= MODULES);
        let Some((innermost, outer)) = frames.split_first() else {
            if bare {
                text.push_str("  (no module is there)");
            }
            out.push(text);
            return;
        };
        let place = |frame: &Frame, more: bool| match &frame.function {
            Some(function) if more => format!("{} in {function}, inlined", Self::shown(frame)),
            _ => Self::shown(frame),
        };
        text.push_str("  ");
        text.push_str(&place(innermost, !outer.is_empty()));
        if bare {
            text.push_str(" (of the module that is no more)");
        }
        out.push(text);
        let source = |frame: &Frame, out: &mut Vec<String>| {
            if let Some(source) = self.source(frame) {
                out.push(format!("{indent}{:4} | {source}", frame.line));
            }
        };
        source(innermost, out);
        // Of the kernel's own functions one line is enough.
        if !frames.iter().any(|frame| Self::ours(frame).is_some()) {
            return;
        }
        for (index, pair) in (1..).zip(frames.windows(2)) {
            // What a macro makes is all on the macro's line.
            let (inner, frame) = (&pair[0], &pair[1]);
            if Self::shown(inner) != Self::shown(frame) {
                let more = index < frames.len() - 1;
                out.push(format!("{indent}from {}", place(frame, more)));
                source(frame, out);
            }
        }
    }
}
