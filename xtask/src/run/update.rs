//! `--update`: writes the output of a suite's runs into the lessons' texts.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::events::{RunEvent, RunObserver};
use super::outcome::{ObservedRun, Outcome};
use crate::failure::Failure;
use crate::lesson::Lesson;
use crate::lesson::update::{RunOutput, Updated, update};
use crate::lesson::verdict::Verdict;
use crate::workspace::Workspace;

/// Collects the output of all runs of a suite.
#[derive(Debug, Default)]
pub struct TextUpdate {
    runs: Mutex<Vec<(Outcome, ObservedRun)>>,
}

impl RunObserver for TextUpdate {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { completed, .. } = event {
            let run = (completed.outcome.clone(), completed.observed.clone());
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            runs.push(run);
        }
    }
}

impl TextUpdate {
    /// Writes the output into the text of each lesson whose output differs from its text, and
    /// reports on standard error which lines of which text changed.
    ///
    /// A lesson stays as it is if a run had another verdict than a pass or a mismatch, or if its
    /// runs had different output.
    ///
    /// # Errors
    ///
    /// If a text could not be updated, after all others were.
    pub fn write(
        &self,
        workspace: &Workspace,
        lessons: &[&Lesson],
        outcomes: &[Outcome],
    ) -> Result<()> {
        let mut runs = self
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        runs.sort_by_key(|(outcome, _)| (outcome.language, outcome.run));
        let mut refused = 0;
        for lesson in lessons {
            let of_lesson: Vec<&Outcome> = outcomes
                .iter()
                .filter(|outcome| outcome.lesson == lesson.name && !outcome.verdict.skipped())
                .collect();
            if of_lesson.iter().all(|outcome| outcome.verdict.passed()) {
                continue;
            }
            let runs: Vec<&(Outcome, ObservedRun)> = runs
                .iter()
                .filter(|(outcome, _)| outcome.lesson == lesson.name)
                .collect();
            let path = workspace.root().join(&lesson.readme);
            match text(&path, lesson, &of_lesson, &runs) {
                Ok(Some(lines)) => crate::errln!("updated {}: {lines}", lesson.readme.display()),
                Ok(None) => {}
                Err(why) => {
                    refused += 1;
                    let readme = lesson.readme.display().to_string();
                    let why = format!("{why:#}");
                    // An error about one line of the text begins with its path.
                    match why.starts_with(&readme) {
                        true => crate::errln!("not updated: {why}"),
                        false => crate::errln!("not updated: {readme}: {why}"),
                    }
                }
            }
        }
        match refused {
            0 => Ok(()),
            1 => Err(Failure::lesson("a lesson's text could not be updated").into()),
            _ => {
                let what = format!("{refused} lessons' texts could not be updated");
                Err(Failure::lesson(what).into())
            }
        }
    }
}

/// Updates one text; returns a description of its changed lines.
fn text(
    path: &Path,
    lesson: &Lesson,
    outcomes: &[&Outcome],
    runs: &[&(Outcome, ObservedRun)],
) -> Result<Option<String>> {
    let refuse = |why: String| Err(Failure::lesson(why).into());
    for outcome in outcomes {
        if !matches!(outcome.verdict, Verdict::Pass | Verdict::Mismatch { .. }) {
            let verdict = outcome.verdict.name();
            return refuse(format!("{} ended with {verdict}", outcome.label()));
        }
    }
    let mut outputs = Vec::new();
    for (outcome, ObservedRun { steps, left }) in runs {
        // The verdict of a mismatch hides what was left behind.
        if let Some(left) = left.first() {
            return refuse(format!("{}: {left}", outcome.label()));
        }
        let name = outcome.label();
        outputs.push(RunOutput { name, steps });
    }
    let markdown =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let now = crate::lesson::transcript::parse(&markdown, &lesson.readme)?;
    if now != lesson.transcript {
        return refuse("it was changed while it was run".to_owned());
    }
    let updated = update(&markdown, &lesson.readme, &outputs).map_err(Failure::lesson)?;
    let Some(Updated { markdown, lines }) = updated else {
        return Ok(None);
    };
    std::fs::write(path, markdown).with_context(|| format!("cannot write {}", path.display()))?;
    let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
    Ok(Some(format!("the commands of lines {}", lines.join(", "))))
}
