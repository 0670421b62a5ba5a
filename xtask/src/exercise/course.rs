//! `course.toml`: the order of a course's exercises.
//!
//! ```toml
//! title = "Kernel threads"
//!
//! [[exercise]]
//! id = "io_wait_event/2-every-fifth"
//! ```
//!
//! Other keys are a teacher's, and belong to `grade`.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Name of the file.
pub const COURSE: &str = "course.toml";

/// A course.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// The title.
    pub title: String,
    /// The exercises, in their order.
    #[serde(rename = "exercise")]
    pub exercises: Vec<CourseExercise>,
}

/// An exercise of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseExercise {
    /// The id, `LESSON/SLUG`.
    pub id: String,
}

impl Course {
    /// Reads a course; one without exercises if there is no such file.
    ///
    /// # Errors
    ///
    /// Fails with the line if the file is malformed.
    pub fn load(path: &Path, shown: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", shown.display()));
            }
        };
        toml::from_str(&text).map_err(|error| {
            let message = format!("{}: {error}", shown.display());
            Failure::lesson(message.trim_end()).into()
        })
    }

    /// Returns the place of an exercise in the course.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.exercises.iter().position(|exercise| exercise.id == id)
    }
}
