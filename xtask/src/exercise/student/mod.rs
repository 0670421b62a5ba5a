//! A student's folder: a folder for each exercise, with the text and the answer, and the record of the
//! student's progress. Nothing of the clone is edited, and nothing in the folder but the answers
//! decides about points.
//!
//! ```text
//! kmodlab.toml                        language, kernel, and the values and the name of a course's student
//! progress.toml                       points, tries and hints of each exercise
//! io_wait_event/2-every-fifth/task.md, every_fifth.rs
//! .kmodlab/                           the last result of each exercise, and the rules of the course
//! .cargo/config.toml                  by which `cargo xtask` runs the clone's program, if that made the folder
//! ```

mod cargo_alias;
mod files;
mod links;
mod manifest;
mod progress;
mod results;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::{Catalogue, Exercise, Variant};
use crate::failure::Failure;
use crate::modules::Language;
use crate::project::{KernelChoice, MANIFEST};
use crate::whole_file;
use crate::workspace::Workspace;

pub use files::{FileUpdate, key as answer_key, shown};
pub use manifest::StudentManifest;
pub use progress::{ExerciseProgress, Progress};

/// Folder of the exercises of a course.
pub const COURSE_EXERCISES: &str = ".kmodlab/exercises";

/// A student's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudentFolder {
    /// The folder.
    pub root: PathBuf,
    /// The language of the answers, where an exercise has both.
    pub language: Language,
    /// The kernel that `kmodlab.toml` asks for.
    pub kernel: KernelChoice,
    /// The ids of the exercises, if the folder does not have all of them.
    exercises: Option<Vec<String>>,
    /// The folder with the exercises of a course, if they are not those of kmodlab.
    of_course: Option<PathBuf>,
    /// The student whom a course handed the folder out to.
    student: Option<String>,
    /// By the id of an exercise, values in place of its default ones.
    values: BTreeMap<String, Variant>,
}

impl StudentFolder {
    /// Makes a student's folder, with all exercises; what it already has stays.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the folder is for another language, or has another
    /// `kmodlab.toml`; and if a file cannot be written.
    pub fn init(root: &Path, language: Language, catalogue: &Catalogue) -> Result<Self> {
        let manifest = root.join(MANIFEST);
        if manifest.exists() {
            let folder = Self::open(root)?;
            if folder.language != language {
                let message = format!(
                    "{} is a folder for answers in {}; make another one for {}",
                    root.display(),
                    folder.language.title(),
                    language.title()
                );
                return Err(Failure::usage(message).into());
            }
            folder.update(catalogue)?;
            return Ok(folder);
        }
        Self::create(root, &StudentManifest::new(language, None), catalogue)
    }

    /// Makes a student's folder with this `kmodlab.toml`, from all exercises that there are.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is one, or if an exercise that the file names does not exist;
    /// and if a file cannot be written.
    pub fn create(root: &Path, manifest: &StudentManifest, catalogue: &Catalogue) -> Result<Self> {
        Self::check_new(root)?;
        let path = root.join(MANIFEST);
        let folder = Self::of(root, manifest.clone()).map_err(Failure::usage)?;
        folder.check_manifest(catalogue)?;
        whole_file::write_below(&path, &manifest.text()?)?;
        folder.update(catalogue)?;
        Ok(folder)
    }

    /// Checks that a folder has no `kmodlab.toml` yet.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if it has one.
    pub fn check_new(root: &Path) -> Result<()> {
        let path = root.join(MANIFEST);
        ensure!(
            !path.exists(),
            Failure::usage(format!("{} exists already", path.display()))
        );
        Ok(())
    }

    /// Opens a student's folder.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if it is not one.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(MANIFEST);
        let usage = |why: &str| Failure::usage(format!("{}: {why}", path.display()));
        let text = whole_file::read_text(&path)
            .map_err(|error| usage(&format!("this file cannot be read: {error}")))?;
        let manifest: StudentManifest =
            toml::from_str(&text).map_err(|error| usage(error.to_string().trim_end()))?;
        Self::of(root, manifest).map_err(|why| usage(&why).into())
    }

    /// Returns the folder that a `kmodlab.toml` describes; else what is wrong with it.
    fn of(root: &Path, manifest: StudentManifest) -> Result<Self, String> {
        let language = manifest.language()?;
        let learn = manifest.learn.unwrap_or_default();
        if learn
            .folder
            .as_deref()
            .is_some_and(|folder| !whole_file::is_below(folder))
        {
            return Err("`folder` in [learn] is a folder below this one".to_owned());
        }
        Ok(Self {
            root: root.to_owned(),
            language,
            kernel: KernelChoice {
                name: manifest.kernel.r#use,
                source: manifest.kernel.path.map(|path| root.join(path)),
                ..KernelChoice::default()
            },
            of_course: learn.folder.map(|folder| root.join(folder)),
            exercises: learn.exercises,
            student: learn.student,
            values: manifest.values,
        })
    }

    /// Returns the exercises of the folder: those of its course, else kmodlab's, which are in
    /// `workspace`.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if `kmodlab.toml` names one, or a folder, that does not exist; and if
    /// a file cannot be read.
    pub fn catalogue(&self, workspace: &Workspace) -> Result<Catalogue> {
        self.select(match &self.of_course {
            Some(folder) => Catalogue::of_folder(folder)?,
            None => Catalogue::of_clone(workspace)?,
        })
    }

    /// Reports whether its exercises are those of a course, in this folder.
    pub fn is_of_course(&self, folder: &Path) -> bool {
        self.of_course.as_deref() == Some(folder)
    }

    /// Returns the student whom a course handed the folder out to.
    pub fn student(&self) -> Option<&str> {
        self.student.as_deref()
    }

    /// Checks that a course handed the folder out to this student, for answers in this language.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that describes what to do.
    pub fn check_student(&self, student: &str, language: Language) -> Result<()> {
        let path = self.root.join(MANIFEST);
        let path = path.display();
        match &self.student {
            Some(own) if own == student => {}
            Some(own) => {
                let message = format!(
                    "{path}: the folder was handed out to {own}; give a folder of its own to {student}"
                );
                return Err(Failure::usage(message).into());
            }
            None => {
                let message = format!(
                    "{path} does not name the student of this folder; give another folder, or add \
                     `student = {student:?}` to [learn] there if it is that of {student}"
                );
                return Err(Failure::usage(message).into());
            }
        }
        ensure!(
            self.language == language,
            Failure::usage(format!(
                "{path}: the folder is for answers in {}; write `--lang {}`, or give another folder \
                 for answers in {}",
                self.language.title(),
                self.language.name(),
                language.title()
            ))
        );
        Ok(())
    }

    /// Checks that the folder has the solutions of its exercises, which a course keeps.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if it does not.
    pub fn check_solutions(&self) -> Result<()> {
        match self.of_course {
            None => Ok(()),
            Some(_) => {
                Err(Failure::usage("the course keeps the solutions of its exercises").into())
            }
        }
    }

    /// Returns the exercises of the folder, from all that there are.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if `kmodlab.toml` names one that does not exist.
    pub fn select(&self, mut catalogue: Catalogue) -> Result<Catalogue> {
        self.check_manifest(&catalogue)?;
        catalogue.exercises.retain(|exercise| self.has(exercise));
        Ok(catalogue)
    }

    /// Reports whether an exercise is in the folder.
    fn has(&self, exercise: &Exercise) -> bool {
        let ids = self.exercises.as_ref();
        ids.is_none_or(|ids| ids.contains(&exercise.id))
    }

    /// Checks that `kmodlab.toml` names exercises that exist, and values that they vary.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names those that an exercise has.
    fn check_manifest(&self, catalogue: &Catalogue) -> Result<()> {
        let path = self.root.join(MANIFEST);
        let problem =
            |key: &str, why: String| Failure::usage(format!("{}: {key}: {why}", path.display()));
        if self.exercises.as_ref().is_some_and(Vec::is_empty) {
            let why = "name an exercise, or leave out the key for all of them".to_owned();
            return Err(problem("exercises", why).into());
        }
        let find = |id: &String| catalogue.exercises.iter().find(|one| one.id == *id);
        let mut ids = self.exercises.iter().flatten();
        if let Some(unknown) = ids.find(|id| find(id).is_none()) {
            let why = format!("`{unknown}` is not the id of an exercise");
            return Err(problem("exercises", why).into());
        }
        for (id, own) in &self.values {
            let problem = |why: String| problem(&format!("[values.\"{id}\"]"), why);
            let exercise = find(id);
            let exercise = exercise.ok_or_else(|| problem("no exercise has this id".to_owned()))?;
            for (name, value) in &own.0 {
                let vary = exercise.task.variants.0.get(name);
                let vary =
                    vary.ok_or_else(|| problem(format!("the exercise does not vary `{name}`")))?;
                if !vary.values.contains(value) {
                    let values = vary.values.join("`, `");
                    let why = format!("`{name}` is one of `{values}`, and not `{value}`");
                    return Err(problem(why).into());
                }
            }
        }
        Ok(())
    }

    /// Returns the values of an exercise that vary: those of `kmodlab.toml`, else the default ones.
    pub fn variant_of(&self, exercise: &Exercise) -> Variant {
        let mut variant = exercise.task.variants.defaults();
        let own = self.values.get(&exercise.id).into_iter();
        variant.0.extend(own.flat_map(|own| own.0.clone()));
        variant
    }

    /// Finds the student's folder that `folder` is in.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is none, or if its `kmodlab.toml` is wrong.
    pub fn around(folder: &Path) -> Result<Self> {
        let found = Self::find(folder)?;
        found.ok_or_else(|| {
            let message = format!(
                "{} is not in a folder for answers; change into yours, or make one with `{} exercise init FOLDER`",
                folder.display(),
                crate::program::name()
            );
            Failure::usage(message).into()
        })
    }

    /// Finds the student's folder that `folder` is in, if it is in one.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if its `kmodlab.toml` is wrong.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let mut folders = folder.ancestors();
        // The kmodlab.toml of a module has no such table.
        let is_one = |folder: &&Path| {
            let text = whole_file::read_text(&folder.join(MANIFEST));
            text.is_ok_and(|text| text.lines().any(|line| line.trim().starts_with("[learn]")))
        };
        folders.find(is_one).map(Self::open).transpose()
    }

    /// Returns the language of the answer to an exercise: that of the folder, unless the exercise is
    /// in the other one only.
    pub fn language_of(&self, exercise: &Exercise) -> Language {
        match exercise.solution(self.language) {
            Some(_) => self.language,
            None => exercise
                .solutions
                .first()
                .map_or(self.language, |(language, _)| *language),
        }
    }

    /// Returns the folder of an exercise.
    pub fn folder_of(&self, exercise: &Exercise) -> PathBuf {
        self.root.join(exercise.lesson()).join(exercise.slug())
    }

    /// Returns the file with the answer to an exercise.
    pub fn answer_of(&self, exercise: &Exercise) -> PathBuf {
        let language = self.language_of(exercise);
        self.folder_of(exercise)
            .join(exercise.answer_file(language))
    }

    /// Returns the exercise that a person means: the one with this name; without a name, the one in
    /// whose folder `current` is, or the first that has not passed.
    ///
    /// # Errors
    ///
    /// Fails if there is none with this name, or if all have passed.
    pub fn choose<'a>(
        &self,
        catalogue: &'a Catalogue,
        name: Option<&str>,
        current: &Path,
    ) -> Result<&'a Exercise> {
        if let Some(name) = name {
            return catalogue.find(name.trim_end_matches('/'));
        }
        let root = self
            .root
            .canonicalize()
            .unwrap_or_else(|_| self.root.clone());
        let current = current
            .canonicalize()
            .unwrap_or_else(|_| current.to_owned());
        let here = catalogue.exercises.iter().find(|exercise| {
            current.starts_with(root.join(exercise.lesson()).join(exercise.slug()))
        });
        if let Some(here) = here {
            return Ok(here);
        }
        let progress = self.progress()?;
        let next = progress.next(catalogue);
        next.ok_or_else(|| Failure::usage("all exercises have passed; name one").into())
    }
}

#[cfg(test)]
mod tests;
