//! The rules of a course for the sources and the modules of submissions.
//!
//! Grading refuses what breaks them, `course check` proves that no solution does, and `check` and
//! `learn` warn a student whose folder comes from the course: all three ask the same functions.

use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::allowed_imports::not_allowed;
use super::words;
use crate::exercise::Exercise;
use crate::exercise::answer::Answer;
use crate::exercise::student::StudentFolder;
use crate::failure::Failure;
use crate::modules::Language;

/// File of a student's folder with the rules of its course.
pub const RULES: &str = ".kmodlab/rules.toml";

/// The rules of a course for submissions. The names of the tables are those of `course.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubmissionRules {
    /// Words that submissions may not have, in place of kmodlab's own list.
    pub(super) forbids: PerLanguage,
    /// Symbols of the kernel that modules may use besides kmodlab's own list.
    pub(super) allows: PerLanguage,
}

/// Words for each language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PerLanguage {
    #[serde(skip_serializing_if = "Option::is_none")]
    rust: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<Vec<String>>,
}

impl PerLanguage {
    fn of(&self, language: Language) -> Option<&[String]> {
        match language {
            Language::Rust => self.rust.as_deref(),
            Language::C => self.c.as_deref(),
        }
    }
}

impl SubmissionRules {
    /// Returns the rules of the course that a student's folder comes from; `None` if it comes from
    /// none.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names the file if it is malformed.
    pub fn of_folder(folder: &StudentFolder) -> Result<Option<Self>> {
        let path = folder.root.join(RULES);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            Failure::usage(format!("{}: {error}", path.display()).trim_end()).into()
        })
    }

    /// Returns the text of [`RULES`].
    ///
    /// # Errors
    ///
    /// Fails if the rules cannot be written as TOML.
    pub fn text(&self) -> Result<String> {
        let tables = toml::to_string(self).context("cannot write TOML")?;
        Ok(format!(
            "# The course's rules for submissions, of which `{} check` warns.\n\n{tables}",
            crate::program::name()
        ))
    }

    /// Returns the words that a submission in `language` may not have.
    pub fn forbidden(&self, language: Language) -> Vec<String> {
        match self.forbids.of(language) {
            Some(words) => words.to_vec(),
            None => {
                let words = words::forbidden_by_default(language).iter();
                words.map(|&word| word.to_owned()).collect()
            }
        }
    }

    /// Returns the symbols that a module may use besides kmodlab's list.
    pub fn allowed(&self, language: Language) -> &[String] {
        self.allows.of(language).unwrap_or_default()
    }

    /// Returns the first reason for which a source in `language` is refused as an answer to the
    /// exercise: a line, and a sentence.
    pub fn word_problem(
        &self,
        exercise: &Exercise,
        language: Language,
        text: &str,
    ) -> Option<(usize, String)> {
        let mut forbidden = self.forbidden(language);
        forbidden.extend_from_slice(exercise.task.forbids.of(language));
        words::problem(text, language, &forbidden)
    }

    /// Returns a sentence with the first symbol for which a module is refused.
    pub fn import_problem<'a>(
        &self,
        language: Language,
        imports: impl IntoIterator<Item = &'a String>,
    ) -> Option<String> {
        let imports = imports.into_iter().map(String::as_str);
        let refused = not_allowed(imports, language, self.allowed(language));
        let symbol = refused.first()?;
        Some(format!(
            "the module uses `{symbol}`, which is not allowed in a submission"
        ))
    }

    /// Returns the reason for which an answer whose module uses these symbols is refused, with the
    /// file.
    pub fn refusal(&self, answer: &Answer<'_>, imports: &[String]) -> Option<String> {
        let (file, language) = (answer.shown.display(), answer.language);
        if let Some((line, problem)) = self.word_problem(answer.exercise, language, answer.text()) {
            return Some(format!("{file}:{line}: {problem}"));
        }
        let problem = self.import_problem(language, imports)?;
        Some(format!("{file}: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> SubmissionRules {
        toml::from_str(text).expect("rules")
    }

    #[test]
    fn the_file_has_the_rules() -> Result<()> {
        for text in ["", "[forbids]\nrust = []\n[allows]\nc = [\"kill_pid\"]\n"] {
            let rules = rules(text);
            assert_eq!(toml::from_str::<SubmissionRules>(&rules.text()?)?, rules);
        }
        Ok(())
    }

    #[test]
    fn the_first_symbol_that_is_refused_is_named() {
        let imports = ["_printk", "filp_open", "panic"].map(str::to_owned);
        let problem = |text: &str, language| rules(text).import_problem(language, &imports);
        assert_eq!(
            problem("", Language::C).as_deref(),
            Some("the module uses `filp_open`, which is not allowed in a submission")
        );
        let more = "[allows]\nc = [\"filp_*\"]\n";
        assert!(problem(more, Language::C).is_some_and(|problem| problem.contains("`panic`")));
        assert_eq!(problem("", Language::Rust), None);
    }
}
