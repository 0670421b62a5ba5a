//! Texts that cannot be tested.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::modules::Language;
use crate::text::printable;

/// A mistake in a lesson's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// The README's path for messages.
    pub readme: PathBuf,
    /// The line, counted from 1, if the mistake is in one.
    pub line: Option<usize>,
    /// The mistake, and the expected form.
    pub problem: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readme = self.readme.display().to_string();
        // The problem of a folder names the folder or its manifest.
        if self.line.is_none() && self.problem.starts_with(&readme) {
            return f.write_str(&self.problem);
        }
        write!(f, "{readme}:")?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl From<TextError> for anyhow::Error {
    fn from(error: TextError) -> Self {
        Failure::lesson(error.to_string()).into()
    }
}

/// A folder of lessons or races whose text cannot be tested.
#[derive(Debug, Clone)]
pub struct BadText {
    /// The folder's name, fit for a terminal.
    pub name: String,
    /// The reason.
    pub error: TextError,
    /// The languages of the sources in the folder; `None` if it is not known what they are.
    pub(super) languages: Option<Vec<Language>>,
}

impl BadText {
    /// Returns the result for a folder, `shown` in messages, whose modules are not known: it has none, or a wrong
    /// manifest.
    pub fn of_folder(shown: &Path, problem: String) -> Self {
        let name = shown.canonicalize().unwrap_or_default();
        let name = name.file_name().unwrap_or_default();
        Self {
            name: printable(&name.to_string_lossy()),
            error: TextError {
                readme: shown.to_owned(),
                line: None,
                problem,
            },
            languages: None,
        }
    }

    /// Returns the one of these languages in which a folder whose modules are not known is listed: C, unless it has
    /// a source in Rust.
    pub fn listed_in(&self, languages: &[Language]) -> Option<Language> {
        let files = std::fs::read_dir(&self.error.readme).into_iter().flatten();
        let is_rust =
            |name: &std::ffi::OsString| Path::new(name).extension() == Some("rs".as_ref());
        let names = files.flatten().map(|file| file.file_name());
        let language = match names.into_iter().any(|name| is_rust(&name)) {
            true => Language::Rust,
            false => Language::C,
        };
        let own = languages.iter().find(|other| **other == language);
        own.or(languages.first()).copied()
    }

    /// Reports whether the modules of the folder are not known, so that there is no text either.
    pub fn is_without_modules(&self) -> bool {
        self.languages.is_none()
    }

    /// Returns whether the lesson has a source in `language`. A lesson without sources counts as
    /// one in Rust, and a folder whose modules are not known as one in any language.
    pub fn is_in(&self, language: Language) -> bool {
        match self.languages.as_deref() {
            None => true,
            Some([]) => language == Language::Rust,
            Some(languages) => languages.contains(&language),
        }
    }
}
