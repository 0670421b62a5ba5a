//! All exercises of a clone, or of a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::course::{COURSE, Course};
use super::{Exercise, TASK};
use crate::failure::{Failure, Fault, fault_of};
use crate::lesson::TextError;
use crate::workspace::Workspace;

/// Folder of a lesson's exercises.
pub const EXERCISES: &str = "exercises";

/// Maximum depth below a folder at which exercises are found.
const DEPTH: usize = 4;

/// The exercises of a clone or of a folder, in the order of their course.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// The exercises.
    pub exercises: Vec<Exercise>,
    /// Mistakes in the files of other exercises, one for each.
    pub broken: Vec<BrokenExercise>,
    /// Mistakes in the course, such as an exercise that it does not list.
    pub problems: Vec<String>,
}

/// An exercise with a mistake in its files.
#[derive(Debug, Clone)]
pub struct BrokenExercise {
    /// The id.
    pub id: String,
    /// The mistake, with file and line.
    pub problem: String,
}

impl Catalogue {
    /// Loads the exercises of a clone: those of lessons and races.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be read, or `course.toml` is malformed.
    pub fn of_clone(workspace: &Workspace) -> Result<Self> {
        let mut folders = Vec::new();
        for parent in [workspace.lessons(), workspace.races()] {
            for lesson in folders_in(&parent)? {
                folders.extend(folders_in(&lesson.join(EXERCISES))?);
            }
        }
        folders.retain(|folder| folder.join(TASK).is_file());
        let course = workspace.modules().join(COURSE);
        Self::load(&folders, &course, |path| workspace.shown(path))
    }

    /// Loads the exercises of a folder from anywhere: the folder itself, or those below it.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there are none, and if a folder cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let mut folders = Vec::new();
        find(folder, DEPTH, &mut folders)?;
        if folders.is_empty() {
            let message = format!(
                "{} has no exercise: a folder with a file {TASK} (docs/writing-exercises.md)",
                folder.display()
            );
            return Err(Failure::usage(message).into());
        }
        Self::load(&folders, &folder.join(COURSE), Path::to_owned)
    }

    fn load(folders: &[PathBuf], course: &Path, shown: impl Fn(&Path) -> PathBuf) -> Result<Self> {
        let mut catalogue = Self::default();
        for folder in folders {
            let id = id_of(folder);
            match Exercise::load(&id, folder, &shown(folder)) {
                Ok(exercise) => catalogue.exercises.push(exercise),
                Err(error) if fault_of(&error) == Fault::Lesson => {
                    let problem = format!("{error:#}");
                    catalogue.broken.push(BrokenExercise { id, problem });
                }
                Err(error) => return Err(error),
            }
        }
        let shown_course = shown(course);
        catalogue.check_names();
        let course = Course::load(course, &shown_course)?;
        if !course.exercises.is_empty() {
            catalogue.check_course(&course, &shown_course);
        }
        let unlisted = course.exercises.len();
        let place = |id: &str| course.place(id).unwrap_or(unlisted);
        catalogue
            .exercises
            .sort_by_cached_key(|exercise| (place(&exercise.id), exercise.id.clone()));
        Ok(catalogue)
    }

    /// Checks that each module has a name of its own.
    fn check_names(&mut self) {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for exercise in &self.exercises {
            names
                .entry(&exercise.module)
                .or_default()
                .push(&exercise.id);
        }
        for (name, ids) in names.into_iter().filter(|(_, ids)| ids.len() > 1) {
            let ids = ids.join(" and ");
            self.problems
                .push(format!("the modules of {ids} have the same name, `{name}`"));
        }
    }

    /// Checks that the course lists each exercise once, and no other.
    fn check_course(&mut self, course: &Course, shown: &Path) {
        let shown = shown.display();
        let known: Vec<&str> = self.ids().collect();
        let listed: Vec<&str> = course.exercises.iter().map(|one| &*one.id).collect();
        let mut problems = Vec::new();
        for (index, id) in listed.iter().enumerate() {
            if !known.contains(id) {
                problems.push(format!("{shown}: there is no exercise {id}"));
            } else if listed[..index].contains(id) {
                problems.push(format!("{shown}: {id} is listed twice"));
            }
        }
        for id in known.iter().filter(|id| !listed.contains(id)) {
            problems.push(format!("{shown}: {id} is not listed"));
        }
        self.problems.extend(problems);
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        let broken = self.broken.iter().map(|broken| &*broken.id);
        self.exercises.iter().map(|one| &*one.id).chain(broken)
    }

    /// Reports whether it has the exercise with this id, which may be broken.
    pub fn has(&self, id: &str) -> bool {
        self.ids().any(|known| known == id)
    }

    /// Returns the exercises of a lesson or race.
    pub fn of_lesson<'a>(&'a self, lesson: &'a str) -> impl Iterator<Item = &'a Exercise> {
        let exercises = self.exercises.iter();
        exercises.filter(move |exercise| exercise.lesson() == lesson)
    }

    /// Returns the exercise with this id, or with this slug or module name if only one has it; the
    /// slug's number may be left out: `io_wait_event/2-every-fifth`, `2-every-fifth`,
    /// `every-fifth`, `every_fifth`.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is none or several, and with the mistake if the exercise is
    /// broken.
    pub fn find(&self, name: &str) -> Result<&Exercise> {
        if let Some(broken) = self.broken.iter().find(|broken| broken.is_named(name)) {
            return Err(Failure::lesson(&broken.problem).into());
        }
        if let Some(exact) = self.exercises.iter().find(|exercise| exercise.id == name) {
            return Ok(exact);
        }
        let named = self
            .exercises
            .iter()
            .filter(|exercise| is_named(&exercise.id, name) || exercise.module == name);
        let named: Vec<&Exercise> = named.collect();
        match named[..] {
            [only] => Ok(only),
            [] => Err(Failure::usage(self.unknown(name)).into()),
            _ => {
                let ids: Vec<&str> = named.iter().map(|exercise| &*exercise.id).collect();
                let ids = ids.join(", ");
                Err(Failure::usage(format!("`{name}` may be {ids}; write one of these")).into())
            }
        }
    }

    /// Returns the message for a name that no exercise has.
    fn unknown(&self, name: &str) -> String {
        let mut message = format!("there is no exercise `{name}`");
        let nearest = self
            .ids()
            .flat_map(|id| [id, slug_of(id), words_of(slug_of(id))]);
        let nearest = nearest.map(|known| (strsim::levenshtein(name, known), known));
        let near = nearest.min();
        let near = near.filter(|(distance, known)| *distance <= known.len().div_ceil(3));
        message += &match near {
            Some((_, known)) => format!("; did you mean `{known}`? "),
            None => "; ".to_owned(),
        };
        message + &format!("`{} list` lists all", crate::program::name())
    }
}

impl BrokenExercise {
    /// Reports whether a person may call it by this name.
    fn is_named(&self, name: &str) -> bool {
        self.id == name || is_named(&self.id, name)
    }
}

/// Reports whether a person may call the exercise with this id by a name.
pub fn is_named(id: &str, name: &str) -> bool {
    let slug = slug_of(id);
    id == name || slug == name || words_of(slug) == name
}

/// Returns the part of an id after the lesson.
fn slug_of(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, slug)| slug)
}

/// Returns a slug without its number.
fn words_of(slug: &str) -> &str {
    match slug.split_once('-') {
        Some((number, words)) if number.bytes().all(|byte| byte.is_ascii_digit()) => words,
        _ => slug,
    }
}

/// Returns the id of the exercise in a folder: the names of its lesson and of the folder.
fn id_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let parent = folder.parent().unwrap_or(Path::new(""));
    let lesson = match name(parent) == EXERCISES {
        true => parent.parent().unwrap_or(parent),
        false => parent,
    };
    format!("{}/{}", name(lesson), name(&folder))
}

/// Finds the folders with exercises in `folder`.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join(TASK).is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    if depth > 0 {
        for below in folders_in(folder)? {
            find(&below, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Returns the folders in a folder that are not hidden, sorted; none if it does not exist.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    if folder.is_dir() {
        let list = || format!("cannot list {}", folder.display());
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let path = entry.with_context(list)?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && !name.as_encoded_bytes().starts_with(b".") {
                folders.push(path);
            }
        }
    }
    folders.sort();
    Ok(folders)
}

/// Returns a mistake in a file that is not in a line.
pub(super) fn mistake(path: &Path, problem: impl Into<String>) -> anyhow::Error {
    TextError {
        readme: path.to_owned(),
        line: None,
        problem: problem.into(),
    }
    .into()
}

#[cfg(test)]
mod tests;
