//! The types of the documents, which are their schema.

use serde::{Deserialize, Serialize};

/// What `cargo xtask test --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteDocument {
    /// The number of the schema: 1.
    pub schema: u32,
    /// The kernel; null if nothing had to be played.
    pub kernel: Option<KernelEntry>,
    /// How time passed in the guests: `"virtual"` or `"real"`.
    pub time: String,
    /// How often each play was to be played.
    pub repeat: u32,
    /// The part of the suite, as given to `--partition`: `"2/3"`.
    pub partition: Option<String>,
    /// Counts of what is in `plays`.
    pub summary: Summary,
    /// All of it, the making of kernel and modules included.
    pub wall_seconds: f64,
    /// What the stages before the guests took, and the guests together.
    pub stages: Vec<StageEntry>,
    /// Every run of every play.
    pub plays: Vec<RunEntry>,
    /// Of each play of which several schedules were played and some failed, what
    /// tells these from the others.
    pub found: Vec<RaceEntry>,
}

/// The kernel that was played with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelEntry {
    /// Its name in kernels.toml: `"6.12"`.
    pub name: String,
    /// Its version: `"6.12.117"`.
    pub version: String,
    /// QEMU's version.
    pub qemu: String,
}

/// How many runs came to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Those with the verdict `pass`.
    pub passed: usize,
    /// Those with any other, `infrastructure` included.
    pub failed: usize,
    /// Those with the verdict `skipped`.
    pub skipped: usize,
}

/// A stage of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEntry {
    /// Its name: `"kernel"`, `"modules"`, `"lessons"`.
    pub name: String,
    /// What it took.
    pub seconds: f64,
    /// True if its result was in the cache.
    pub cached: bool,
    /// A version, a size.
    pub detail: String,
}

/// A lesson in one language, played once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// The lesson's name.
    pub lesson: String,
    /// The lesson's title.
    pub title: String,
    /// `"rust"` or `"c"`.
    pub language: String,
    /// Which of `repeat` runs, from 1.
    pub run: u32,
    /// What its threads' schedule followed from; null if they had none.
    pub seed: Option<u32>,
    /// Who was held up, in the order of their coming back.
    pub held_up: Vec<InjectedDelayEntry>,
    /// The lesson's text, as a path from the clone's top folder.
    pub readme: String,
    /// One of `pass`, `mismatch`, `kernel-report`, `panic`, `hang`,
    /// `left-over`, `shell-lost`, `guest-lost`, `infrastructure`, `skipped`.
    /// These names do not change; new ones may come.
    pub verdict: String,
    /// The verdict in a few words, for people.
    pub message: String,
    /// The step at which it went wrong, where there is one.
    pub place: Option<FailedStep>,
    /// With `mismatch`: what was expected, and what came.
    pub mismatch: Option<MismatchEntry>,
    /// Lines of the kernel's log: its report, or its last words.
    pub log_lines: Vec<String>,
    /// Where in the lesson's sources the tasks were that the kernel reported.
    pub source_locations: Vec<SourceLocationEntry>,
    /// With `left-over`: one sentence for each thing.
    pub left: Vec<String>,
    /// From QEMU's start to its end; 0 if no guest ran.
    pub wall_seconds: f64,
    /// The guest's clock at its end, since its boot.
    pub guest_seconds: Option<f64>,
    /// The parts of it; null if no guest ran.
    pub phases: Option<PhaseDurations>,
    /// The word that marked the guest's notes.
    pub nonce: Option<String>,
    /// The file with all that the guest said; a later run writes it anew.
    pub log: Option<String>,
    /// The folder with what is left of a failure.
    pub artifacts: Option<String>,
}

/// A task that a schedule has held up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InjectedDelayEntry {
    /// The symbol of the function of the module that it was in.
    pub function: String,
    /// The instruction's distance from the function's beginning, in bytes.
    pub offset: u32,
    /// When, in seconds on the clock of the kernel's log.
    pub at: f64,
    /// For how long.
    pub guest_seconds: f64,
    /// The task's name and number: `"insmod/123"`.
    pub task: String,
}

/// What tells the schedules of a play that failed from those that passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaceEntry {
    /// The lesson's name.
    pub lesson: String,
    /// `"rust"` or `"c"`.
    pub language: String,
    /// How many failed.
    pub failed: usize,
    /// How many passed.
    pub passed: usize,
    /// The seed of the first that failed.
    pub first_seed: u32,
    /// Places where tasks were held up in most of those that failed and in fewer of
    /// the others, the most telling first.
    pub places: Vec<SuspectPointEntry>,
    /// The seed that passed whose kernel log goes with the first failure's the
    /// longest.
    pub nearest_seed: Option<u32>,
    /// The last line that both logs have, without its time.
    pub last_line: Option<String>,
    /// What comes after it in the log of the first failure.
    pub failing_next: Option<String>,
    /// What comes after it in the other.
    pub passing_next: Option<String>,
}

/// A place in a module, and how many runs had somebody held up there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuspectPointEntry {
    /// The symbol of the function.
    pub function: String,
    /// The instruction's distance from the function's beginning, in bytes.
    pub offset: u32,
    /// The source's line, where it is known and ours.
    pub spot: Option<SourceLocationEntry>,
    /// Of those that failed.
    pub failed: usize,
    /// Of those that passed.
    pub passed: usize,
}

/// A step of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedStep {
    /// The line of `readme`, from 1.
    pub line: usize,
    /// The command; its lines are separated by `\n`.
    pub command: String,
}

/// A place in a source that a task was at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceLocationEntry {
    /// The task's name and number: `"rmmod (60)"`; empty if it is not known.
    pub task: String,
    /// The file, as a path from the clone's top folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function, as its source calls it.
    pub function: String,
    /// The line's text.
    pub source: String,
}

/// What was expected of a command, and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MismatchEntry {
    /// The lines of the text.
    pub expected: Vec<String>,
    /// The lines that were printed, in the text's words where they hold.
    pub printed: Vec<String>,
    /// The exit status that the text states.
    pub expected_status: u8,
    /// The exit status that the command had.
    pub status: u8,
    /// How many more commands went wrong after it.
    pub further: usize,
}

/// The host's time for the parts of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseDurations {
    /// From QEMU's start until the guest turned to the lesson.
    pub boot_seconds: f64,
    /// From there to QEMU's end.
    pub lesson_seconds: f64,
    /// For comparing and judging.
    pub compare_seconds: f64,
}

/// What `cargo xtask test --list --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestCaseList {
    /// The number of the schema: 1.
    pub schema: u32,
    /// Every play.
    pub plays: Vec<TestCaseEntry>,
}

/// A lesson in one language that would be played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestCaseEntry {
    /// The lesson's name.
    pub lesson: String,
    /// `"rust"` or `"c"`.
    pub language: String,
    /// The lesson's title.
    pub title: String,
    /// The lesson's text, as a path from the clone's top folder.
    pub readme: String,
    /// How many commands it has.
    pub steps: usize,
    /// Why it would be skipped, if it would.
    pub skipped: Option<String>,
}
