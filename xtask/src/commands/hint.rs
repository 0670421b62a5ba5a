//! `hint`: prints the next hint for an exercise.

use std::io::Write as _;

use anyhow::Result;

use super::student::Student;
use crate::exercise::hints::written;
use crate::exercise::result::{CheckResult, HintEntry};
use crate::failure::Failure;
use crate::report::print_hint;
use crate::streams;

/// Options of `hint`.
#[derive(Debug, Clone, clap::Args)]
pub struct HintOptions {
    /// The exercise; without it, the one in whose folder you are, or the first that has not passed
    #[arg(value_name = "EXERCISE")]
    name: Option<String>,
}

/// Prints the next hint: for the failure of the last check, if there was one.
///
/// # Errors
///
/// If there is no student's folder or no such exercise, or the exercise has no hint.
pub fn run(options: &HintOptions) -> Result<()> {
    let student = Student::open()?;
    let exercise = student.choose(options.name.as_deref())?;
    let last = student.folder.last_result(exercise);
    let failed = last.filter(|result: &CheckResult| !result.hints.is_empty());
    let hints: Vec<HintEntry> = match failed {
        Some(result) => result.hints,
        None => written(exercise, &student.folder.variant_of(exercise)).collect(),
    };
    let mut progress = student.folder.progress()?;
    let own = progress.of_mut(&exercise.id);
    let shown = usize::try_from(own.hints).unwrap_or(usize::MAX);
    let Some(last) = hints.last() else {
        return Err(Failure::usage(format!("{} has no hints", exercise.id)).into());
    };
    let mut out = streams::stdout();
    match hints.get(shown) {
        Some(hint) => {
            own.hints += 1;
            print_hint(&mut out, hint)?;
            let left = hints.len() - shown - 1;
            if left > 0 {
                let hints = if left == 1 { "hint" } else { "hints" };
                writeln!(out, "{left} more {hints}")?;
            }
        }
        None => {
            print_hint(&mut out, last)?;
            writeln!(out, "this was the last of {} hints", hints.len())?;
        }
    }
    student.folder.save(&progress)
}
