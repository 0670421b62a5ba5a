//! The files that kmodlab writes into a student's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::progress::ExerciseProgress;
use super::{StudentFolder, links};
use crate::exercise::{Catalogue, Exercise, TASK};
use crate::key::Inputs;
use crate::whole_file;

/// A change of a file in a student's folder, for a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileUpdate {
    /// The file was replaced, and the student's version is kept beside it.
    Kept {
        /// The file.
        file: PathBuf,
        /// The student's version.
        kept: PathBuf,
    },
    /// The exercise begins with another file than the one that the student changed, which stays.
    Outdated {
        /// The file.
        file: PathBuf,
    },
}

impl StudentFolder {
    /// Writes the files of all exercises that the folder does not have, and replaces those that the
    /// student did not change and that are of an earlier version. An answer that the student changed
    /// stays.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn update(&self, catalogue: &Catalogue) -> Result<Vec<FileUpdate>> {
        let mut progress = self.progress()?;
        let before = progress.clone();
        let mut updates = Vec::new();
        for exercise in catalogue.exercises.iter().filter(|one| self.has(one)) {
            let own = progress.of_mut(&exercise.id);
            updates.extend(self.update_exercise(exercise, own)?);
        }
        if progress != before {
            self.save(&progress)?;
        }
        Ok(updates)
    }

    /// Returns the text of an exercise as the student has it.
    pub fn text_of(&self, exercise: &Exercise) -> String {
        let text = exercise
            .task
            .student_text(&self.variant_of(exercise), false);
        links::from_anywhere(&text.markdown, &exercise.folder)
    }

    fn update_exercise(
        &self,
        exercise: &Exercise,
        own: &mut ExerciseProgress,
    ) -> Result<Vec<FileUpdate>> {
        let mut updates = Vec::new();
        let task = &exercise.task;
        own.maximum = task.points();
        let text = self.text_of(exercise);
        let file = self.folder_of(exercise).join(TASK);
        if key(&text) != own.text || !file.exists() {
            let is_own =
                whole_file::read_text(&file).is_ok_and(|now| key(&now) != own.text && now != text);
            if is_own {
                let kept = keep(&file)?;
                let file = file.clone();
                updates.push(FileUpdate::Kept { file, kept });
            }
            whole_file::write_below(&file, &text)?;
            own.text = key(&text);
        }
        let Some(start) = self.start(exercise) else {
            return Ok(updates);
        };
        let file = self.answer_of(exercise);
        match whole_file::read_text(&file) {
            // Unchanged since kmodlab wrote it.
            Ok(now) if key(&now) == own.start && now != start => {
                whole_file::write_below(&file, &start)?
            }
            Ok(now) if now != start && own.start != key(&start) => {
                updates.push(FileUpdate::Outdated { file });
            }
            Ok(_) => {}
            Err(_) if file.exists() => {}
            Err(_) => whole_file::write_below(&file, &start)?,
        }
        own.start = key(&start);
        Ok(updates)
    }

    /// Returns the text of the file that a student begins with.
    fn start(&self, exercise: &Exercise) -> Option<String> {
        let solution = exercise.solution(self.language_of(exercise))?;
        Some(solution.start(&exercise.task.variants, &self.variant_of(exercise)))
    }

    /// Writes the file that a student begins with in place of the answer, and forgets the last result
    /// and the hints that were shown for it. Returns the file in which the answer is kept, if there
    /// was one that differs.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn reset(&self, exercise: &Exercise) -> Result<Option<PathBuf>> {
        let file = self.answer_of(exercise);
        let start = self.start(exercise).unwrap_or_default();
        let now = whole_file::read(&file).ok();
        let is_start = now.as_deref() == Some(start.as_bytes());
        let kept = match now {
            Some(_) if !is_start => Some(keep(&file)?),
            _ => None,
        };
        if !is_start {
            whole_file::write_below(&file, &start)?;
        }
        self.forget_result(exercise)?;
        let mut progress = self.progress()?;
        let own = progress.of_mut(&exercise.id);
        own.start = key(&start);
        own.hints = 0;
        self.save(&progress)?;
        Ok(kept)
    }
}

/// Returns the key of a file's text in the record of the progress.
pub fn key(text: &str) -> String {
    Inputs::new("student's file 1")
        .text("text", text)
        .key()
        .short()
        .to_owned()
}

/// Renames a file to one beside it that does not exist: `x.rs` to `x.rs.1`.
fn keep(file: &Path) -> Result<PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut numbers = 1_u32..;
    let kept = numbers.find_map(|number| {
        let kept = file.with_file_name(format!("{name}.{number}"));
        (!kept.exists()).then_some(kept)
    });
    let kept = kept.with_context(|| format!("there is no free name beside {}", file.display()))?;
    std::fs::rename(file, &kept)
        .with_context(|| format!("cannot rename {} to {}", file.display(), kept.display()))?;
    Ok(kept)
}

/// Returns a path as a person finds it from the current folder.
pub fn shown(path: &Path) -> PathBuf {
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    let full = path.canonicalize();
    match (current, full) {
        (Ok(current), Ok(full)) => full
            .strip_prefix(current)
            .map_or(full.clone(), Path::to_owned),
        _ => path.to_owned(),
    }
}
