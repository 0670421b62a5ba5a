//! `progress.toml`: the record of a student's progress.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::StudentFolder;
use crate::exercise::{Catalogue, Exercise};
use crate::failure::Failure;
use crate::whole_file;

/// Name of the file.
const PROGRESS: &str = "progress.toml";

/// The first lines of the file.
const HEADER: &str = "# The record of your progress. `points` is the best result so far, `checks` the \
                      number of\n# tries: of checks whose answer had changed since the try before. \
                      `hints` is the number of\n# hints that were shown for the last failure.\n\n";

/// A student's progress.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The exercises by id, also those that this version does not have.
    pub exercise: BTreeMap<String, ExerciseProgress>,
}

/// The progress in an exercise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExerciseProgress {
    /// Whether a check had all points.
    pub passed: bool,
    /// The best points.
    pub points: u32,
    /// The points of the exercise at the last check.
    pub maximum: u32,
    /// The number of tries: of checks of an answer that differed from that of the try before.
    pub checks: u32,
    /// The number of hints that were shown for the last failure.
    pub hints: u32,
    /// The key of the text that kmodlab wrote.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The key of the file that kmodlab wrote for the answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub start: String,
    /// The key of the answer of the last try.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Keys of another version of kmodlab.
    #[serde(flatten)]
    pub other: toml::Table,
}

impl Progress {
    /// Returns the progress in an exercise.
    pub fn of(&self, id: &str) -> ExerciseProgress {
        self.exercise.get(id).cloned().unwrap_or_default()
    }

    /// Returns the progress in an exercise, to be changed.
    pub fn of_mut(&mut self, id: &str) -> &mut ExerciseProgress {
        self.exercise.entry(id.to_owned()).or_default()
    }

    /// Returns the first exercise that has not passed.
    pub fn next<'a>(&self, catalogue: &'a Catalogue) -> Option<&'a Exercise> {
        let mut exercises = catalogue.exercises.iter();
        exercises.find(|exercise| !self.of(&exercise.id).passed)
    }
}

impl StudentFolder {
    /// Reads the progress; none if there is no file yet.
    ///
    /// # Errors
    ///
    /// Fails with a usage error and the line if the file is malformed.
    pub fn progress(&self) -> Result<Progress> {
        let path = self.progress_path();
        let text = match whole_file::read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Progress::default());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        toml::from_str(&text).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            Failure::usage(message.trim_end()).into()
        })
    }

    /// Writes the progress at once: on a full disk, the old file stays.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn save(&self, progress: &Progress) -> Result<()> {
        let text = toml::to_string(progress).context("cannot write TOML")?;
        whole_file::write_below(&self.progress_path(), &(HEADER.to_owned() + &text))
    }

    fn progress_path(&self) -> PathBuf {
        self.root.join(PROGRESS)
    }
}
