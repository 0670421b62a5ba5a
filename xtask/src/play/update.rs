//! `--update`: what a suite saw, written into the lessons' texts.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::lesson::Lesson;
use crate::lesson::update::{RunOutput, Updated, update};
use crate::lesson::verdict::Verdict;
use crate::workspace::Workspace;

use super::outcome::{Outcome, Seen};

/// Writes what was seen into the text of each lesson that printed something
/// else than it says, and says on standard error what was written where.
///
/// A lesson of which a run came to anything but a pass or a mismatch is left
/// as it is, and so is one whose runs saw different things: these are told,
/// and are an error of the lesson's in the end.
pub fn texts(workspace: &Workspace, lessons: &[Lesson], outcomes: &[Outcome]) -> Result<()> {
    let mut refused = 0;
    for lesson in lessons {
        let of_lesson: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.lesson == lesson.name && !outcome.verdict.skipped())
            .collect();
        if of_lesson.iter().all(|outcome| outcome.verdict.passed()) {
            continue;
        }
        match text(&workspace.root().join(&lesson.readme), lesson, &of_lesson) {
            Ok(Some(lines)) => eprintln!("updated {}: {lines}", lesson.readme.display()),
            Ok(None) => {}
            Err(why) => {
                refused += 1;
                let readme = lesson.readme.display().to_string();
                let why = format!("{why:#}");
                // What is about one line of it begins with it.
                match why.starts_with(&readme) {
                    true => eprintln!("not updated: {why}"),
                    false => eprintln!("not updated: {readme}: {why}"),
                }
            }
        }
    }
    match refused {
        0 => Ok(()),
        1 => Err(Failure::lesson("a lesson's text could not be updated").into()),
        _ => Err(Failure::lesson(format!("{refused} lessons' texts could not be updated")).into()),
    }
}

/// Updates one text; returns which of its lines, in words.
fn text(path: &Path, lesson: &Lesson, outcomes: &[&Outcome]) -> Result<Option<String>> {
    let mut outputs = Vec::new();
    for outcome in outcomes {
        let (Verdict::Pass | Verdict::Mismatch { .. }, Some(Seen { steps, left })) =
            (&outcome.verdict, &outcome.seen)
        else {
            let words = outcome.verdict.name();
            return Err(Failure::lesson(format!("{} came to {words}", outcome.label())).into());
        };
        // A mismatch is told before what was left behind.
        if let Some(left) = left.first() {
            let what = format!("{}: {left}", outcome.label());
            return Err(Failure::lesson(what).into());
        }
        let name = outcome.label();
        outputs.push(RunOutput { name, steps });
    }
    let markdown =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let now = crate::lesson::transcript::parse(&markdown, &lesson.readme)?;
    if now != lesson.transcript {
        return Err(Failure::lesson("it was changed while it was played").into());
    }
    let updated = update(&markdown, &lesson.readme, &outputs).map_err(Failure::lesson)?;
    let Some(Updated { markdown, lines }) = updated else {
        return Ok(None);
    };
    std::fs::write(path, markdown).with_context(|| format!("cannot write {}", path.display()))?;
    let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
    Ok(Some(format!("the commands of lines {}", lines.join(", "))))
}
