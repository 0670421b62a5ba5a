//! `--update`: writes the output of a suite's runs into the lessons' texts.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::events::{RunEvent, RunObserver};
use super::outcome::{ObservedRun, Outcome};
use crate::failure::Failure;
use crate::lesson::Lesson;
use crate::lesson::update::{RunOutput, Updated, update};
use crate::lesson::verdict::Verdict;

/// Maximum length of the output of a run that is written into a text, in bytes.
const MAX_OUTPUT: usize = 256 << 10;

/// Collects the output of all runs of a suite.
#[derive(Debug, Default)]
pub struct TextUpdate {
    runs: Mutex<Vec<CollectedRun>>,
}

#[derive(Debug, Clone)]
struct CollectedRun {
    outcome: Outcome,
    /// `None` if the output is too long for a text.
    observed: Option<ObservedRun>,
}

impl RunObserver for TextUpdate {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { completed, .. } = event {
            let steps = completed.observed.steps.iter();
            let length: usize = steps.map(|step| step.output.len()).sum();
            let run = CollectedRun {
                outcome: completed.outcome.clone(),
                observed: (length <= MAX_OUTPUT).then(|| completed.observed.clone()),
            };
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
    pub fn write(&self, lessons: &[&Lesson], outcomes: &[Outcome]) -> Result<()> {
        let mut runs = self
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        runs.sort_by_key(|run| (run.outcome.language, run.outcome.run));
        let mut refused = 0;
        for lesson in lessons {
            let of_lesson: Vec<&Outcome> = outcomes
                .iter()
                .filter(|outcome| outcome.lesson == lesson.name && !outcome.verdict.skipped())
                .collect();
            if of_lesson.iter().all(|outcome| outcome.verdict.passed()) {
                continue;
            }
            let runs: Vec<&CollectedRun> = runs
                .iter()
                .filter(|run| run.outcome.lesson == lesson.name)
                .collect();
            match text(&lesson.text, lesson, &of_lesson, &runs) {
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
    runs: &[&CollectedRun],
) -> Result<Option<String>> {
    let refuse = |why: String| Err(Failure::lesson(why).into());
    for outcome in outcomes {
        if !matches!(outcome.verdict, Verdict::Pass | Verdict::Mismatch { .. }) {
            let verdict = outcome.verdict.name();
            return refuse(format!("{} ended with {verdict}", outcome.label()));
        }
    }
    let mut outputs = Vec::new();
    for CollectedRun { outcome, observed } in runs {
        let Some(ObservedRun { steps, left }) = observed else {
            let label = outcome.label();
            let longest = MAX_OUTPUT >> 10;
            return refuse(format!(
                "{label} printed more than {longest} KiB; select lines with grep, head or tail"
            ));
        };
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
    replace(path, &markdown).with_context(|| format!("cannot write {}", path.display()))?;
    let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
    Ok(Some(format!("the commands of lines {}", lines.join(", "))))
}

/// Replaces a text by another at once: on a full disk, the old one stays. Follows symbolic links
/// and keeps the permissions.
fn replace(path: &Path, text: &str) -> Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().context("it is in no folder")?;
    let mut file = tempfile::Builder::new()
        .prefix(".kmodlab-update-")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    let permissions = std::fs::metadata(&path)?.permissions();
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_text_is_whole_at_each_moment_of_its_update() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (text, link) = (folder.path().join("text"), folder.path().join("link"));
        std::fs::write(&text, "old")?;
        std::fs::set_permissions(&text, Permissions::from_mode(0o640))?;
        symlink("text", &link)?;
        let mut opened_before = File::open(&text)?;
        replace(&link, "new")?;
        let mut old = String::new();
        opened_before.read_to_string(&mut old)?;
        assert_eq!(old, "old");
        assert_eq!(std::fs::read_to_string(&text)?, "new");
        let mode = std::fs::metadata(&text)?.permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 2);
        Ok(())
    }
}
