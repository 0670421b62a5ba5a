//! `solution`: prints the solution of an exercise.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use super::student::Student;
use crate::failure::Failure;
use crate::streams;

/// Options of `solution`.
#[derive(Debug, Clone, clap::Args)]
pub struct SolutionOptions {
    /// The exercise
    #[arg(value_name = "EXERCISE")]
    name: String,

    /// Print it although your answer has not passed
    #[arg(long)]
    anyway: bool,
}

/// Prints the solution of an exercise that has passed, in the language of the folder.
///
/// # Errors
///
/// Fails with a usage error if there is no student's folder or exercise of this name, if the answer has not
/// passed, and if a course keeps the solution.
pub fn run(options: &SolutionOptions) -> Result<()> {
    let student = Student::open()?;
    let exercise = student.choose(Some(&options.name))?;
    student.folder.check_solutions()?;
    let passed = student.folder.progress()?.of(&exercise.id).passed;
    if !passed && !options.anyway {
        let name = crate::program::name();
        let message = format!(
            "{id} has not passed yet: `{name} hint {id}` helps, and `{name} solution {id} \
             --anyway` prints the solution",
            id = exercise.id
        );
        return Err(Failure::usage(message).into());
    }
    let language = student.folder.language_of(exercise);
    let solution = exercise.solution(language);
    let solution = solution.with_context(|| format!("{} has no solution", exercise.id))?;
    let variant = student.folder.variant_of(exercise);
    let text = solution.filled(&exercise.task.variants, &variant);
    write!(streams::stdout(), "{text}")?;
    Ok(())
}
