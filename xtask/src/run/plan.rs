//! The test cases of a suite: lessons, languages, and a part of these.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;

use crate::lesson::verdict::Verdict;
use crate::lesson::{BadText, BadTextOwner, Lesson, LessonText, Origin};
use crate::modules::Language;

/// A lesson in one language.
#[derive(Debug, Clone, Copy)]
pub struct TestCase<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// The language of its module.
    pub language: Language,
}

impl TestCase<'_> {
    /// Returns its name: `kthread_run (c)`.
    pub fn name(&self) -> String {
        format!("{} ({})", self.lesson.name, self.language)
    }

    /// Returns the reason for which it cannot be run, if there is one.
    pub fn lacks(&self) -> Option<String> {
        (!self.lesson.is_in(self.language)).then(|| self.lesson.lacks(self.language))
    }
}

/// A test case of a suite, which may turn out to need no guest.
#[derive(Debug, Clone, Copy)]
pub enum PlannedCase<'a> {
    /// A lesson whose text was read.
    Read(TestCase<'a>),
    /// A text that cannot be tested.
    BadText {
        /// The text.
        text: &'a BadText,
        /// The language of the module.
        language: Language,
    },
}

impl<'a> PlannedCase<'a> {
    /// Returns its name: `kthread_run (c)`.
    pub fn name(&self) -> String {
        format!("{} ({})", self.lesson_name(), self.language())
    }

    /// Returns the lesson, if its text was read.
    pub fn lesson(&self) -> Option<&'a Lesson> {
        match self {
            Self::Read(case) => Some(case.lesson),
            Self::BadText { .. } => None,
        }
    }

    /// Returns the test case for a guest, unless its text cannot be tested or it lacks a module.
    pub fn runnable(&self) -> Option<&TestCase<'a>> {
        match self {
            Self::Read(case) => Some(case).filter(|case| case.lacks().is_none()),
            Self::BadText { .. } => None,
        }
    }

    /// Returns the lesson's name.
    pub fn lesson_name(&self) -> &'a str {
        match self {
            Self::Read(case) => &case.lesson.name,
            Self::BadText { text, .. } => &text.name,
        }
    }

    /// Returns the lesson's origin.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Read(case) => case.lesson.origin(),
            Self::BadText { text, .. } => Origin::of_clone(&text.name),
        }
    }

    /// Returns the lesson's title, or its name if its text cannot be tested.
    pub fn title(&self) -> &'a str {
        match self {
            Self::Read(case) => &case.lesson.title,
            Self::BadText { text, .. } => &text.name,
        }
    }

    /// Returns the path of the lesson's text, as shown to the user.
    pub fn readme(&self) -> &'a Path {
        match self {
            Self::Read(case) => &case.lesson.readme,
            Self::BadText { text, .. } => &text.error.readme,
        }
    }

    /// Returns the language of its module.
    pub fn language(&self) -> Language {
        match self {
            Self::Read(case) => case.language,
            Self::BadText { language, .. } => *language,
        }
    }

    /// Returns the reason for which it is skipped, if there is one.
    pub fn lacks(&self) -> Option<String> {
        match self {
            Self::Read(case) => case.lacks(),
            Self::BadText { text, language } => {
                let title = language.title();
                (!text.is_in(*language)).then(|| format!("no source in {title}"))
            }
        }
    }

    /// Returns the text that cannot be tested, unless the test case is skipped.
    pub fn bad_text(&self) -> Option<&'a BadText> {
        match self {
            Self::BadText { text, language } if text.is_in(*language) => Some(text),
            _ => None,
        }
    }

    /// Returns the verdict that follows from the files of the clone alone, if there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.lacks(), self.bad_text()) {
            (Some(why), _) => Some(Verdict::Skipped { why }),
            (None, Some(text)) if text.owner == BadTextOwner::Folder => {
                Some(Verdict::DoesNotCompile {
                    what: text.error.problem.clone(),
                })
            }
            (None, Some(text)) => Some(Verdict::BadText {
                line: text.error.line,
                what: text.error.problem.clone(),
            }),
            (None, None) => None,
        }
    }
}

/// Returns each lesson in each of the languages, in this order; with a `partition`, only the
/// test cases of that.
pub fn plan<'a>(
    lessons: &'a [LessonText],
    languages: &[Language],
    partition: Option<Partition>,
) -> Vec<PlannedCase<'a>> {
    lessons
        .iter()
        .flat_map(|lesson| {
            languages.iter().filter_map(move |&language| match lesson {
                // Nobody expects a project to be in both languages.
                Ok(lesson) if lesson.project.is_some() && !lesson.is_in(language) => None,
                Ok(lesson) => Some(PlannedCase::Read(TestCase { lesson, language })),
                Err(text) => {
                    let is_listed = match text.owner {
                        BadTextOwner::Lesson => true,
                        BadTextOwner::Project => text.is_in(language),
                        // One line is enough.
                        BadTextOwner::Folder => text.listed_in(languages) == Some(language),
                    };
                    is_listed.then_some(PlannedCase::BadText { text, language })
                }
            })
        })
        .enumerate()
        .filter(|(index, _)| partition.is_none_or(|partition| partition.has(*index)))
        .map(|(_, case)| case)
        .collect()
}

/// One of several parts of a list of test cases or submissions, written `2/3`: from the second on,
/// every third. All parts together have each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The number of this part, from 1.
    pub part: NonZeroUsize,
    /// The number of parts.
    pub of: NonZeroUsize,
}

impl Partition {
    /// Reports whether the item with this index, from 0, is in this part.
    pub fn has(self, index: usize) -> bool {
        index % self.of == self.part.get() - 1
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            Some(Self { part, of })
        });
        match numbers {
            Some(partition) if partition.part <= partition.of => Ok(partition),
            _ => Err("write K/N, with K from 1 to N: 2/3 is the second of three parts".to_owned()),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::lesson::transcript::Transcript;

    #[test]
    fn parts_are_apart_and_all_together_whole() {
        let lessons: Vec<LessonText> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| {
                Ok(Lesson {
                    name: name.to_owned(),
                    folder: PathBuf::new(),
                    text: PathBuf::new(),
                    readme: PathBuf::new(),
                    title: name.to_owned(),
                    transcript: Transcript {
                        steps: Vec::new(),
                        stated_limit: None,
                    },
                    no_rust: None,
                    two_cpus: None,
                    project: None,
                    loads_modules: false,
                })
            })
            .into();
        let languages = [Language::Rust, Language::C];
        let names = |partition| -> Vec<String> {
            let cases = plan(&lessons, &languages, partition);
            cases.iter().map(PlannedCase::name).collect()
        };
        let whole = names(None);
        assert_eq!(whole.len(), 14);
        assert_eq!(whole[1], "a (c)");
        for of in 1..=16 {
            let mut all = Vec::new();
            for part in 1..=of {
                let Ok(partition) = format!("{part}/{of}").parse() else {
                    panic!("{part}/{of}");
                };
                let names = names(Some(partition));
                assert!(names.len() <= 14_usize.div_ceil(of), "{part}/{of}");
                all.extend(names);
            }
            all.sort_by_key(|name| whole.iter().position(|other| other == name));
            assert_eq!(all, whole, "{of}");
        }
    }

    #[test]
    fn only_k_of_n_is_a_part() {
        for text in [
            "",
            "1",
            "0/3",
            "4/3",
            "1/0",
            "-1/3",
            "1/3/5",
            "a/b",
            "count:1/3",
            " 1/3",
        ] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
