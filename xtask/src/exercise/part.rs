//! The parts of an exercise: its headings with points, and their settings.

use serde::Deserialize;

use crate::kernel::Profile;
use crate::lesson::verdict::Verdict;
use crate::modules::Language;

/// A part of an exercise: it runs in a guest of its own, and has points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPart {
    /// The heading without the points.
    pub title: String,
    /// The points.
    pub points: u32,
    /// The heading's line in `task.md`, counted from 1.
    pub line: usize,
    /// The settings.
    pub settings: PartSettings,
}

/// The block `toml part`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartSettings {
    /// The highest number of a region that must be filled in to pass; 0 if the file that a student
    /// begins with passes.
    pub todo: u32,
    /// The number of schedules under which the part runs.
    pub schedules: Option<u32>,
    /// Whether these schedules may hold back stores.
    pub weak_memory: bool,
    /// The verdict with which each run has to end, in place of a pass.
    pub verdict: Option<String>,
    /// Functions of the kernel that the module must call.
    pub calls: LanguageList,
    /// Functions of the kernel that the module must not call.
    pub imports_not: LanguageList,
    /// The profile of the kernel, by its name.
    pub profile: Option<String>,
    /// Whether only a teacher's run judges it.
    pub hidden: bool,
}

/// Words for each language: `{ rust = [...], c = [...] }`, or one list for both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "LanguageListForm")]
pub struct LanguageList {
    rust: Vec<String>,
    c: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LanguageListForm {
    Both(Vec<String>),
    Each(EachLanguage),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EachLanguage {
    rust: Vec<String>,
    c: Vec<String>,
}

impl From<LanguageListForm> for LanguageList {
    fn from(form: LanguageListForm) -> Self {
        match form {
            LanguageListForm::Both(words) => Self {
                rust: words.clone(),
                c: words,
            },
            LanguageListForm::Each(EachLanguage { rust, c }) => Self { rust, c },
        }
    }
}

impl LanguageList {
    /// Returns the words for one language.
    pub fn of(&self, language: Language) -> &[String] {
        match language {
            Language::Rust => &self.rust,
            Language::C => &self.c,
        }
    }

    /// Reports whether there is no word for any language.
    pub fn is_empty(&self) -> bool {
        self.rust.is_empty() && self.c.is_empty()
    }
}

impl PartSettings {
    /// Checks the names in the settings.
    ///
    /// # Errors
    ///
    /// Fails with the problem.
    pub fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.verdict
            && !Verdict::NAMES_OF_RUNS.contains(&&**name)
        {
            let names = Verdict::NAMES_OF_RUNS.join(", ");
            return Err(format!(
                "`{name}` is not a verdict; the verdicts are: {names}"
            ));
        }
        if let Some(name) = &self.profile
            && Profile::named(name).is_none()
        {
            let names = Profile::ALL.map(Profile::name).join(", ");
            return Err(format!(
                "`{name}` is not a profile; the profiles are: {names}"
            ));
        }
        match self.schedules {
            Some(0) => Err("`schedules` is at least 1".to_owned()),
            None if self.weak_memory => Err(
                "`weak_memory` is a way to draw schedules; state their number too: `schedules = 50`"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// Returns the profile of the kernel.
    pub fn profile(&self) -> Profile {
        let named = self.profile.as_deref().and_then(Profile::named);
        named.unwrap_or_default()
    }

    /// Reports whether something is judged without a guest.
    pub fn judges_symbols(&self) -> bool {
        !self.calls.is_empty() || !self.imports_not.is_empty()
    }
}
