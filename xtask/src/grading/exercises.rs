//! The exercises of a course.

use anyhow::Result;

use super::course_file::CourseFile;
use crate::exercise::Exercise;
use crate::exercise::catalogue::{Catalogue, is_named};
use crate::session::Session;

/// Returns the exercises that a course may have: those of its folder, else kmodlab's own.
///
/// # Errors
///
/// Fails with a usage error if a folder that the course names has none.
pub fn catalogue_of(course: &CourseFile, session: &Session) -> Result<Catalogue> {
    match own_exercises(course)? {
        Some(catalogue) => Ok(catalogue),
        None => Catalogue::of_clone(&session.workspace),
    }
}

/// Finds the exercise of a course that a person means. Exercises that are not in the course may have the
/// same short name.
///
/// # Errors
///
/// Fails with a usage error if the course has none or several with this name.
pub fn find<'a>(course: &CourseFile, catalogue: &'a Catalogue, name: &str) -> Result<&'a Exercise> {
    let mut named = course
        .exercises
        .iter()
        .filter(|entry| is_named(&entry.id, name));
    let id = match (named.next(), named.next()) {
        (Some(only), None) => &only.id,
        _ => name,
    };
    let exercise = catalogue.find(id)?;
    course.entry(&exercise.id)?;
    Ok(exercise)
}

/// Returns the exercises in the folder of a course; `None` if it has those of kmodlab.
///
/// # Errors
///
/// Fails with a usage error if a folder that the course names has none.
pub fn own_exercises(course: &CourseFile) -> Result<Option<Catalogue>> {
    match Catalogue::of_folder(&course.folder()) {
        Ok(catalogue) => Ok(Some(catalogue)),
        Err(error) if course.names_folder() => Err(error),
        Err(_) => Ok(None),
    }
}

/// Returns the mistakes of a course that a proof does not find: exercises that do not exist, and
/// solutions that break the course's rules for submissions.
pub fn problems(course: &CourseFile, catalogue: &Catalogue) -> Vec<String> {
    let broken = catalogue.broken.iter().map(|broken| broken.problem.clone());
    let mut problems: Vec<String> = broken.chain(catalogue.problems.iter().cloned()).collect();
    for entry in &course.exercises {
        let exercise = match catalogue.find(&entry.id) {
            Ok(exercise) => exercise,
            Err(error) => {
                problems.push(format!("{error:#}"));
                continue;
            }
        };
        for (language, solution) in &exercise.solutions {
            let path = solution.path.display();
            let text = &solution.text;
            if let Some((line, problem)) = course.word_problem(exercise, *language, text) {
                problems.push(format!("the solution {path}:{line}: {problem}"));
            }
            if text.len() as u64 > course.limits.size.as_u64() {
                problems.push(format!(
                    "the solution {path} is larger than a submission may be"
                ));
            }
        }
    }
    problems.dedup();
    problems
}
