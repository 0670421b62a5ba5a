//! The files that a student of a course gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::course_file::CourseFile;
use super::course_key::CourseKey;
use super::variants::StudentVariants;
use crate::exercise::catalogue::Catalogue;
use crate::exercise::student::{StudentFolder, StudentManifest};
use crate::exercise::{Exercise, TASK, Variant};
use crate::failure::Failure;
use crate::modules::Language;
use crate::whole_file;

/// Name of the file with the student's values of an exercise.
pub const VALUES: &str = "values.toml";

/// Writes the text of an exercise and the files to begin with, with the values of a student.
///
/// # Errors
///
/// Fails with a usage error if one of the files is there and differs, and if a file cannot be written.
pub fn hand_out(
    key: Option<&CourseKey>,
    exercise: &Exercise,
    student: &str,
    folder: &Path,
) -> Result<()> {
    let variants = StudentVariants::choose(key, exercise, student);
    let text = exercise.task.student_text(&variants.shown, false);
    let mut files = vec![(folder.join(TASK), text.markdown)];
    for (language, solution) in &exercise.solutions {
        let start = solution.start(&exercise.task.variants, &variants.shown);
        files.push((folder.join(exercise.answer_file(*language)), start));
    }
    if !variants.shown.0.is_empty() {
        let values = [(exercise.id.clone(), variants.shown)].into();
        let text = toml::to_string(&ValuesTables { values }).context("cannot write TOML")?;
        files.push((folder.join(VALUES), text));
    }
    // A student's answer may be among them.
    let differs = |(path, text): &&(PathBuf, String)| {
        path.exists() && whole_file::read_text(path).ok().as_ref() != Some(text)
    };
    if let Some((path, _)) = files.iter().find(differs) {
        let path = path.display();
        let message = format!("{path} is there already, and differs; give a folder without it");
        return Err(Failure::usage(message).into());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (path, text) in files {
        whole_file::write(&path, text)?;
    }
    Ok(())
}

/// Makes a student's folder with the exercises of a course and the values of a student, in which `check`
/// works without the course.
///
/// # Errors
///
/// Fails with a usage error if there is a student's folder, and if a file cannot be written.
pub fn hand_out_course(
    course: &CourseFile,
    catalogue: &Catalogue,
    student: &str,
    language: Language,
    folder: &Path,
) -> Result<()> {
    let key = course.read_key()?;
    let mut ids = Vec::new();
    let mut values = BTreeMap::new();
    for entry in &course.exercises {
        let exercise = catalogue.find(&entry.id)?;
        let variants = StudentVariants::choose(key.as_ref(), exercise, student);
        ids.push(exercise.id.clone());
        if !variants.shown.0.is_empty() {
            values.insert(exercise.id.clone(), variants.shown);
        }
    }
    let manifest = StudentManifest::new(language, Some(ids))
        .kernel(course.kernel.name.clone())
        .values(values);
    StudentFolder::create(folder, &manifest, catalogue).map(drop)
}

/// The end of a `kmodlab.toml`: the values of exercises, by their ids.
#[derive(Serialize)]
struct ValuesTables {
    values: BTreeMap<String, Variant>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::MANIFEST;
    use crate::workspace::Workspace;

    #[test]
    fn a_student_gets_the_values_of_the_marks() -> Result<()> {
        let home = tempfile::tempdir()?;
        let course = home.path().join("course.toml");
        std::fs::write(home.path().join("course.key"), "0123456789abcdef\n")?;
        std::fs::write(
            &course,
            "title = \"T\"\nkey = \"course.key\"\n[kernel]\nname = \"6.12\"\n\
             [[exercise]]\nid = \"io_wait_event/2-every-fifth\"\n",
        )?;
        let course = CourseFile::read(&course)?;
        let all = Catalogue::of_clone(&Workspace::find()?)?;
        let exercise = all.find("every-fifth")?;
        let key = course.read_key()?;
        let (mut students, mut seen) = (0.., Vec::new());
        // Two students with different values.
        while seen.len() < 2 {
            let student = format!("student{}", students.next().unwrap_or(0));
            let values = StudentVariants::choose(key.as_ref(), exercise, &student).shown;
            if seen.contains(&values) {
                continue;
            }
            let folder = home.path().join(&student);
            hand_out_course(&course, &all, &student, Language::C, &folder)?;
            let own = StudentFolder::open(&folder)?;
            assert_eq!(own.variant_of(exercise), values);
            assert_eq!(own.kernel.name.as_deref(), Some("6.12"));
            assert_eq!(
                own.select(Catalogue::of_clone(&Workspace::find()?)?)?
                    .exercises
                    .len(),
                1
            );
            let again = hand_out_course(&course, &all, &student, Language::C, &folder);
            assert!(again.is_err());

            // The files of the exercise alone are the same.
            let alone = home.path().join(format!("{student}-alone"));
            hand_out(key.as_ref(), exercise, &student, &alone)?;
            for file in [TASK, "every_fifth.c"] {
                let of_folder = std::fs::read(own.folder_of(exercise).join(file))?;
                assert_eq!(std::fs::read(alone.join(file))?, of_folder, "{file}");
            }
            hand_out(key.as_ref(), exercise, &student, &alone)?;
            let answer = alone.join("every_fifth.c");
            std::fs::write(&answer, "an answer")?;
            let refused = hand_out(key.as_ref(), exercise, &student, &alone);
            assert!(refused.is_err() && std::fs::read(&answer)? == b"an answer");
            let table = std::fs::read_to_string(alone.join(VALUES))?;
            let manifest = std::fs::read_to_string(folder.join(MANIFEST))?;
            assert!(manifest.ends_with(&table), "{manifest}");
            seen.push(values);
        }
        Ok(())
    }
}
