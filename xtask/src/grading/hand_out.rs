//! The files that a student of a course gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::course_file::CourseFile;
use super::course_key::CourseKey;
use super::rules::RULES;
use super::variants::StudentVariants;
use crate::exercise::catalogue::Catalogue;
use crate::exercise::course::{COURSE, Course, CourseExercise};
use crate::exercise::student::{COURSE_EXERCISES, StudentFolder, StudentManifest};
use crate::exercise::{Exercise, TASK, Variant};
use crate::failure::Failure;
use crate::modules::Language;
use crate::project::MANIFEST;
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

/// Makes a student's folder with the exercises of a course that are kmodlab's, and the values of a
/// student, in which `check` works without the course.
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
    // The more exact message, if the folder is another student's.
    if let Ok(known) = StudentFolder::open(folder)
        && known.student().is_some()
    {
        known.check_student(student, language)?;
    }
    StudentFolder::check_new(folder)?;
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
        .student(student)
        .kernel(course.kernel.name.clone())
        .values(values);
    StudentFolder::create(folder, &manifest, catalogue)?;
    whole_file::write_below(&folder.join(RULES), &course.rules.text()?)
}

/// Makes a student's folder for a course with exercises of its own, which go into the folder too: without
/// hidden parts, solutions and wrong answers, and with the values of a student. A folder that was made
/// so gets what is new in the course, and keeps the student's answers.
///
/// # Errors
///
/// Fails with a usage error if there is another student's folder or one for another language, and if a
/// file cannot be written.
pub fn hand_out_own(
    course: &CourseFile,
    catalogue: &Catalogue,
    student: &str,
    language: Language,
    folder: &Path,
) -> Result<()> {
    let within = folder.join(COURSE_EXERCISES);
    let known = match folder.join(MANIFEST).exists() {
        true => Some(StudentFolder::open(folder)?).filter(|known| known.is_of_course(&within)),
        false => None,
    };
    match &known {
        Some(known) => known.check_student(student, language)?,
        None => StudentFolder::check_new(folder)?,
    }
    let key = course.read_key()?;
    let mut order = Course {
        title: course.title.clone(),
        exercises: Vec::new(),
    };
    let mut files = Vec::new();
    for entry in &course.exercises {
        let exercise = catalogue.find(&entry.id)?;
        let variants = StudentVariants::choose(key.as_ref(), exercise, student);
        let own = within.join(exercise.lesson()).join(exercise.slug());
        let public = exercise.public_files(&variants.shown)?.into_iter();
        files.extend(public.map(|(path, text)| (own.join(path), text)));
        order.exercises.push(CourseExercise {
            id: exercise.id.clone(),
        });
    }
    let order = toml::to_string(&order).context("cannot write TOML")?;
    files.push((within.join(COURSE), order));
    if within.exists() {
        std::fs::remove_dir_all(&within)
            .with_context(|| format!("cannot remove {}", within.display()))?;
    }
    for (path, text) in files {
        whole_file::write_below(&path, text)?;
    }
    whole_file::write_below(&folder.join(RULES), course.rules.text()?)?;
    let catalogue = Catalogue::of_folder(&within)?;
    if let Some(known) = known {
        return known.update(&catalogue).map(drop);
    }
    let manifest = StudentManifest::of_course(language, COURSE_EXERCISES)
        .student(student)
        .kernel(course.kernel.name.clone());
    StudentFolder::create(folder, &manifest, &catalogue).map(drop)
}

/// The end of a `kmodlab.toml`: the values of exercises, by their ids.
#[derive(Serialize)]
struct ValuesTables {
    values: BTreeMap<String, Variant>,
}

#[cfg(test)]
mod tests;
