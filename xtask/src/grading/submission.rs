//! The files of a submission, checked before anything reads them.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bytesize::ByteSize;
use rustix::fs::OFlags;
use serde::Deserialize;

use super::hand_out::VALUES;
use crate::exercise::TASK;
use crate::lesson::compare::glob_matches;
use crate::modules::Language;

/// Patterns of files and folders that systems and editors leave beside a source without asking. They are
/// never read, whatever `ignore` of a course has; docs/grading.md lists them.
const STRAY: [&str; 15] = [
    // macOS, and its archives on other systems.
    ".DS_Store",
    "._*",
    "__MACOSX",
    // Windows and KDE.
    "Thumbs.db",
    "desktop.ini",
    ".directory",
    // Backups and locks of Emacs, Vim, nano, gedit and Kate.
    "*~",
    "*.bak",
    "#*#",
    ".#*",
    ".*.swp",
    ".*.swo",
    ".*.kate-swp",
    // Settings of VS Code and JetBrains' editors.
    ".vscode",
    ".idea",
];

/// A submission of a student.
#[derive(Debug, Clone, Copy)]
pub struct GradeRequest<'a> {
    /// The student.
    pub student: &'a str,
    /// The folder with the submission.
    pub folder: &'a Path,
    /// The time of the submission, as `2026-12-01T08:00:00Z`.
    pub submitted: Option<&'a str>,
}

/// Limits of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubmissionLimits {
    /// The size of all files together.
    pub size: ByteSize,
    /// The number of files and folders.
    pub files: usize,
    /// Names of files and folders that are neither counted nor read.
    pub ignore: Vec<String>,
}

impl Default for SubmissionLimits {
    fn default() -> Self {
        let ignore = [".git", ".github", ".gitignore", "README.md", TASK, VALUES];
        Self {
            size: ByteSize::kib(64),
            files: 16,
            ignore: ignore.map(str::to_owned).to_vec(),
        }
    }
}

/// The source that a student submits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The language, by the file's name.
    pub language: Language,
    /// The file's name.
    pub file: String,
    /// The file's text.
    pub text: String,
}

/// The reason for which a submission gets no points without a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One sentence, for the student.
    pub message: String,
}

impl Refusal {
    /// Creates a refusal.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl Submission {
    /// Reads the submission in `folder`, which has one of the `expected` files: a name for each
    /// language. Looks at no more entries than the limits allow, reads no file that is larger than
    /// they allow, and follows no symbolic link.
    ///
    /// # Errors
    ///
    /// Fails if the folder or the file cannot be read. A folder that breaks a rule is not an
    /// error, but a refusal.
    pub fn read(
        folder: &Path,
        expected: &[(Language, String)],
        limits: &SubmissionLimits,
    ) -> Result<Result<Self, Refusal>> {
        let found = match expected_files(folder, expected, limits)? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let names = || {
            let names: Vec<&str> = expected.iter().map(|(_, name)| &**name).collect();
            names.join(" or ")
        };
        let (language, file) = match &found[..] {
            [(language, file)] => (*language, file.clone()),
            [] => return refuse(format!("the submission has no file {}", names())),
            _ => {
                return refuse(format!(
                    "the submission may have only one file: {}",
                    names()
                ));
            }
        };
        let text = match read(&folder.join(&file), limits.size.as_u64())? {
            Ok(text) => text,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(Ok(Self {
            language,
            file,
            text,
        }))
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<Result<T, Refusal>> {
    Ok(Err(Refusal::new(message)))
}

type ExpectedFiles = Vec<(Language, String)>;

/// Returns the expected files in a folder, if the folder has nothing else and is small.
fn expected_files(
    folder: &Path,
    expected: &[(Language, String)],
    limits: &SubmissionLimits,
) -> Result<Result<ExpectedFiles, Refusal>> {
    let cannot = || format!("cannot list {}", folder.display());
    let mut names: Vec<String> = Vec::new();
    let mut unexpected: Vec<String> = Vec::new();
    let mut unread = 0;
    let mut size = 0_u64;
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if limits.ignore.contains(&name) {
            continue;
        }
        if names.len() + unexpected.len() + unread >= limits.files {
            return refuse(format!(
                "the submission has more than {} files",
                limits.files
            ));
        }
        let is_expected = |name: &str| expected.iter().any(|(_, file)| *file == name);
        let earlier = name.rsplit_once('.').filter(|(file, number)| {
            is_expected(file) && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        // `reset` keeps an earlier answer as NAME.rs.1, which nobody reads.
        if earlier.is_some() && entry.file_type().with_context(cannot)?.is_file() {
            unread += 1;
            continue;
        }
        if !is_expected(&name) && STRAY.iter().any(|pattern| glob_matches(pattern, &name)) {
            unread += 1;
            continue;
        }
        if !is_expected(&name) {
            unexpected.push(name);
            continue;
        }
        // The metadata is that of a link itself.
        let metadata = entry.metadata().with_context(cannot)?;
        if let Some(problem) = problem(&metadata) {
            return refuse(format!("{name} is {problem}"));
        }
        size = size.saturating_add(metadata.len());
        names.push(name);
    }
    // The order of a folder's entries differs between file systems.
    unexpected.sort();
    if let Some(name) = unexpected.first() {
        let name: String = name.escape_debug().take(80).collect();
        return refuse(format!(
            "`{name}` does not belong to the exercise; submit only the source"
        ));
    }
    if size > limits.size.as_u64() {
        return refuse(format!("the submission is larger than {}", limits.size));
    }
    let found = expected.iter().filter(|(_, file)| names.contains(file));
    Ok(Ok(found.cloned().collect()))
}

/// Returns the kind of an entry that is not an ordinary file.
fn problem(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_dir() => Some("a folder"),
        () => Some("not an ordinary file"),
    }
}

/// Reads a file that may have changed since it was checked.
fn read(path: &Path, limit: u64) -> Result<Result<String, Refusal>> {
    let cannot = || format!("cannot read {}", path.display());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .with_context(cannot)?;
    if let Some(problem) = problem(&file.metadata().with_context(cannot)?) {
        return refuse(format!("{name} is {problem}"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(cannot)?;
    if bytes.len() as u64 > limit {
        return refuse(format!("{name} is larger than the limit"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Ok(text)),
        Err(_) => refuse(format!("{name} is not text in UTF-8")),
    }
}

#[cfg(test)]
mod tests;
