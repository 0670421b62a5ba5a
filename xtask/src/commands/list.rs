//! `list`: lists the exercises and the student's progress.

use std::io::Write as _;

use anyhow::Result;

use super::student::Student;
use crate::exercise::Catalogue;
use crate::exercise::student::Progress;
use crate::streams;
use crate::workspace::Workspace;

/// Options of `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExerciseListOptions {}

/// Lists the exercises in the order of the course: in a student's folder with the progress, elsewhere
/// without.
///
/// # Errors
///
/// Fails if the exercises or the progress cannot be read.
pub fn run(_options: &ExerciseListOptions) -> Result<()> {
    let (catalogue, progress) = match Student::open_if_any()? {
        Some(Student { folder, catalogue }) => (catalogue, Some(folder.progress()?)),
        None => (Catalogue::of_clone(&Workspace::find()?)?, None),
    };
    print(&catalogue, progress.as_ref())?;
    for broken in &catalogue.broken {
        crate::errln!("{}", broken.problem);
    }
    Ok(())
}

fn print(catalogue: &Catalogue, progress: Option<&Progress>) -> Result<()> {
    let ids = catalogue.exercises.iter().map(|exercise| exercise.id.len());
    let width = ids.max().unwrap_or(0);
    let mut out = streams::stdout();
    let mut passed = 0;
    for exercise in &catalogue.exercises {
        let (id, task) = (&exercise.id, &exercise.task);
        let maximum = task.points();
        let points = match progress.map(|progress| progress.of(id)) {
            None => format!("{maximum:2} points"),
            Some(own) => {
                let state = match (own.passed, own.checks) {
                    (true, _) => "passed",
                    (false, 0) => "-",
                    (false, _) => "begun",
                };
                passed += usize::from(own.passed);
                format!("{state:6}  {:2} of {maximum:2}", own.points)
            }
        };
        let minutes = task
            .minutes
            .map_or_else(String::new, |minutes| format!("{minutes} min"));
        writeln!(out, "{id:width$}  {points}  {minutes:>6}  {}", task.title)?;
    }
    let count = catalogue.exercises.len();
    match progress {
        Some(_) => writeln!(out, "{passed} of {count} exercises have passed")?,
        None => writeln!(
            out,
            "{count} exercises; `{} exercise init FOLDER` makes a folder for your answers",
            crate::program::name()
        )?,
    }
    Ok(())
}
