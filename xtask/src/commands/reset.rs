//! `reset`: begins an exercise anew.

use std::io::Write as _;

use anyhow::Result;

use super::student::Student;
use crate::streams;

/// Options of `reset`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResetOptions {
    /// The exercise
    #[arg(value_name = "EXERCISE")]
    name: String,
}

/// Writes the file that an exercise begins with; the answer is kept beside it.
///
/// # Errors
///
/// If there is no student's folder or no such exercise, or a file cannot be written.
pub fn run(options: &ResetOptions) -> Result<()> {
    let student = Student::open()?;
    let exercise = student.choose(Some(&options.name))?;
    let file = student.folder.answer_of(exercise);
    let mut out = streams::stdout();
    match student.folder.reset(exercise)? {
        Some(kept) => {
            let (file, kept) = (file.display(), kept.display());
            writeln!(
                out,
                "{file} is as at the beginning; your answer is kept in {kept}"
            )?;
        }
        None => writeln!(out, "{} is as at the beginning", file.display())?,
    }
    Ok(())
}
