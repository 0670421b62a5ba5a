//! Lessons and races of a clone: found by name, and read with their texts.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{BadText, BadTextOwner, Lesson, LessonText, TextError, compare, syntax, transcript};
use crate::failure::Failure;
use crate::modules::{self, Language};
use crate::text::printable;
use crate::workspace::Workspace;

/// Loads all lessons, sorted by name.
///
/// # Errors
///
/// Fails if a text cannot be tested; the message names the README's path and line. Also fails if
/// the folder of lessons cannot be listed, or if no shell can be started to check commands.
pub fn all(workspace: &Workspace) -> Result<Vec<Lesson>> {
    all_good(load_all(workspace, &lessons(workspace)?)?)
}

/// Loads all races and their corrected versions, sorted by name.
///
/// # Errors
///
/// Fails as [`all`] does.
pub fn all_races(workspace: &Workspace) -> Result<Vec<Lesson>> {
    all_good(load_all(workspace, &races(workspace)?)?)
}

fn all_good(texts: Vec<LessonText>) -> Result<Vec<Lesson>> {
    let lessons = texts.into_iter();
    lessons
        .map(|text| text.map_err(|bad| bad.error.into()))
        .collect()
}

/// Loads the lessons and races with these names, in this order and each once;
/// without names, all lessons. In a name, `*` matches any text.
///
/// # Errors
///
/// Fails with [`Failure::usage`] if a name matches no lesson or race. Also fails if the folder of
/// lessons cannot be listed, or if no shell can be started to check commands.
pub fn select(workspace: &Workspace, requested: &[String]) -> Result<Vec<LessonText>> {
    if requested.is_empty() {
        return load_all(workspace, &lessons(workspace)?);
    }
    let (lessons, races) = (lessons(workspace)?, races(workspace)?);
    let known = [("lesson", lessons), ("race", races)];
    load_all(workspace, &named(workspace, requested, &known)?)
}

/// Loads the races with these names, as [`select`] does; without names, all races.
///
/// # Errors
///
/// Fails as [`select`] does.
pub fn select_races(workspace: &Workspace, requested: &[String]) -> Result<Vec<LessonText>> {
    let races = races(workspace)?;
    if requested.is_empty() {
        return load_all(workspace, &races);
    }
    let names = named(workspace, requested, &[("race", races)])?;
    load_all(workspace, &names)
}

/// Returns the names that are requested, each once. `known` has the names of each kind.
fn named(
    workspace: &Workspace,
    requested: &[String],
    known: &[(&str, Vec<String>)],
) -> Result<Vec<String>> {
    let known_names = || known.iter().flat_map(|(_, names)| names);
    let mut names: Vec<String> = Vec::new();
    for name in requested {
        let mut matching = known_names()
            .filter(|known| compare::glob_matches(name, known))
            .peekable();
        if matching.peek().is_none() {
            let message = without_text(workspace, name).unwrap_or_else(|| unknown(name, known));
            return Err(Failure::usage(message).into());
        }
        for name in matching {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

/// Returns the names of all lessons, sorted.
fn lessons(workspace: &Workspace) -> Result<Vec<String>> {
    names_in(&workspace.lessons())
}

/// Returns the names of all races and of their corrected versions, sorted. A
/// workspace may have none.
fn races(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.races();
    match folder.is_dir() {
        true => names_in(&folder),
        false => Ok(Vec::new()),
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let list = || format!("cannot list the lessons in {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let folder = entry.path();
        if folder.join("README.md").is_file() || has_source(&folder, &name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reports whether a folder has the source of a module with its name. It is a lesson then, also if
/// its text is missing: nobody would notice that it is not tested.
fn has_source(folder: &Path, name: &str) -> bool {
    let languages = [Language::Rust, Language::C];
    let mut sources = languages.iter().map(|language| language.source(name));
    sources.any(|source| folder.join(source).is_file())
}

fn load_all(workspace: &Workspace, names: &[String]) -> Result<Vec<LessonText>> {
    names.iter().map(|name| load(workspace, name)).collect()
}

fn load(workspace: &Workspace, name: &str) -> Result<LessonText> {
    let folder = workspace.folder_of(name);
    let path = folder.join("README.md");
    let readme = PathBuf::from(printable(&workspace.shown(&path).to_string_lossy()));
    if let Err(problem) = modules::check_name(name) {
        let line = None;
        return Ok(Err(bad_text(
            name,
            &folder,
            TextError {
                readme,
                line,
                problem,
            },
        )));
    }
    let read = read_text(name, &path, &readme)?;
    Ok(read
        .map(|lesson| Lesson {
            folder: folder.clone(),
            ..lesson
        })
        .map_err(|error| bad_text(name, &folder, error)))
}

fn bad_text(name: &str, folder: &Path, error: TextError) -> BadText {
    let languages = [Language::Rust, Language::C].into_iter();
    let has = |language: &Language| folder.join(language.source(name)).is_file();
    BadText {
        name: printable(name),
        error,
        languages: languages.filter(has).collect(),
        owner: BadTextOwner::Lesson,
    }
}

/// Maximum length of a lesson's text, in bytes: a hundred times that of the longest lesson.
const MAX_TEXT: u64 = 4 << 20;

/// Reads the bytes of a lesson's text; the error is a problem of the file.
fn read_bytes(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "this file does not exist; a lesson is tested by the console blocks of its text \
             (docs/writing-lessons.md)"
                .to_owned()
        }
        _ => format!("this file cannot be read: {error}"),
    };
    // A pipe or a device may have no end.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("this is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let read = file.take(MAX_TEXT + 1).read_to_end(&mut bytes);
    match read.map_err(cannot)? as u64 > MAX_TEXT {
        true => Err(format!(
            "this text is longer than {} MiB, which no lesson is; divide it into several lessons",
            MAX_TEXT >> 20
        )),
        false => Ok(bytes),
    }
}

/// Reads a lesson's text; the lesson's folder is the text's. The outer error is the host's.
pub(super) fn read_text(
    name: &str,
    path: &Path,
    readme: &Path,
) -> Result<std::result::Result<Lesson, TextError>> {
    let bad = |line, problem| {
        let readme = readme.to_owned();
        Ok(Err(TextError {
            readme,
            line,
            problem,
        }))
    };
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(problem) => return bad(None, problem),
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
            let problem = "this line is not UTF-8; save the file as UTF-8";
            return bad(Some(line), problem.to_owned());
        }
    };
    let transcript = match transcript::parse(&text, readme) {
        Ok(transcript) => transcript,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(error) = syntax::first_error(&transcript, readme)? {
        return Ok(Err(error));
    }
    Ok(Ok(Lesson {
        name: name.to_owned(),
        title: transcript::title(&text).unwrap_or_else(|| name.to_owned()),
        no_rust: transcript::comment(&text, "no rust"),
        two_cpus: transcript::comment(&text, "two cpus"),
        folder: path.parent().unwrap_or(path).to_owned(),
        text: path.to_owned(),
        readme: readme.to_owned(),
        transcript,
        project: None,
        loads_modules: false,
    }))
}

/// Returns the message about `name` if it is a folder of lessons or races without a README.
fn without_text(workspace: &Workspace, name: &str) -> Option<String> {
    modules::check_name(name).ok()?;
    let folders = [workspace.lessons(), workspace.races()].map(|folder| folder.join(name));
    let is_without = |folder: &&PathBuf| folder.is_dir() && !folder.join("README.md").is_file();
    let folder = folders.iter().find(is_without)?;
    Some(format!(
        "{}/README.md does not exist; a lesson is tested by the console blocks of its text \
         (docs/writing-lessons.md)",
        workspace.shown(folder).display()
    ))
}

/// Returns the message for a name that no lesson has.
fn unknown(name: &str, known: &[(&str, Vec<String>)]) -> String {
    let kind = known.first().map_or("lesson", |(kind, _)| *kind);
    if known.iter().all(|(_, names)| names.is_empty()) {
        return format!("there is no {kind} `{name}`, and modules/{kind}s is empty");
    }
    let mut message = if name.contains('*') {
        format!("no {kind} matches `{name}`")
    } else {
        format!("there is no {kind} `{name}`")
    };
    let names = known.iter().flat_map(|(_, names)| names);
    let nearest = names.map(|known| (strsim::levenshtein(name, known), known));
    if let Some((distance, known)) = nearest.min()
        && distance <= known.chars().count().div_ceil(3)
        && !name.contains('*')
    {
        message += &format!("; did you mean `{known}`?");
    }
    if Path::new(name).is_dir() {
        message += &format!("; the folder of this name is `./{name}`");
    }
    for (kind, names) in known.iter().filter(|(_, names)| !names.is_empty()) {
        message += &format!("\nthe {kind}s are: {}", names.join(", "));
    }
    message
}

#[cfg(test)]
mod tests;
