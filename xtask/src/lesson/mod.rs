//! Lessons: kmodlab runs the console blocks of a README in a guest and compares what
//! the guest prints with what the README shows.
//!
//! ```text
//! README.md -> Transcript -> (run in a guest) -> GuestRun
//!     -> GuestRecord + KernelLog -> Verdict
//! ```

pub mod assignment;
mod bad_text;
pub mod compare;
pub mod excerpts;
pub mod judge;
pub mod kernel_log;
pub mod leaks;
pub mod left_behind;
mod load;
pub mod narrative;
mod of_project;
pub mod origin;
pub mod record;
mod shorten;
mod stacks;
pub mod subject;
mod syntax;
pub mod timestamp;
pub mod trace_dump;
pub mod transcript;
mod trim;
pub mod update;
pub mod verdict;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use crate::modules::{Language, ModuleRequest};
use crate::project::Project;
use crate::symbols::ProjectSources;
use crate::text::shell_word;
use transcript::Transcript;

pub use bad_text::{BadText, BadTextOwner, TextError};
pub use load::{all, all_races, select, select_races};
pub use of_project::{of_part, of_project, unread_readme};

/// A lesson, or the reason why its text cannot be tested.
pub type LessonText = Result<Lesson, BadText>;

/// A folder of `modules/lessons/` or `modules/races/` with a README. Commands run
/// races only if their names are given.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// The folder's name, which is also the module's.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The path of the text.
    pub text: PathBuf,
    /// The same for messages: relative to the clone's top folder, or below the project's folder
    /// as the user wrote it.
    pub readme: PathBuf,
    /// The README's first heading.
    pub title: String,
    /// The commands and outputs in the README's console blocks.
    pub transcript: Transcript,
    /// The reason why the lesson has no module in Rust, from the README's comment
    /// `<!-- no rust: WHY -->`.
    pub no_rust: Option<String>,
    /// The reason why the lesson needs two CPUs, from the README's comment
    /// `<!-- two cpus: WHY -->`.
    pub two_cpus: Option<String>,
    /// The project that the lesson belongs to; none for the lessons of the clone.
    pub project: Option<Arc<Project>>,
    /// Whether the steps load and unload the modules of a project without a text. The lesson has
    /// no steps before [`Lesson::with_modules`].
    pub loads_modules: bool,
}

/// The origin of a lesson and of its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the lesson or project whose modules are loaded.
    pub owner: String,
    /// The word that selects it on a command line; empty for an answer to an exercise.
    pub argument: String,
    /// The sources, if they are a project's and not the clone's.
    pub sources: Option<ProjectSources>,
}

impl Origin {
    /// Returns the origin of the clone's lesson with this name.
    pub fn of_clone(name: &str) -> Self {
        Self {
            owner: name.to_owned(),
            argument: name.to_owned(),
            sources: None,
        }
    }
}

impl Lesson {
    /// Returns whether the lesson has a module in `language`: in Rust unless the
    /// README gives a reason against it, in C if the source file exists.
    pub fn is_in(&self, language: Language) -> bool {
        if let Some(project) = &self.project {
            return project.build(language).is_some() && self.lacks_comment(language).is_none();
        }
        match language {
            Language::Rust => self.no_rust.is_none(),
            Language::C => self.folder.join(language.source(&self.name)).is_file(),
        }
    }

    /// Returns the text's reason for which the lesson has no module in `language`.
    fn lacks_comment(&self, language: Language) -> Option<&str> {
        match language {
            Language::Rust => self.no_rust.as_deref(),
            Language::C => None,
        }
    }

    /// Returns whether its commands are in a text that a person can read.
    pub fn has_text(&self) -> bool {
        self.text != self.folder
    }

    /// Returns the name of the lesson or project whose modules the lesson loads.
    pub fn owner(&self) -> &str {
        self.project
            .as_ref()
            .map_or(&self.name, |project| &project.name)
    }

    /// Returns the request for its modules in `language`.
    pub fn modules(&self, language: Language) -> ModuleRequest<'_> {
        match &self.project {
            Some(project) => ModuleRequest::Project(project, language),
            None => ModuleRequest::Own(&self.name, language),
        }
    }

    /// Returns its origin.
    pub fn origin(&self) -> Origin {
        match &self.project {
            Some(project) => Origin {
                owner: project.name.clone(),
                argument: match project.is_answer {
                    true => String::new(),
                    // One of several texts.
                    false if self.has_text() && project.texts.len() > 1 => shell_word(&self.readme),
                    false => project.argument(),
                },
                sources: Some(ProjectSources {
                    folder: project.folder.clone(),
                    shown: project.shown.display().to_string(),
                }),
            },
            None => Origin::of_clone(&self.name),
        }
    }

    /// Returns the message for a lesson that has no module in `language`.
    pub fn lacks(&self, language: Language) -> String {
        if let Some(why) = self.lacks_comment(language) {
            return format!("no Rust module: {why}");
        }
        if let Some(project) = &self.project {
            return project.lacks(language);
        }
        format!(
            "no {} twin: {} does not exist",
            language.title(),
            self.readme
                .with_file_name("")
                .join(language.source(&self.name))
                .display()
        )
    }
}
