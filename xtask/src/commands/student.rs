//! The student's folder that a command works on, and the exercise that it means.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::exercise::student::{FileUpdate, StudentFolder};
use crate::exercise::{Catalogue, Exercise};
use crate::workspace::Workspace;

/// The student's folder around the current one, and the exercises.
#[derive(Debug)]
pub struct Student {
    /// The folder, with the files of all exercises.
    pub folder: StudentFolder,
    /// The exercises.
    pub catalogue: Catalogue,
}

impl Student {
    /// Opens the student's folder around the current one, and brings its files up to date.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is none.
    pub fn open() -> Result<Self> {
        let current = std::env::current_dir().context("cannot find the current folder")?;
        Self::with(StudentFolder::around(&current)?)
    }

    /// Opens the student's folder around the current one, and brings its files up to date; `None` if
    /// the current folder is not in one.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or written, and with a usage error if `kmodlab.toml` is wrong.
    pub fn open_if_any() -> Result<Option<Self>> {
        let current = std::env::current_dir().context("cannot find the current folder")?;
        StudentFolder::find(&current)?.map(Self::with).transpose()
    }

    /// Opens this student's folder, and brings its files up to date.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if it is not one.
    pub fn at(folder: &Path) -> Result<Self> {
        Self::with(StudentFolder::open(folder)?)
    }

    fn with(folder: StudentFolder) -> Result<Self> {
        let catalogue = folder.catalogue(&Workspace::find()?)?;
        for update in folder.update(&catalogue)? {
            report(&update);
        }
        Ok(Self { folder, catalogue })
    }

    /// Returns the exercise with this name; without a name, the one in whose folder the command
    /// runs, or the next one.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is none.
    pub fn choose(&self, name: Option<&str>) -> Result<&Exercise> {
        let current = std::env::current_dir().context("cannot find the current folder")?;
        self.folder.choose(&self.catalogue, name, &current)
    }
}

/// Notes a change of a file on standard error.
pub(super) fn report(update: &FileUpdate) {
    match update {
        FileUpdate::Kept { file, kept } => crate::errln!(
            "{} has changed with kmodlab; yours is kept in {}",
            file.display(),
            kept.display()
        ),
        FileUpdate::Outdated { file } => crate::errln!(
            "the exercise of {} begins with another file now; yours stays, and `{} reset` writes \
             the new one",
            file.display(),
            crate::program::name()
        ),
    }
}
