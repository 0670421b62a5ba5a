//! Exercises: lessons with holes, which a student fills in.
//!
//! ```text
//! task.md    -> TaskText -> parts, each a lesson that runs in a guest of its own
//! solution   -> Solution -> skeleton -> (student) -> answer
//! answer     -> (kbuild) -> module -> (guests) -> CheckResult -> hints
//! ```
//!
//! An exercise is proved by its own files (`prove`): its solution passes, the file that a student
//! begins with fails, and each wrong answer ends in the verdict and the hint that it names.

pub mod answer;
pub mod catalogue;
pub mod check;
pub mod course;
pub mod hints;
mod judge;
pub mod mistake;
pub mod part;
mod part_guest;
pub mod prove;
mod regions;
pub mod result;
pub mod student;
mod task;
mod task_hints;
mod variant;
mod wrong;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::modules::{Language, check_name};
use catalogue::mistake;

pub use catalogue::Catalogue;
pub use part_guest::PartCommand;
pub use regions::Solution;
pub use task::{LineNumbers, StudentText, TaskText};
pub use task_hints::{HintCondition, TaskHints, VerdictHint};
pub use variant::{Variant, Variants};
pub use wrong::WrongAnswer;

/// Name of an exercise's text.
pub const TASK: &str = "task.md";

/// Folder of wrong answers, in the folder of an exercise or a lesson.
pub const WRONG: &str = "wrong";

/// An exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// The id: `io_wait_event/2-every-fifth`.
    pub id: String,
    /// The folder.
    pub folder: PathBuf,
    /// The folder for messages.
    pub shown: PathBuf,
    /// The name of the module, and of the solutions' files.
    pub module: String,
    /// The text.
    pub task: TaskText,
    /// The solution in each language that there is one in.
    pub solutions: Vec<(Language, Solution)>,
    /// The wrong answers.
    pub wrong: Vec<WrongAnswer>,
}

impl Exercise {
    /// Loads the exercise in `folder`, which messages call `shown`.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault, the file and the line if a file is malformed or missing, and
    /// with the host's if one cannot be read.
    pub fn load(id: &str, folder: &Path, shown: &Path) -> Result<Self> {
        let task = TaskText::parse(&read(&folder.join(TASK))?, &shown.join(TASK))?;
        let mut solutions = Vec::new();
        let mut modules: Vec<String> = Vec::new();
        for language in [Language::Rust, Language::C] {
            let files = sources(folder, language)?;
            let name = match &files[..] {
                [] => continue,
                [only] => only.clone(),
                [first, second, ..] => {
                    let problem = format!("{first} and {second}: an exercise has one solution");
                    return Err(mistake(shown, problem));
                }
            };
            check_name(&name).map_err(|why| mistake(shown, why))?;
            let source = language.source(&name);
            let path = shown.join(&source);
            let text = read(&folder.join(&source))?;
            let solution = Solution::parse(&text, &path, &task.variants)?;
            let highest = task.parts.iter().map(|part| part.settings.todo).max();
            if highest > Some(solution.todos()) {
                let problem =
                    format!("{TASK} has a part with a `todo` that this file does not have");
                return Err(mistake(&path, problem));
            }
            solutions.push((language, solution));
            modules.push(name);
        }
        modules.dedup();
        let [module] = &modules[..] else {
            let problem = match modules.len() {
                0 => "there is no solution, NAME.rs or c/NAME.c".to_owned(),
                _ => format!("the solutions have different names: {}", modules.join(", ")),
            };
            return Err(mistake(shown, problem));
        };
        let wrong = wrong_answers(&folder.join(WRONG), &shown.join(WRONG))?;
        for answer in &wrong {
            let unknown = answer
                .part
                .as_ref()
                .filter(|part| task.part(part).is_none());
            if let Some(part) = unknown {
                let problem = format!("{TASK} has no part `{part}`");
                return Err(mistake(&answer.path, problem));
            }
            let solution = solutions
                .iter()
                .find(|(language, _)| *language == answer.language);
            let Some((_, solution)) = solution else {
                let problem = format!("there is no solution in {}", answer.language.title());
                return Err(mistake(&answer.path, problem));
            };
            answer.apply(&solution.text)?;
        }
        Ok(Self {
            id: id.to_owned(),
            folder: folder.to_owned(),
            shown: shown.to_owned(),
            module: module.clone(),
            task,
            solutions,
            wrong,
        })
    }

    /// Returns the name of its lesson or race.
    pub fn lesson(&self) -> &str {
        self.id
            .split_once('/')
            .map_or(&*self.id, |(lesson, _)| lesson)
    }

    /// Returns the part of its id after the lesson.
    pub fn slug(&self) -> &str {
        self.id.split_once('/').map_or(&*self.id, |(_, slug)| slug)
    }

    /// Returns the solution in `language`.
    pub fn solution(&self, language: Language) -> Option<&Solution> {
        let solutions = self.solutions.iter();
        solutions
            .filter(|(own, _)| *own == language)
            .map(|(_, solution)| solution)
            .next()
    }

    /// Returns the files from which a student's kmodlab checks answers with the values of a variant: the
    /// text, and in place of each solution the file that a student begins with.
    ///
    /// # Errors
    ///
    /// Fails if a setting cannot be written.
    pub fn public_files(&self, variant: &Variant) -> Result<Vec<(PathBuf, String)>> {
        let mut files = vec![(PathBuf::from(TASK), self.task.public_text(variant)?)];
        for (language, solution) in &self.solutions {
            let start = solution.start(&self.task.variants, variant);
            files.push((language.source(&self.module), start));
        }
        Ok(files)
    }

    /// Returns the name of a student's file: `every_fifth.rs`.
    pub fn answer_file(&self, language: Language) -> String {
        format!("{}.{}", self.module, language.extension())
    }
}

/// Reads the wrong answers in a folder, sorted by name; none if there is no such folder.
///
/// # Errors
///
/// Fails with the lesson's fault if one is malformed.
pub fn wrong_answers(folder: &Path, shown: &Path) -> Result<Vec<WrongAnswer>> {
    let mut answers = Vec::new();
    for name in names_in(folder)? {
        if WrongAnswer::name(Path::new(&name)).is_some() {
            let text = read(&folder.join(&name))?;
            answers.push(WrongAnswer::parse(&text, &shown.join(&name))?);
        } else if name.ends_with(".patch") {
            let problem = "the name of a wrong answer is ITEM.rs.patch or ITEM.c.patch";
            return Err(mistake(&shown.join(&name), problem));
        }
    }
    Ok(answers)
}

/// Returns the names of the modules with a source in `language`.
fn sources(folder: &Path, language: Language) -> Result<Vec<String>> {
    let source = folder.join(language.source("x"));
    let below = source.parent().unwrap_or(folder);
    let stem = |name: &String| {
        let stem = name.strip_suffix(language.extension())?.strip_suffix('.')?;
        Some(stem.to_owned())
    };
    Ok(names_in(below)?.iter().filter_map(stem).collect())
}

/// Returns the names of the files in a folder, sorted; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let list = || format!("cannot list {}", folder.display());
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let entry = entry.with_context(list)?;
            if entry.path().is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
