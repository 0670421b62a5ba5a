//! The files by which editors understand modules: `rust-project.json` for rust-analyzer,
//! `compile_commands.json` for clangd, and tasks of VS Code.

mod rust_project;
mod vscode;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::failure::Failure;
use crate::key::Inputs;
use crate::modules::CompiledSource;

pub use rust_project::{ModuleCrate, rust_project};
pub use vscode::{DEBUGGER_PORT, extensions, launch, settings, tasks};

/// A file for an editor: its path in the folder that the editor opens, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditorFile {
    /// The path, relative to the folder.
    pub name: &'static str,
    /// The text.
    pub text: String,
    /// Whether a file of this name may be replaced without a question: it is made from others, and
    /// nobody edits it. Another file is replaced only if its first line has the digest of the rest.
    pub generated: bool,
}

/// Beginning of the first line of a file that a user may edit. The digest of the lines below follows.
/// VS Code allows comments in its files.
const DIGEST: &str = "// Written by `kmodlab ide`, which keeps this file once you have edited it: ";

impl EditorFile {
    /// Returns a file that a user may edit, with the digest of its text in a first line.
    fn editable(name: &'static str, text: &str) -> Self {
        Self {
            name,
            text: format!("{DIGEST}{}\n{text}", digest(text)),
            generated: false,
        }
    }
}

/// Returns the digest of a text in an editor's file.
fn digest(text: &str) -> String {
    Inputs::new("editor file 1")
        .text("text", text)
        .key()
        .to_string()
}

/// Returns true if nobody edited a file since [`write`] wrote this text.
fn is_unedited(text: &str) -> bool {
    let first = text.strip_prefix(DIGEST);
    let parts = first.and_then(|text| text.split_once('\n'));
    parts.is_some_and(|(stated, rest)| stated == digest(rest))
}

/// An entry of `compile_commands.json`
/// (<https://clang.llvm.org/docs/JSONCompilationDatabase.html>).
#[derive(Debug, Serialize)]
struct CompileCommand {
    directory: String,
    command: String,
    file: String,
}

/// Returns `compile_commands.json` for the C sources, each with its folder, or none if there are none.
/// The sources `NAME.mod.c`, which kbuild makes in its own folder, are left out. `objects` is the folder of the kernel's objects, in which kbuild runs the compiler.
///
/// # Errors
///
/// None in practice: the file is a list of strings.
pub fn compile_commands<'a>(
    sources: impl IntoIterator<Item = (&'a Path, &'a CompiledSource)>,
    objects: &Path,
) -> Result<Option<EditorFile>> {
    let sources = sources.into_iter();
    let sources = sources.filter(|(_, CompiledSource { source, .. })| {
        source.ends_with(".c") && !source.ends_with(".mod.c")
    });
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

/// Writes the files into `folder`, and returns the names of those that a user has edited, which are
/// left as they are.
///
/// # Errors
///
/// Fails if a file cannot be written, or is a symbolic link, or in a folder that is one: its target may be in use
/// elsewhere. A read-only folder is the user's choice.
pub fn write(folder: &Path, files: &[EditorFile]) -> Result<Vec<&'static str>> {
    let mut kept = Vec::new();
    for file in files {
        let path = folder.join(file.name);
        let mut inside = path.ancestors().take_while(|own| *own != folder);
        if let Some(link) = inside.find(|own| own.is_symlink()) {
            bail!(Failure::usage(format!(
                "{} is a symbolic link, through which nothing is written; remove it",
                link.display()
            )));
        }
        if !file.generated && path.exists() {
            let present = std::fs::read_to_string(&path);
            if !present.is_ok_and(|text| is_unedited(&text)) {
                kept.push(file.name);
                continue;
            }
        }
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, &file.text))
            .with_context(|| Failure::usage(format!("cannot write {}", path.display())))?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAUNCH: &str = ".vscode/launch.json";

    fn launch_of(kernel: &str) -> EditorFile {
        launch(&Path::new(kernel).join("vmlinux"), Path::new("/cache/1234"))
    }

    #[test]
    fn a_file_that_nobody_edited_is_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let written = |file: EditorFile| -> Result<_> {
            let kept = write(folder.path(), &[file])?;
            Ok((kept, std::fs::read_to_string(folder.path().join(LAUNCH))?))
        };
        assert_eq!(written(launch_of("/6.12"))?.0, [""; 0]);
        let (kept, text) = written(launch_of("/7.3"))?;
        assert_eq!(kept, [""; 0]);
        assert!(text.contains("\"/7.3/vmlinux\""), "{text}");
        let edited = text.replace("\"stopAtConnect\": true", "\"stopAtConnect\": false");
        std::fs::write(folder.path().join(LAUNCH), &edited)?;
        assert_eq!(written(launch_of("/6.12"))?, (vec![LAUNCH], edited));
        Ok(())
    }

    #[test]
    fn nothing_is_written_through_a_link() -> Result<()> {
        let (folder, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        std::os::unix::fs::symlink(other.path(), folder.path().join(".vscode"))?;
        let error = write(folder.path(), &[launch_of("/6.12")]).expect_err("a link");
        assert!(
            error.to_string().contains(".vscode is a symbolic link"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(other.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn a_file_without_a_digest_is_kept() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join(".vscode"))?;
        std::fs::write(folder.path().join(LAUNCH), "{}\n")?;
        assert_eq!(write(folder.path(), &[launch_of("/6.12")])?, [LAUNCH]);
        assert_eq!(std::fs::read_to_string(folder.path().join(LAUNCH))?, "{}\n");
        Ok(())
    }

    #[test]
    fn a_source_that_kbuild_makes_has_no_command() -> Result<()> {
        let source = |name: &str| -> Result<CompiledSource> {
            let value = serde_json::json!({"source": name, "command": "clang"});
            Ok(serde_json::from_value(value)?)
        };
        let sources = [source("c/kth.c")?, source("c/kth.mod.c")?];
        let sources = sources.iter().map(|source| (Path::new("/kth"), source));
        let file = compile_commands(sources, Path::new("/objects"))?.context("no file")?;
        let commands: serde_json::Value = serde_json::from_str(&file.text)?;
        let commands = commands.as_array().context("not a list")?;
        let files: Vec<_> = commands.iter().map(|command| &command["file"]).collect();
        assert_eq!(files, ["/kth/c/kth.c"]);
        Ok(())
    }
}
