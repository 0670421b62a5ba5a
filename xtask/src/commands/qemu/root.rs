//! The root folder of an interactive guest.

use std::path::PathBuf;

use anyhow::Result;
use kmodlab_protocol::BANNER_FILE;

use super::super::divided::DividedCommands;
use super::super::script::GuestScript;
use crate::failure::Failure;
use crate::initramfs::GuestFile;
use crate::key::Inputs;
use crate::lesson::Lesson;
use crate::modules::{Language, MODPROBE_INDEX, Module, modprobe_index};
use crate::pipeline::{self, Built};
use crate::session::Session;

/// The commands that a guest runs when it starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commands<'a> {
    /// Those of `--run` or of a standard input.
    pub input: Option<&'a GuestScript>,
    /// Those of a text.
    pub typed: Option<&'a DividedCommands>,
}

/// Packs the guest's root folder: the base, the modules, the commands and the banner. It is in the
/// cache, so that the command line of `--dry-run` can be used.
///
/// # Errors
///
/// If a file cannot be read or written.
pub(super) fn initrd(
    session: &Session,
    built: &Built,
    lessons: &[Lesson],
    commands: &Commands<'_>,
) -> Result<PathBuf> {
    let mut files = Vec::new();
    for module in &built.modules {
        files.push((module.owner.clone(), pipeline::in_guest(module)?));
    }
    files.extend(built.project_files.iter().cloned());
    let mut files = merged(built, files)?;
    files.extend(commands.input.map(GuestScript::file));
    if let Some(typed) = commands.typed {
        typed.add_to(&mut files)?;
    }
    files.push(GuestFile {
        path: BANNER_FILE.to_owned(),
        mode: 0o644,
        contents: banner(built, lessons).into_bytes(),
    });
    let mut inputs = Inputs::new("initrd 1");
    inputs.file("base", &built.initramfs.path)?;
    for GuestFile {
        path,
        mode,
        contents,
    } in &files
    {
        inputs.text("mode", mode.to_string()).bytes(path, contents);
    }
    let entry = session
        .cache
        .entry("initramfs", "qemu", &inputs.key(), |staging| {
            built.initramfs.with(&files, staging)
        })?;
    Ok(entry.path)
}

/// Returns the files, each of a folder or lesson with this name, with one index for modprobe, of all
/// modules, in place of theirs.
fn merged(built: &Built, files: Vec<(String, GuestFile)>) -> Result<Vec<GuestFile>> {
    let mut merged: Vec<(String, GuestFile)> = Vec::new();
    let files = files.into_iter();
    for (owner, file) in files.filter(|(_, file)| !file.path.ends_with(MODPROBE_INDEX)) {
        match merged.iter().find(|(_, known)| known.path == file.path) {
            Some((first, known)) if *known != file => {
                let message = format!(
                    "{first} and {owner} have different files for {} in the guest; boot a guest for each",
                    file.path
                );
                return Err(Failure::usage(message).into());
            }
            Some(_) => {}
            None => merged.push((owner, file)),
        }
    }
    let mut files: Vec<GuestFile> = merged.into_iter().map(|(_, file)| file).collect();
    files.push(modprobe_index(&built.kernel, &built.modules)?);
    Ok(files)
}

/// Returns the text that the guest prints before its first prompt.
fn banner(built: &Built, lessons: &[Lesson]) -> String {
    let version = built.kernel.label();
    let language = built
        .modules
        .first()
        .map_or(Language::Rust, |module| module.language)
        .title();
    // The modules of a project have no titles.
    let title = |module: &Module| {
        let lesson = lessons.iter().find(|lesson| lesson.name == module.name);
        let own = lesson.filter(|lesson| lesson.project.is_none());
        own.map_or("", |lesson| &lesson.title)
    };
    let names = built.modules.iter().map(|module| module.name.len());
    let width = names.max().unwrap_or(0);
    let mut modules = String::new();
    for module in &built.modules {
        let (name, title) = (&module.name, title(module));
        let pad = width - name.len();
        let line = format!("    insmod {name}.ko{:pad$}  {title}", "");
        modules += line.trim_end();
        modules.push('\n');
    }
    format!(
        "\nkmodlab: Linux {version}, kernel modules in {language}. Kernel messages appear here as they come.\n\n\
         {modules}\n\
         \x20   rmmod NAME, lsmod, modinfo FILE, dmesg, ps\n\
         \x20   reload      builds the modules again, and loads them in place of those that are loaded\n\n\
         To leave: type poweroff, or press Ctrl-A and then X.\n\n"
    )
}
