//! The lessons that `test` runs, and the notes on those that it does not.

use anyhow::Result;

use super::super::common::refuse_lacking;
use super::super::projects::refuse_lessons_in_another_folder;
use super::TestOptions;
use crate::failure::Failure;
use crate::lesson::{self, Lesson, LessonText};
use crate::project::{GuestChoice, KernelChoice, MANIFEST};
use crate::session::Session;
use crate::workspace::Workspace;

impl TestOptions {
    /// Selects the lessons, and opens the projects. Returns the lessons of both, and the kernel and
    /// the guest that the projects ask for.
    pub(super) fn lessons(&self) -> Result<(Vec<LessonText>, KernelChoice, GuestChoice)> {
        if self.lessons.is_empty() && !self.races && !self.list {
            refuse_lessons_in_another_folder()?;
        }
        let selection = match self.races {
            true => self.project.select_each(&self.lessons)?,
            false => self.project.select_each(&self.arguments())?,
        };
        let mut lessons = match self.races {
            true if selection.has_folders() => {
                return Err(Failure::usage("--races: a folder is not a race").into());
            }
            true => lesson::select_races(&Workspace::find()?, &selection.names)?,
            false if selection.names.is_empty() && selection.has_folders() => Vec::new(),
            false => lesson::select(&Workspace::find()?, &selection.names)?,
        };
        if let [language] = self.lang.languages() {
            let named = |lesson: &&Lesson| selection.names.contains(&lesson.name);
            refuse_lacking(lessons.iter().flatten().filter(named), *language)?;
        }
        if self.run.is_some() && !selection.has_folders() {
            let what = "--run: give the folder of a module too, such as `test . --run ...`";
            return Err(Failure::usage(what).into());
        }
        let mut of_projects = Vec::new();
        for project in &selection.projects {
            of_projects.extend(lesson::of_project(project, self.run.as_deref())?);
        }
        if let [language] = self.lang.languages() {
            let is_in = |text: &LessonText| match text {
                Ok(lesson) => lesson.is_in(*language),
                Err(bad) => bad.is_in(*language),
            };
            // Those without the language are skipped, unless all are.
            if !of_projects.iter().any(is_in) {
                refuse_lacking(of_projects.iter().flatten(), *language)?;
                if let Some(project) = selection.projects.first() {
                    let lacks = project.lacks(*language);
                    return Err(Failure::usage(format!("{} has {lacks}", project.name)).into());
                }
            }
        }
        lessons.extend(of_projects);
        lessons.extend(selection.bad_folders.into_iter().map(Err));
        Ok((lessons, selection.kernel, selection.guest))
    }
}

/// Notes that a project's README is not run, though it looks like a text.
pub(super) fn note_unread<'a>(session: &Session, lessons: impl Iterator<Item = &'a Lesson>) {
    let projects = lessons.filter_map(|lesson| lesson.project.as_deref());
    for readme in projects.filter_map(lesson::unread_readme) {
        session.ui.note(format!(
            "{} is not run, because its folder is not laid out as a lesson; to run it, add to {MANIFEST} there:\n\
             [test]\ntexts = [\"README.md\"]",
            readme.display()
        ));
    }
}
