//! Everything that the screen shows. [`draw`](super::screen::draw) is a function of this value alone.

use super::message::CheckMessage;
use super::printer::{self, PrintingLine};
use crate::exercise::result::{
    CheckResult, CompileResult, HintEntry, HintSource, PartResult, PartState,
};
use crate::exercise::student::answer_key;
use crate::modules::Language;

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct LearnState {
    /// The exercise on the screen.
    pub task: TaskInfo,
    /// The exercises of the course, in its order.
    pub course: Vec<CourseRow>,
    /// The number of tries of this exercise that are recorded.
    pub recorded_tries: u32,
    /// The key of the answer of the last of them.
    pub last_try: String,
    /// The state of the check.
    pub phase: Phase,
    /// The result of compiling in this check, and the seconds that it took.
    pub compiled: Option<(CompileResult, f64)>,
    /// The parts of the exercise.
    pub parts: Vec<PartRow>,
    /// The result of this check, once it ended.
    pub result: Option<CheckResult>,
    /// For each part, the report on its failure.
    pub details: Vec<Vec<String>>,
    /// The source that was checked.
    pub source: String,
    /// The number of hints that are shown.
    pub hints_shown: usize,
    /// The page on the screen.
    pub page: LearnPage,
    /// The first line that is shown of a page with more lines than the screen has.
    pub scroll: usize,
    /// A short message about the last key.
    pub note: Option<String>,
    /// The signs and colours that may be used.
    pub look: Look,
}

/// The exercise on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskInfo {
    /// The id: `io_wait_event/2-every-fifth`.
    pub id: String,
    /// The title.
    pub title: String,
    /// The name of the module.
    pub module: String,
    /// The language of the answer.
    pub language: Option<Language>,
    /// The path of the text, as a person finds it.
    pub text_path: String,
    /// The path of the answer, as a person finds it.
    pub answer_path: String,
    /// The time that it takes, in minutes.
    pub minutes: Option<u32>,
    /// The text.
    pub text: String,
    /// The source that a student begins with.
    pub start: String,
    /// The line of each part's heading in the text.
    pub lines: Vec<usize>,
}

/// An exercise of the course.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseRow {
    /// The id.
    pub id: String,
    /// The title.
    pub title: String,
    /// Whether it has passed.
    pub passed: bool,
    /// The best points.
    pub points: u32,
    /// The points that there are.
    pub maximum: u32,
}

/// The state of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The check runs.
    Checking {
        /// The work at this moment, in a few words.
        work: String,
        /// The time since its start, in seconds.
        seconds: f64,
    },
    /// The check ended with a result.
    Checked,
    /// The check failed without a result.
    Failed {
        /// The reason.
        reason: String,
    },
}

/// A part of the exercise.
#[derive(Debug, Clone, Default)]
pub struct PartRow {
    /// The title.
    pub title: String,
    /// The points that it could have.
    pub maximum: u32,
    /// The number of schedules, if it runs under some.
    pub schedules: Option<u32>,
    /// Whether a guest of it runs.
    pub runs: bool,
    /// The result, once there is one.
    pub result: Option<PartResult>,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearnPage {
    /// The parts and the first failure.
    Parts,
    /// The whole report on the failures.
    Report,
    /// The text of the exercise.
    Text,
    /// The exercises of the course, with the index of the selected one.
    Course {
        /// The index.
        selected: usize,
    },
    /// A timeline, or the solution.
    Lines {
        /// The lines.
        lines: Vec<String>,
    },
}

/// The signs and colours that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours may be used.
    pub colours: bool,
    /// Whether the terminal shows more letters than ASCII's.
    pub unicode: bool,
}

impl Look {
    /// Returns the look that the environment asks for: no colours with `NO_COLOR`, no signs beyond
    /// ASCII in a locale without UTF-8.
    pub fn from_env() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find(|name| is_set(name))
            .and_then(|name| std::env::var(name).ok())
            .unwrap_or_default()
            .to_lowercase();
        Self {
            colours: !is_set("NO_COLOR"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

impl LearnState {
    /// Begins a check of this source: all results of an earlier one disappear.
    pub fn begin(&mut self, source: String) {
        self.phase = Phase::Checking {
            work: "starting".to_owned(),
            seconds: 0.0,
        };
        self.compiled = None;
        self.result = None;
        self.details.clear();
        self.source = source;
        self.hints_shown = 0;
        self.note = None;
        if matches!(self.page, LearnPage::Report | LearnPage::Lines { .. }) {
            self.open(LearnPage::Parts);
        }
        for part in &mut self.parts {
            part.runs = false;
            part.result = None;
        }
    }

    /// Shows a page from its beginning.
    pub fn open(&mut self, page: LearnPage) {
        self.page = page;
        self.scroll = 0;
    }

    /// Takes a message of the running check. `seconds` is the time since the check's start.
    pub fn receive(&mut self, message: CheckMessage, seconds: f64) {
        match message {
            CheckMessage::Compiled { result } => {
                self.work("starting guests");
                self.compiled = Some((result, seconds));
            }
            CheckMessage::Began { part } => {
                if let Some(row) = self.parts.get_mut(part) {
                    row.runs = true;
                    let title = row.title.clone();
                    self.work(&title);
                }
            }
            CheckMessage::Judged { part, result } => {
                if let Some(row) = self.parts.get_mut(part) {
                    row.runs = false;
                    row.result = Some(*result);
                }
            }
            CheckMessage::Finished { result, details } => {
                for (row, part) in self.parts.iter_mut().zip(&result.parts) {
                    row.runs = false;
                    row.result = Some(part.clone());
                }
                let compiled = self.compiled.as_ref();
                let seconds = compiled.map_or(seconds, |(_, seconds)| *seconds);
                self.compiled = Some((result.compile.clone(), seconds));
                self.result = Some(*result);
                self.details = details;
                self.phase = Phase::Checked;
            }
            CheckMessage::Failed { reason } => self.phase = Phase::Failed { reason },
        }
    }

    /// Shows the work at this moment.
    pub fn work(&mut self, now: &str) {
        if let Phase::Checking { work, .. } = &mut self.phase {
            now.clone_into(work);
        }
    }

    /// Shows the time since the check's start.
    pub fn tick(&mut self, now: f64) {
        if let Phase::Checking { seconds, .. } = &mut self.phase {
            *seconds = now;
        }
    }

    /// Reports whether a check runs.
    pub fn is_checking(&self) -> bool {
        matches!(self.phase, Phase::Checking { .. })
    }

    /// Reports whether all parts passed in this check.
    pub fn passed(&self) -> bool {
        self.result.as_ref().is_some_and(CheckResult::passed)
    }

    /// Reports whether the source that was checked is the one that a student begins with.
    pub fn is_untouched(&self) -> bool {
        self.source == self.task.start
    }

    /// Returns the number of tries of this exercise, that of the running check included if its answer
    /// has changed since the last.
    pub fn tries(&self) -> u32 {
        let is_new = !self.is_untouched() && answer_key(&self.source) != self.last_try;
        self.recorded_tries + u32::from(self.is_checking() && is_new)
    }

    /// Returns the number of exercises that have passed.
    pub fn exercises_passed(&self) -> usize {
        self.course.iter().filter(|row| row.passed).count()
    }

    /// Returns the number of the exercise in the course, from 1.
    pub fn number(&self) -> usize {
        let place = self.course.iter().position(|row| row.id == self.task.id);
        place.map_or(0, |place| place + 1)
    }

    /// Returns the next exercise of the course: the first behind this one that has not passed, else
    /// the first of all that has not.
    pub fn next(&self) -> Option<&CourseRow> {
        let (before, after) = self.course.split_at(self.number().min(self.course.len()));
        let others = before.iter().filter(|row| row.id != self.task.id);
        after.iter().chain(others).find(|row| !row.passed)
    }

    /// Returns the hints that are shown.
    pub fn hints(&self) -> &[HintEntry] {
        let all = self.result.as_ref().map_or(&[][..], |result| &result.hints);
        &all[..self.hints_shown.min(all.len())]
    }

    /// Returns the number of hints that there are.
    pub fn hint_count(&self) -> usize {
        self.result.as_ref().map_or(0, |result| result.hints.len())
    }

    /// Returns the number of hints that are shown unasked after a check: one if it is about the
    /// failure.
    pub fn first_hints(&self) -> usize {
        let first = self.result.as_ref().and_then(|result| result.hints.first());
        usize::from(first.is_some_and(|hint| hint.source != HintSource::Written))
    }

    /// Returns the index of the first part that failed.
    pub fn failed_part(&self) -> Option<usize> {
        let results = self.parts.iter().map(|row| row.result.as_ref());
        let mut states = results.map(|result| result.map(|part| part.state));
        states.position(|state| state == Some(PartState::Failed))
    }

    /// Returns the line of the answer that printed a line of the guest.
    pub fn printed_by(&self, line: &str) -> Option<PrintingLine> {
        let language = self.task.language?;
        printer::find(&self.source, language, &self.task.module, line)
    }

    /// Returns the name of the answer's file.
    pub fn answer_file(&self) -> &str {
        let path = &self.task.answer_path;
        path.rsplit('/').next().unwrap_or(path)
    }
}
