//! Texts that cannot be tested.

use std::fmt;
use std::fs::DirEntry;
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
        write!(f, "{}:", self.readme.display())?;
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
    /// The languages of the sources in the folder.
    pub(super) languages: Vec<Language>,
    /// Its owner.
    pub owner: BadTextOwner,
}

/// The owner of a text that cannot be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTextOwner {
    /// A lesson or a race of the clone.
    Lesson,
    /// A project whose modules are known.
    Project,
    /// A folder that is not a project. It has no text either.
    Folder,
}

impl BadText {
    /// Returns the result for a folder, `shown` in messages, that is not a project: it has no module, or a wrong
    /// manifest. Its language is C, unless a source is in Rust.
    pub fn of_folder(shown: &Path, problem: String) -> Self {
        let name = shown.canonicalize().unwrap_or_default();
        let name = name.file_name().unwrap_or_default();
        let mut files = std::fs::read_dir(shown).into_iter().flatten().flatten();
        let is_rust = |file: &DirEntry| file.path().extension() == Some("rs".as_ref());
        let language = match files.any(|file| is_rust(&file)) {
            true => Language::Rust,
            false => Language::C,
        };
        Self {
            name: printable(&name.to_string_lossy()),
            error: TextError {
                readme: shown.to_owned(),
                line: None,
                problem,
            },
            languages: vec![language],
            owner: BadTextOwner::Folder,
        }
    }

    /// Returns what is wrong, with the file where it is. The problem of a folder names the folder or its manifest.
    pub fn message(&self) -> String {
        match self.owner {
            BadTextOwner::Lesson | BadTextOwner::Project => self.error.to_string(),
            BadTextOwner::Folder => self.error.problem.clone(),
        }
    }

    /// Returns the one of these languages in which a folder that is not a project is listed: its own, if possible.
    pub fn listed_in(&self, languages: &[Language]) -> Option<Language> {
        let own = |language: &&Language| self.languages.contains(language);
        languages.iter().find(own).or(languages.first()).copied()
    }

    /// Returns whether the lesson has a source in `language`. A lesson without sources counts as
    /// one in Rust, and a folder that is not a project as one in any language.
    pub fn is_in(&self, language: Language) -> bool {
        match &self.languages[..] {
            _ if self.owner == BadTextOwner::Folder => true,
            [] => language == Language::Rust,
            languages => languages.contains(&language),
        }
    }
}
