//! `list`: lists the exercises and the student's progress.

use std::io::Write as _;

use anyhow::Result;

use super::student::Student;
use crate::streams;

/// Options of `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExerciseListOptions {}

/// Lists the exercises in the order of the course.
///
/// # Errors
///
/// If there is no student's folder.
pub fn run(_options: &ExerciseListOptions) -> Result<()> {
    let Student { folder, catalogue } = Student::open()?;
    let progress = folder.progress()?;
    let ids = catalogue.exercises.iter().map(|exercise| exercise.id.len());
    let width = ids.max().unwrap_or(0);
    let mut out = streams::stdout();
    let mut passed = 0;
    for exercise in &catalogue.exercises {
        let own = progress.of(&exercise.id);
        let state = match (own.passed, own.checks) {
            (true, _) => "passed",
            (false, 0) => "-",
            (false, _) => "begun",
        };
        passed += usize::from(own.passed);
        let (id, task) = (&exercise.id, &exercise.task);
        let maximum = task.points();
        let minutes = task
            .minutes
            .map_or_else(String::new, |minutes| format!("{minutes} min"));
        writeln!(
            out,
            "{id:width$}  {state:6}  {:2} of {maximum:2}  {minutes:>6}  {}",
            own.points, task.title
        )?;
    }
    writeln!(
        out,
        "{passed} of {} exercises have passed",
        catalogue.exercises.len()
    )?;
    for broken in &catalogue.broken {
        crate::errln!("{}", broken.problem);
    }
    Ok(())
}
