//! `kmodlab.toml` of a student's folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::exercise::Variant;
use crate::modules::Language;

/// The parts of `kmodlab.toml` that a student's folder has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StudentManifest {
    pub(super) learn: Option<LearnTable>,
    #[serde(skip_serializing_if = "StudentKernel::is_default")]
    pub(super) kernel: StudentKernel,
    /// By the id of an exercise, values in place of its default ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) values: BTreeMap<String, Variant>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LearnTable {
    language: String,
    /// The ids of the exercises, if the folder does not have all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exercises: Option<Vec<String>>,
    /// The folder with the exercises of a course, relative to the student's, in place of kmodlab's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folder: Option<PathBuf>,
    /// The student whom a course handed the folder out to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) student: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StudentKernel {
    /// Its name in `kernels.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#use: Option<String>,
    /// A source tree, relative to the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<PathBuf>,
}

impl StudentKernel {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl StudentManifest {
    /// Returns the manifest of a folder with all exercises, or with those that have these ids.
    pub fn new(language: Language, exercises: Option<Vec<String>>) -> Self {
        Self {
            learn: Some(LearnTable {
                language: language.to_string(),
                exercises,
                ..LearnTable::default()
            }),
            ..Self::default()
        }
    }

    /// Returns the manifest of a folder that has the exercises of a course with it, in `folder`.
    pub fn of_course(language: Language, folder: &str) -> Self {
        Self {
            learn: Some(LearnTable {
                language: language.to_string(),
                folder: Some(folder.into()),
                ..LearnTable::default()
            }),
            ..Self::default()
        }
    }

    /// Names the student whom a course hands the folder out to.
    pub fn student(mut self, student: &str) -> Self {
        let learn = self.learn.get_or_insert_default();
        learn.student = Some(student.to_owned());
        self
    }

    /// Asks for a kernel, given by its name in `kernels.toml`.
    pub fn kernel(mut self, name: Option<String>) -> Self {
        self.kernel.r#use = name;
        self
    }

    /// Sets values in place of default ones, by the id of the exercise.
    pub fn values(mut self, values: BTreeMap<String, Variant>) -> Self {
        self.values = values;
        self
    }

    /// Returns the language of the answers; else what is wrong with the file.
    pub(super) fn language(&self) -> Result<Language, String> {
        let learn = self.learn.as_ref();
        let learn = learn.ok_or("the table [learn] of a student's folder is missing")?;
        let mut languages = [Language::Rust, Language::C].into_iter();
        let language = languages.find(|language| language.name() == learn.language);
        language.ok_or_else(|| "`language` is \"rust\" or \"c\"".to_owned())
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    ///
    /// Fails if a path is not UTF-8.
    pub fn text(&self) -> Result<String> {
        let tables = toml::to_string(self).context("cannot write TOML")?;
        Ok(format!(
            "# A folder of kmodlab's exercises: `{} check EXERCISE` checks an answer.\n\n{tables}",
            crate::program::name()
        ))
    }
}
