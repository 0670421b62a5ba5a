//! Texts that cannot be tested.

use std::fmt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::modules::Language;

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
}

impl BadText {
    /// Returns whether the lesson has a source in `language`. A lesson without sources counts as
    /// one in Rust.
    pub fn is_in(&self, language: Language) -> bool {
        match self.languages.is_empty() {
            true => language == Language::Rust,
            false => self.languages.contains(&language),
        }
    }
}
