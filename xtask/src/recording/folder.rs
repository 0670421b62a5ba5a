//! The user's folder of recordings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::{EXTENSION, RecordedSource, Recording, sources};
use crate::failure::Failure;
use crate::pipeline::Built;
use crate::run::plan::TestCase;
use crate::run::{RunEvent, RunObserver};
use crate::session::Session;
use crate::whole_file;

/// A folder that can be written to.
#[derive(Debug)]
pub struct RecordingFolder {
    path: PathBuf,
}

impl RecordingFolder {
    /// Returns the folder at `path`, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// A usage error if it cannot be made or written to.
    pub fn new(path: &Path) -> Result<Self> {
        let refuse = |error: std::io::Error| {
            Failure::usage(format!("--record: cannot use {}: {error}", path.display()))
        };
        if path.exists() && !path.is_dir() {
            let what = format!("--record: {} is not a folder", path.display());
            return Err(Failure::usage(what).into());
        }
        std::fs::create_dir_all(path).map_err(refuse)?;
        // Permission bits do not show a file system that is read-only.
        tempfile::NamedTempFile::new_in(path).map_err(refuse)?;
        Ok(Self {
            path: std::path::absolute(path)?,
        })
    }

    /// Returns a folder that the first recording makes.
    pub fn made_when_needed(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns an observer that writes each recorded run of these test cases into the folder. The sources of
    /// their modules are read now: while a guest runs, somebody may change them. Where they cannot be read,
    /// nothing compiles, and nothing is recorded.
    pub fn writer<'a>(
        &'a self,
        session: &'a Session,
        built: &'a Built,
        cases: impl Iterator<Item = TestCase<'a>>,
    ) -> RecordingWriter<'a> {
        let of_case = |case: TestCase<'_>| {
            let sources = sources(session, &case).unwrap_or_default();
            (case.name(), sources)
        };
        RecordingWriter {
            folder: self,
            session,
            built,
            sources: cases.map(of_case).collect(),
            error: Mutex::new(None),
        }
    }

    /// Writes a recording, under its id. The file is whole, or stays as it was.
    fn write(&self, recording: &Recording) -> Result<()> {
        let path = self
            .path
            .join(format!("{}.{EXTENSION}", recording.manifest.id));
        std::fs::create_dir_all(&self.path)
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        whole_file::write(&path, recording.packed()?)?;
        Ok(())
    }
}

/// Writes the recordings of a suite.
#[derive(Debug)]
pub struct RecordingWriter<'a> {
    folder: &'a RecordingFolder,
    session: &'a Session,
    built: &'a Built,
    /// The sources of each test case's modules, by its name.
    sources: BTreeMap<String, Vec<RecordedSource>>,
    error: Mutex<Option<anyhow::Error>>,
}

impl RecordingWriter<'_> {
    /// Returns the first error of a recording that could not be written.
    ///
    /// # Errors
    ///
    /// If there is one.
    pub fn finish(self) -> Result<()> {
        let error = self
            .error
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(()), Err)
    }
}

impl RunObserver for RecordingWriter<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        let RunEvent::Completed { case, completed } = event else {
            return;
        };
        let Some(input) = &completed.recorded else {
            let label = completed.outcome.label();
            let note = format!("{label}: no recording, because QEMU had to be killed");
            return self.session.ui.note(note);
        };
        let sources = self.sources.get(&case.name()).cloned().unwrap_or_default();
        let recording = Recording::of(self.built, case, completed, input, sources);
        if let Err(error) = recording.and_then(|recording| self.folder.write(&recording)) {
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_a_folder() -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        for path in [file.path(), &file.path().join("x")] {
            let error = RecordingFolder::new(path).expect_err("it is a file");
            assert_eq!(
                crate::failure::fault_of(&error),
                crate::failure::Fault::Usage
            );
        }
        Ok(())
    }

    #[test]
    fn a_folder_that_is_not_there_is_made() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let inner = folder.path().join("a/b");
        RecordingFolder::new(&inner)?;
        assert_eq!(std::fs::read_dir(inner)?.count(), 0);
        Ok(())
    }
}
