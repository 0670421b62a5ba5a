//! The files that a student of a course gets for an exercise.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::course_key::CourseKey;
use super::variants::StudentVariants;
use crate::exercise::{Exercise, TASK};

/// Writes the text of an exercise and the files to begin with, with the values of a student.
///
/// # Errors
///
/// Fails if a file cannot be written.
pub fn hand_out(
    key: Option<&CourseKey>,
    exercise: &Exercise,
    student: &str,
    folder: &Path,
) -> Result<()> {
    let variants = StudentVariants::choose(key, exercise, student);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let text = exercise.task.student_text(&variants.shown, false);
    write(TASK, &text.markdown)?;
    for (language, solution) in &exercise.solutions {
        let start = solution.start(&exercise.task.variants, &variants.shown);
        write(&exercise.answer_file(*language), &start)?;
    }
    Ok(())
}
