//! How kbuild compiled each source of a project, from the files that it keeps for itself: an
//! editor's language server needs the same command.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::key::files_below;

/// The file in a project's entry of the cache.
pub(super) const COMPILED: &str = "compiled.json";

/// Text that stands for the project's folder in a command.
const FOLDER: &str = "\u{1}PROJECT\u{1}";

/// A source that kbuild compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledSource {
    /// Path of the source, relative to the project's folder.
    pub source: String,
    /// The compiler's command line as a shell reads it.
    command: String,
}

impl CompiledSource {
    /// Returns the command line for the sources in `folder`.
    pub fn command_in(&self, folder: &Path) -> String {
        let folder = folder.display().to_string();
        let in_words = || {
            let words = shlex::split(&self.command)?;
            let words = words.iter().map(|word| word.replace(FOLDER, &folder));
            let words: Vec<String> = words.collect();
            shlex::try_join(words.iter().map(String::as_str)).ok()
        };
        // No shell could run a command that has no words, or one with a NUL.
        in_words().unwrap_or_else(|| self.command.replace(FOLDER, &folder))
    }
}

/// Returns the sources below `sources` that kbuild compiled in `work`, sorted by path. kbuild
/// keeps the command of each object in a file `.NAME.o.cmd` beside it.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub(super) fn compiled_sources(work: &Path, sources: &Path) -> Result<Vec<CompiledSource>> {
    let mut found = Vec::new();
    for text in object_records(work)? {
        found.extend(compiled_source(&text, work, sources));
    }
    found.sort_by(|one, other| one.source.cmp(&other.source));
    found.dedup();
    Ok(found)
}

/// Returns kbuild's records of the objects in `work`: for each its command, source and headers.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub(super) fn object_records(work: &Path) -> Result<Vec<String>> {
    let mut paths = files_below(work)?;
    paths.retain(|path| path.to_string_lossy().ends_with(".o.cmd"));
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Reads a record of kbuild's. Objects that are not made of one source of the project, such as those
/// that the linker joins, are left out.
fn compiled_source(text: &str, work: &Path, sources: &Path) -> Option<CompiledSource> {
    let first = text.lines().next()?;
    let (_, command) = first.strip_prefix("savedcmd_")?.split_once(" := ")?;
    // kbuild appends other tools to the compiler's command.
    let command = command.split(" ; ").next()?.trim();
    let source = command
        .split_whitespace()
        .rev()
        .find(|word| word.ends_with(".c") || word.ends_with(".rs"))?;
    let (work, sources) = (work.display().to_string(), sources.display().to_string());
    // Linux 7.3 names files from the folder in which it works.
    let absolute = match source.starts_with('/') {
        true => source.to_owned(),
        false => format!("{work}/{}", source.trim_start_matches("./")),
    };
    let relative = absolute.strip_prefix(&format!("{sources}/"))?.to_owned();
    let command = command
        .replace(&format!(" {source}"), &format!(" {FOLDER}/{relative}"))
        .replace(&sources, FOLDER)
        .replace(&work, FOLDER);
    Some(CompiledSource {
        source: relative,
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_found_by_its_command() {
        let read = |text: &str| compiled_source(text, Path::new("/w"), Path::new("/w/src"));
        let absolute = read(
            "savedcmd_/w/src/a.o := clang -Wp,-MMD,/w/src/.a.o.d -I/w/src/include -c -o /w/src/a.o \
             /w/src/a.c ; objtool /w/src/a.o\n\nsource_/w/src/a.o := /w/src/a.c\n",
        );
        let absolute =
            absolute.map(|found| (found.command_in(Path::new("/home/me")), found.source));
        let command =
            "clang '-Wp,-MMD,/home/me/.a.o.d' -I/home/me/include -c -o /home/me/a.o /home/me/a.c";
        assert_eq!(absolute, Some((command.to_owned(), "a.c".to_owned())));
        let spaced =
            read("savedcmd_/w/src/a.o := clang -I/w/src/include -c -o /w/src/a.o /w/src/a.c\n");
        let spaced = spaced.map(|found| found.command_in(Path::new("/a b")));
        let command = "clang '-I/a b/include' -c -o '/a b/a.o' '/a b/a.c'";
        assert_eq!(spaced.as_deref(), Some(command));
        let relative = read("savedcmd_src/b.o := clang -c -o src/b.o src/b.c\n");
        let relative = relative.map(|found| (found.command_in(Path::new("/x")), found.source));
        let command = "clang -c -o src/b.o /x/b.c";
        assert_eq!(relative, Some((command.to_owned(), "b.c".to_owned())));
        assert_eq!(read("savedcmd_/w/m.o := ld -r -o /w/m.o @/w/m.mod\n"), None);
        assert_eq!(read("savedcmd_/w/m.mod.o := clang -c /w/m.mod.c\n"), None);
    }
}
