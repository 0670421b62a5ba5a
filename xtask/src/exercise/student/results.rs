//! The results of checks in a student's folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{StudentFolder, answer_key, files};
use crate::exercise::answer::{Answer, AnswerFolder, AnswerSource};
use crate::exercise::check::{CheckSettings, check};
use crate::exercise::result::{CheckResult, HintEntry, HintSource};
use crate::exercise::{Exercise, TASK};
use crate::failure::Failure;
use crate::session::Session;
use crate::whole_file;

/// Folder of the last results.
const RESULTS: &str = ".kmodlab";

impl StudentFolder {
    /// Checks the answers to these exercises, records the results, and returns them.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if an answer cannot be read, and if the kernel cannot be built or the
    /// record cannot be written.
    pub fn check(
        &self,
        session: &Session,
        exercises: &[&Exercise],
        settings: CheckSettings<'_>,
    ) -> Result<Vec<CheckResult>> {
        let folder = AnswerFolder::new()?;
        let texts = exercises.iter().map(|exercise| self.answer_text(exercise));
        let texts: Vec<String> = texts.collect::<Result<_>>()?;
        let answers = exercises.iter().zip(&texts);
        let answers = answers.map(|(exercise, text)| self.answer_with(&folder, exercise, text));
        let answers: Vec<Answer<'_>> = answers.collect::<Result<_>>()?;
        let results = check(session, &answers, settings)?;
        for ((exercise, text), result) in exercises.iter().zip(&texts).zip(&results) {
            self.record(exercise, text, result)?;
        }
        Ok(results)
    }

    /// Returns the answer to an exercise, ready to be checked.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the file cannot be read.
    pub fn answer<'a>(&self, folder: &AnswerFolder, exercise: &'a Exercise) -> Result<Answer<'a>> {
        self.answer_with(folder, exercise, &self.answer_text(exercise)?)
    }

    fn answer_text(&self, exercise: &Exercise) -> Result<String> {
        let path = self.answer_of(exercise);
        whole_file::read_text(&path).map_err(|error| {
            let message = format!(
                "{} cannot be read: {error}; `{} reset {}` writes it again",
                files::shown(&path).display(),
                crate::program::name(),
                exercise.id
            );
            Failure::usage(message).into()
        })
    }

    fn answer_with<'a>(
        &self,
        folder: &AnswerFolder,
        exercise: &'a Exercise,
        text: &str,
    ) -> Result<Answer<'a>> {
        let shown = files::shown(&self.answer_of(exercise));
        let task = files::shown(&self.folder_of(exercise).join(TASK));
        let source = AnswerSource {
            name: exercise.module.clone(),
            text,
            shown: &shown,
            task: Some(&task),
            variant: self.variant_of(exercise),
        };
        Answer::new(folder, exercise, self.language_of(exercise), &source, false)
    }

    /// Records the result of a check of the answer `text`. It is a try if the text differs from that of
    /// the try before and from the one that a student begins with.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn record(&self, exercise: &Exercise, text: &str, result: &CheckResult) -> Result<()> {
        let answer = answer_key(text);
        let path = self.result_path(exercise);
        let earlier = self.last_result(exercise);
        let json = serde_json::to_string_pretty(result).context("cannot write JSON")?;
        whole_file::write_below(&path, &(json + "\n"))?;
        let mut progress = self.progress()?;
        let own = progress.of_mut(&exercise.id);
        if answer != own.start && answer != own.answer {
            own.checks += 1;
            own.answer = answer;
        }
        own.maximum = result.maximum;
        own.points = own.points.max(result.points);
        own.passed |= result.passed();
        // Hints are counted for one failure.
        let shown = usize::try_from(own.hints).unwrap_or(usize::MAX).max(1);
        let seen = |result: &CheckResult| -> Vec<HintEntry> {
            result.hints.iter().take(shown).cloned().collect()
        };
        if earlier.as_ref().map(seen) != Some(seen(result)) {
            let is_shown = result
                .hints
                .first()
                .is_some_and(|hint| hint.source != HintSource::Written);
            own.hints = u32::from(is_shown);
        }
        self.save(&progress)
    }

    /// Returns the result of the last check of an exercise, if it can be read.
    pub fn last_result(&self, exercise: &Exercise) -> Option<CheckResult> {
        let text = whole_file::read_text(&self.result_path(exercise)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Removes the result of the last check of an exercise.
    pub(super) fn forget_result(&self, exercise: &Exercise) -> Result<()> {
        let path = self.result_path(exercise);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn result_path(&self, exercise: &Exercise) -> PathBuf {
        let name = format!("{}.json", exercise.id.replace('/', "."));
        self.root.join(RESULTS).join(name)
    }
}
