//! Answers: sources for an exercise, by a student or made from its solution.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::task::LineNumbers;
use super::{Exercise, TASK, Variant};
use crate::lesson::{self, Lesson};
use crate::modules::Language;
use crate::project::Project;
use crate::temporary::{GuestFolder, guest_folder};

/// A folder for the sources of answers; dropping it removes it.
#[derive(Debug)]
pub struct AnswerFolder(GuestFolder);

impl AnswerFolder {
    /// Makes the folder.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn new() -> Result<Self> {
        guest_folder().map(Self)
    }

    /// Writes the source of an answer into a folder of its own, which it returns.
    pub(super) fn write(&self, name: &str, file: &str, text: &str) -> Result<PathBuf> {
        let folder = self.0.path().join(name);
        let written =
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(file), text));
        written.with_context(|| format!("cannot write {file} to {}", folder.display()))?;
        Ok(folder)
    }
}

/// An answer to an exercise, ready to be judged.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// The language.
    pub language: Language,
    /// The path of the answer's file for messages.
    pub shown: PathBuf,
    /// The parts to judge.
    pub parts: Vec<AnswerPart>,
    /// The values of the exercise that vary.
    pub(super) variant: Variant,
    /// The text of the source.
    pub(super) text: String,
    /// The source as a project.
    pub(super) project: Arc<Project>,
}

/// A part of the exercise that an answer is judged by.
#[derive(Debug, Clone)]
pub struct AnswerPart {
    /// Its index in the exercise's parts.
    pub index: usize,
    /// The line of its heading, in the file that messages name.
    pub line: usize,
    /// The lesson that runs it; none if the part is judged without a guest.
    pub(super) lesson: Option<Lesson>,
}

/// The source of an answer, and the way in which messages name its files.
#[derive(Debug, Clone)]
pub struct AnswerSource<'a> {
    /// A name for this answer that no other answer in the same check has.
    pub name: String,
    /// The text of the source.
    pub text: &'a str,
    /// The path of the file for messages; the file's own name is that of the module.
    pub shown: &'a Path,
    /// The path of the student's `task.md` for messages, in which lines are numbered then; without
    /// one, that is the exercise's own.
    pub task: Option<&'a Path>,
    /// The values that vary.
    pub variant: Variant,
}

impl<'a> Answer<'a> {
    /// Prepares an answer to be judged by all parts that a student sees; with `hidden`, by the
    /// hidden ones too.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a part of the exercise cannot be tested, and with the host's
    /// if the source cannot be written.
    pub fn new(
        folder: &AnswerFolder,
        exercise: &'a Exercise,
        language: Language,
        source: &AnswerSource<'_>,
        hidden: bool,
    ) -> Result<Self> {
        let parts = exercise.task.parts.iter().enumerate();
        let parts = parts.filter(|(_, part)| hidden || !part.settings.hidden);
        let parts: Vec<usize> = parts.map(|(index, _)| index).collect();
        Self::with_parts(folder, exercise, language, source, &parts)
    }

    /// Prepares an answer to be judged by these parts of the exercise, in their order.
    ///
    /// # Errors
    ///
    /// Fails as [`Answer::new`] does.
    pub fn with_parts(
        folder: &AnswerFolder,
        exercise: &'a Exercise,
        language: Language,
        source: &AnswerSource<'_>,
        parts: &[usize],
    ) -> Result<Self> {
        let (file, module) = (exercise.answer_file(language), &*exercise.module);
        let sources = folder.write(&format!("{}-{language}", source.name), &file, source.text)?;
        let shown = match source.shown.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let project = Project::of_answer(&source.name, module, language, &sources, shown)?;
        let numbers = match source.task {
            Some(_) => LineNumbers::OfStudent,
            None => LineNumbers::OfTask,
        };
        let [shown_text, whole_text] =
            [false, true].map(|hidden| exercise.task.student_text(&source.variant, hidden));
        let own = exercise.shown.join(TASK);
        let readme = source.task.unwrap_or(&own);
        let part = |&index: &usize| -> Result<AnswerPart> {
            let part = &exercise.task.parts[index];
            let settings = &part.settings;
            let text = if settings.hidden {
                &whole_text
            } else {
                &shown_text
            };
            let needs_guest = !settings.judges_symbols()
                || settings.schedules.is_some()
                || settings.verdict.is_some();
            let lesson = lesson::of_part(
                &project,
                (format!("{}.{}", source.name, index + 1), part.title.clone()),
                &text.of_part(index, numbers),
                (&exercise.folder.join(TASK), readme),
                needs_guest.then_some(module),
            )?;
            Ok(AnswerPart {
                index,
                line: text.line_of(index, numbers).unwrap_or(1),
                lesson,
            })
        };
        Ok(Self {
            exercise,
            language,
            shown: source.shown.to_owned(),
            parts: parts.iter().map(part).collect::<Result<_>>()?,
            variant: source.variant.clone(),
            text: source.text.to_owned(),
            project,
        })
    }

    /// Returns the name that distinguishes it from other answers.
    pub fn name(&self) -> &str {
        &self.project.name
    }

    /// Returns the text of the source.
    pub fn text(&self) -> &str {
        &self.text
    }
}
