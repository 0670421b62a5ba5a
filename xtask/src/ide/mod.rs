//! The files by which editors understand modules: `rust-project.json` for rust-analyzer,
//! `compile_commands.json` for clangd, and tasks of VS Code.

mod rust_project;
mod vscode;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::failure::Failure;
use crate::modules::CompiledSource;

pub use rust_project::{ModuleCrate, rust_project};
pub use vscode::{DEBUGGER_PORT, launch, settings, tasks};

/// A file for an editor: its path in the folder that the editor opens, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditorFile {
    /// The path, relative to the folder.
    pub name: &'static str,
    /// The text.
    pub text: String,
    /// Whether a file of this name may be replaced without a question: it is made from others, and
    /// nobody edits it.
    pub generated: bool,
}

/// An entry of `compile_commands.json`
/// (<https://clang.llvm.org/docs/JSONCompilationDatabase.html>).
#[derive(Debug, Serialize)]
struct CompileCommand {
    directory: String,
    command: String,
    file: String,
}

/// Returns `compile_commands.json` for the C sources in `folder`, or none if there are none.
/// `objects` is the folder of the kernel's objects, in which kbuild runs the compiler.
///
/// # Errors
///
/// None in practice: the file is a list of strings.
pub fn compile_commands<'a>(
    sources: impl IntoIterator<Item = (&'a Path, &'a CompiledSource)>,
    objects: &Path,
) -> Result<Option<EditorFile>> {
    let sources = sources.into_iter();
    let sources = sources.filter(|(_, source)| source.source.ends_with(".c"));
    let commands: Vec<CompileCommand> = sources
        .map(|(folder, source)| CompileCommand {
            directory: objects.display().to_string(),
            command: source.command_in(folder),
            file: folder.join(&source.source).display().to_string(),
        })
        .collect();
    if commands.is_empty() {
        return Ok(None);
    }
    Ok(Some(EditorFile {
        name: "compile_commands.json",
        text: serde_json::to_string_pretty(&commands)? + "\n",
        generated: true,
    }))
}

/// Writes the files into `folder`, and returns the names of those that were there and are left
/// as they are.
///
/// # Errors
///
/// Fails if a file cannot be written; a read-only folder is the user's choice.
pub fn write(folder: &Path, files: &[EditorFile]) -> Result<Vec<&'static str>> {
    let mut kept = Vec::new();
    for file in files {
        let path = folder.join(file.name);
        if !file.generated && path.exists() {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(&file.text) {
                kept.push(file.name);
            }
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, &file.text))
            .with_context(|| Failure::usage(format!("cannot write {}", path.display())))?;
    }
    Ok(kept)
}
