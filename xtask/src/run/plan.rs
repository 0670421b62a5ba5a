//! The test cases of a suite: lessons, languages, and a part of these.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::lesson::Lesson;
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

/// Returns each lesson in each of the languages, in this order; with a `partition`, only the
/// test cases of that.
pub fn plan<'a>(
    lessons: &'a [Lesson],
    languages: &[Language],
    partition: Option<Partition>,
) -> Vec<TestCase<'a>> {
    lessons
        .iter()
        .flat_map(|lesson| {
            languages
                .iter()
                .map(move |&language| TestCase { lesson, language })
        })
        .enumerate()
        .filter(|(index, _)| partition.is_none_or(|partition| partition.has(*index)))
        .map(|(_, case)| case)
        .collect()
}

/// One of several parts of a suite, written `2/3`: from the second on, every third test case.
/// All parts together have every test case once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The number of this part, from 1.
    pub part: NonZeroUsize,
    /// The number of parts.
    pub of: NonZeroUsize,
}

impl Partition {
    /// Reports whether the test case with this index, from 0, is in this part.
    fn has(self, index: usize) -> bool {
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
    use crate::lesson::transcript::{LIMIT, Transcript};

    #[test]
    fn parts_are_apart_and_all_together_whole() {
        let lessons: Vec<Lesson> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| Lesson {
                name: name.to_owned(),
                folder: PathBuf::new(),
                readme: PathBuf::new(),
                title: name.to_owned(),
                transcript: Transcript {
                    steps: Vec::new(),
                    limit: LIMIT,
                },
                no_rust: None,
                two_cpus: None,
            })
            .into();
        let languages = [Language::Rust, Language::C];
        let names = |partition| -> Vec<String> {
            let cases = plan(&lessons, &languages, partition);
            cases.iter().map(TestCase::name).collect()
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
