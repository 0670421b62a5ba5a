//! `hint`: prints the next hint for an exercise.

use std::io::Write;

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

    /// Print the hints that were shown so far, and no other
    #[arg(long)]
    shown: bool,
}

/// Prints the next hint: for the failure of the last check, if there was one. After the last, prints
/// all of them.
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
    if hints.is_empty() {
        return Err(Failure::usage(format!("{} has no hints", exercise.id)).into());
    }
    let mut out = streams::stdout();
    if options.shown && shown == 0 {
        writeln!(out, "no hint has been shown yet")?;
    } else if let (Some(hint), false) = (hints.get(shown), options.shown) {
        own.hints += 1;
        print_hint(&mut out, hint)?;
        write_left(&mut out, hints.len() - shown - 1)?;
        student.folder.save(&progress)?;
    } else {
        let shown = &hints[..shown.min(hints.len())];
        for hint in shown {
            print_hint(&mut out, hint)?;
        }
        match hints.len() - shown.len() {
            0 => writeln!(out, "these were all hints")?,
            left => write_left(&mut out, left)?,
        }
    }
    Ok(())
}

fn write_left(out: &mut dyn Write, left: usize) -> Result<()> {
    if left > 0 {
        let hints = if left == 1 { "hint" } else { "hints" };
        writeln!(out, "{left} more {hints}")?;
    }
    Ok(())
}
