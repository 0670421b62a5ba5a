//! The results of checks in a student's folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{StudentFolder, files};
use crate::exercise::answer::{Answer, AnswerFolder, AnswerSource};
use crate::exercise::check::{CheckSettings, check};
use crate::exercise::result::{CheckResult, HintSource};
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
        let answers = exercises
            .iter()
            .map(|exercise| self.answer(&folder, exercise));
        let answers: Vec<Answer<'_>> = answers.collect::<Result<_>>()?;
        let results = check(session, &answers, settings)?;
        for (exercise, result) in exercises.iter().zip(&results) {
            self.record(exercise, result)?;
        }
        Ok(results)
    }

    /// Returns the answer to an exercise, ready to be checked.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the file cannot be read.
    pub fn answer<'a>(&self, folder: &AnswerFolder, exercise: &'a Exercise) -> Result<Answer<'a>> {
        let path = self.answer_of(exercise);
        let shown = files::shown(&path);
        let text = whole_file::read_text(&path).map_err(|error| {
            Failure::usage(format!(
                "{} cannot be read: {error}; `{} reset {}` writes it again",
                shown.display(),
                crate::program::name(),
                exercise.id
            ))
        })?;
        let task = files::shown(&self.folder_of(exercise).join(TASK));
        let source = AnswerSource {
            name: exercise.module.clone(),
            text: &text,
            shown: &shown,
            task: Some(&task),
            variant: self.variant_of(exercise),
        };
        Answer::new(folder, exercise, self.language_of(exercise), &source, false)
    }

    /// Records the result of a check.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn record(&self, exercise: &Exercise, result: &CheckResult) -> Result<()> {
        let path = self.result_path(exercise);
        let earlier = self.last_result(exercise);
        let text = serde_json::to_string_pretty(result).context("cannot write JSON")?;
        whole_file::write_below(&path, &(text + "\n"))?;
        let mut progress = self.progress()?;
        let own = progress.of_mut(&exercise.id);
        own.checks += 1;
        own.maximum = result.maximum;
        own.points = own.points.max(result.points);
        own.passed |= result.passed();
        // Hints are counted for one failure.
        let first = |result: &CheckResult| result.hints.first().cloned();
        if earlier.as_ref().and_then(first) != first(result) {
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

    fn result_path(&self, exercise: &Exercise) -> PathBuf {
        let name = format!("{}.json", exercise.id.replace('/', "."));
        self.root.join(RESULTS).join(name)
    }
}
