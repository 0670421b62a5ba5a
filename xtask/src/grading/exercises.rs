//! The exercises of a course.

use anyhow::Result;

use super::course_file::{CourseEntry, CourseFile};
use crate::exercise::Exercise;
use crate::exercise::catalogue::{Catalogue, is_named};
use crate::failure::Failure;
use crate::session::Session;
use crate::text::shell_word;
use crate::workspace::Workspace;

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
/// Fails with a usage error if the course has none or several with this name, or its folder does not have
/// the exercise.
pub fn find<'a>(
    course: &CourseFile,
    catalogue: &'a Catalogue,
    workspace: &Workspace,
    name: &str,
) -> Result<&'a Exercise> {
    let mut named = course
        .exercises
        .iter()
        .filter(|entry| is_named(&entry.id, name));
    let id = match (named.next(), named.next()) {
        (Some(only), None) => {
            check_exercises(course, catalogue, workspace, std::slice::from_ref(only))?;
            &only.id
        }
        _ => name,
    };
    let exercise = catalogue.find(id)?;
    course.entry(&exercise.id)?;
    Ok(exercise)
}

/// Checks that the folder of a course has these of its exercises, where no other ones are looked for.
///
/// # Errors
///
/// Fails with a usage error that names those that are missing, with the command that copies one of
/// kmodlab's there; and if kmodlab's cannot be read.
pub fn check_exercises(
    course: &CourseFile,
    catalogue: &Catalogue,
    workspace: &Workspace,
    entries: &[CourseEntry],
) -> Result<()> {
    let missing = entries.iter().filter(|entry| !catalogue.has(&entry.id));
    let missing: Vec<&CourseEntry> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let file = course.file().display();
    if own_exercises(course)?.is_none() {
        let ids: Vec<&str> = missing.iter().map(|entry| &*entry.id).collect();
        let message = format!(
            "{file}: there is no exercise {}; `{} list` lists those of kmodlab",
            ids.join(", "),
            crate::program::name()
        );
        return Err(Failure::usage(message).into());
    }
    let all = Catalogue::of_clone(workspace)?;
    let folder = course.folder();
    let mut lines = Vec::new();
    let mut copies = Vec::new();
    for CourseEntry { id, .. } in missing {
        match all.exercises.iter().find(|exercise| exercise.id == *id) {
            Some(exercise) => {
                let to = folder.join(exercise.lesson());
                let [from, to] = [&*exercise.folder, &to].map(shell_word);
                copies.push(format!("  mkdir -p {to} && cp -r {from} {to}/"));
                lines.push(format!("{id} is an exercise of kmodlab"));
            }
            None => lines.push(format!("there is no exercise {id}")),
        }
    }
    let mut message = format!(
        "{file}: {}; a course with exercises in its folder ({}) has no others",
        lines.join(", "),
        folder.display()
    );
    if !copies.is_empty() {
        message += &format!("; copy kmodlab's there:\n{}", copies.join("\n"));
    }
    Err(Failure::usage(message).into())
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

/// Returns a line for each exercise whose parts have other points together than it counts in the course.
pub fn scaling_notes(course: &CourseFile, catalogue: &Catalogue) -> Vec<String> {
    let note = |entry: &CourseEntry| {
        let exercise = catalogue.find(&entry.id).ok()?;
        let parts: u32 = exercise.task.parts.iter().map(|part| part.points).sum();
        let points = entry.points.filter(|points| *points != parts)?;
        let id = &exercise.id;
        Some(format!(
            "{id}: the parts' points ({parts}) are scaled to the course's ({points})"
        ))
    };
    course.exercises.iter().filter_map(note).collect()
}

/// Returns the mistakes of a course that a proof does not find: broken exercises, and solutions whose
/// sources break the course's rules for submissions.
pub fn problems(course: &CourseFile, catalogue: &Catalogue) -> Vec<String> {
    let broken = catalogue.broken.iter().map(|broken| broken.problem.clone());
    let mut problems: Vec<String> = broken.chain(catalogue.problems.iter().cloned()).collect();
    for entry in &course.exercises {
        // The mistake of a broken one is among the problems already.
        let Ok(exercise) = catalogue.find(&entry.id) else {
            continue;
        };
        for (language, solution) in &exercise.solutions {
            let path = solution.path.display();
            let text = &solution.text;
            if let Some((line, problem)) = course.rules.word_problem(exercise, *language, text) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_file;

    /// Writes a course with one exercise, whose parts have 6 points, and the end of `course.toml`.
    fn course(end: &str) -> Result<(tempfile::TempDir, CourseFile)> {
        let home = tempfile::tempdir()?;
        let task = "# Steps\n\n```toml exercise\nminutes = 5\n```\n\n## Loads (4 points)\n\n\
            ```console\n$ echo\n```\n\n## More (2 points)\n\n```console\n$ echo\n```\n";
        for (name, text) in [
            ("count/1-steps/task.md", task),
            (
                "count/1-steps/c/steps.c",
                "// TODO 1: count\n//@ 1 {\n//@ 1 }\n",
            ),
            (
                "course.toml",
                &format!("title = \"T\"\n[[exercise]]\nid = \"count/1-steps\"\n{end}"),
            ),
        ] {
            whole_file::write_below(&home.path().join(name), text)?;
        }
        let course = CourseFile::read(&home.path().join("course.toml"))?;
        Ok((home, course))
    }

    #[test]
    fn scaled_parts_are_noted() -> Result<()> {
        for (end, notes) in [
            ("", vec![]),
            ("points = 6\n", vec![]),
            (
                "points = 9\n",
                vec!["count/1-steps: the parts' points (6) are scaled to the course's (9)"],
            ),
        ] {
            let (home, course) = course(end)?;
            let catalogue = Catalogue::of_folder(home.path())?;
            assert!(catalogue.broken.is_empty(), "{:?}", catalogue.broken);
            assert_eq!(scaling_notes(&course, &catalogue), notes);
        }
        Ok(())
    }
}
