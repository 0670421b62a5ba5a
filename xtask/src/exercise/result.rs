//! The result of checking an answer, for people and as JSON.

use serde::{Deserialize, Serialize};

use crate::failure::Fault;
use crate::report::json::{KernelEntry, RunEntry};
use crate::run::Outcome;

/// Version of the results' form. A field that is added does not change it.
pub const RESULT_SCHEMA: u32 = 1;

/// The result of checking an answer to an exercise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckResult {
    /// Version of this form.
    pub schema: u32,
    /// Id of the exercise: `io_wait_event/2-every-fifth`.
    pub exercise: String,
    /// Title of the exercise.
    pub title: String,
    /// Language of the answer: `"rust"` or `"c"`.
    pub language: String,
    /// Path of the answer's file, as the user wrote it.
    pub answer: String,
    /// The kernel; null if none could be built.
    pub kernel: Option<KernelEntry>,
    /// The result of compiling.
    pub compile: CompileResult,
    /// The results of the parts, in the order of the exercise.
    pub parts: Vec<PartResult>,
    /// Sum of the points of the parts that passed.
    pub points: u32,
    /// Sum of the points of all parts.
    pub maximum: u32,
    /// Symbols of the kernel and of other modules that the answer's module uses, sorted; empty if it
    /// does not compile.
    #[serde(skip)]
    pub imports: Vec<String>,
    /// The reason for which the student's course gives no points for the answer, with the file, if it
    /// refuses the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Hints for the first failure, the best first; empty if nothing failed.
    pub hints: Vec<HintEntry>,
}

/// The result of compiling an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompileResult {
    /// `pass`, `does-not-compile`, or `infrastructure` if the host failed.
    pub verdict: String,
    /// The compilers' output; empty if it compiles.
    pub message: String,
    /// The warnings of an answer that compiles.
    pub warnings: String,
    /// File of the first error, as the user finds it.
    pub file: Option<String>,
    /// Line of the first error.
    pub line: Option<u32>,
    /// Code of the first error, such as `E0382`.
    pub error_code: Option<String>,
}

/// The state of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// It has its points.
    Passed,
    /// It has no points.
    Failed,
    /// It was not run, because the answer does not compile or a part above it failed.
    #[default]
    NotRun,
    /// The host failed, so that nothing is known.
    Unknown,
}

/// The result of a part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PartResult {
    /// Number of the part in the exercise, from 1.
    pub number: usize,
    /// Title of the part.
    pub title: String,
    /// Points that the answer has.
    pub points: u32,
    /// Points that it could have.
    pub maximum: u32,
    /// Whether only a teacher sees the part.
    pub hidden: bool,
    /// Line of the part's heading in `task.md`.
    pub line: usize,
    /// Its state.
    pub state: PartState,
    /// `pass`, `not-run`, `missing-call`, `forbidden-call`, or a verdict of a run.
    pub verdict: String,
    /// Subject of a kernel report, such as `lockdep`.
    pub subject: Option<String>,
    /// The verdict in a few words for people; empty if the part passed.
    pub message: String,
    /// The verdict that a run has to end with, if it is not a pass.
    pub expected_verdict: Option<String>,
    /// Functions that the module must call and does not, or must not and does.
    pub symbols: Vec<String>,
    /// Counts of the schedules, if the part runs under some.
    pub schedules: Option<ScheduleCounts>,
    /// The run that decided: the only one, or the first schedule that failed.
    pub run: Option<RunEntry>,
    /// The same, for the report to a person.
    #[serde(skip)]
    pub outcome: Option<Outcome>,
}

/// Counts of the schedules of a part. None is run after one that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleCounts {
    /// Number of schedules that the part asks for.
    pub requested: u32,
    /// Number of schedules that passed.
    pub passed: u32,
    /// Seed of the first schedule that failed.
    pub first_failing_seed: Option<u32>,
}

/// The origin of a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HintSource {
    /// The exercise's hint for the verdict.
    Verdict,
    /// The table of hints for all exercises.
    General,
    /// A wrong answer that fails in the same way.
    WrongAnswer,
    /// The exercise's hints that are shown one after the other.
    Written,
}

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintEntry {
    /// Its origin.
    pub source: HintSource,
    /// The failure that it is for, such as `hang in kthread_stop`; the number of a written hint.
    pub heading: String,
    /// The text, as Markdown.
    pub text: String,
    /// The lesson to read, with the anchor of a heading: `io_wait_event#common-mistakes`.
    pub lesson: Option<String>,
}

impl PartResult {
    /// Returns true if the part passed.
    pub fn passed(&self) -> bool {
        self.state == PartState::Passed
    }
}

impl CheckResult {
    /// Returns the first part that failed.
    pub fn failed_part(&self) -> Option<&PartResult> {
        let parts = self.parts.iter();
        parts
            .into_iter()
            .find(|part| part.state == PartState::Failed)
    }

    /// Returns true if the answer compiles.
    pub fn compiles(&self) -> bool {
        self.compile.verdict == "pass"
    }

    /// Returns true if all parts passed.
    pub fn passed(&self) -> bool {
        self.compiles() && self.parts.iter().all(PartResult::passed)
    }

    /// Returns the party at fault: none if all parts passed; the host if a part is unknown; else the
    /// answer.
    pub fn fault(&self) -> Option<Fault> {
        let is_unknown = |part: &PartResult| part.state == PartState::Unknown;
        if self.passed() {
            None
        } else if self.compile.verdict == "infrastructure" || self.parts.iter().any(is_unknown) {
            Some(Fault::Host)
        } else {
            Some(Fault::Lesson)
        }
    }
}
