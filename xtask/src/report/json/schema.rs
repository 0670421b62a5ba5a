//! The types of the documents. `docs/report.schema.json` is generated from them
//! and from their comments.

use serde::{Deserialize, Serialize};

/// The document that `cargo xtask test --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SuiteDocument {
    /// Version of the schema.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The kernel; null if no guest had to run.
    pub kernel: Option<KernelEntry>,
    /// How time passes in the guests: `"virtual"` or `"real"`.
    pub time_mode: String,
    /// How often each test case runs (`--repeat`).
    pub repetitions: u32,
    /// The part of the suite that ran, as given to `--partition`: `"2/3"`.
    pub partition: Option<String>,
    /// Counts of the runs by result.
    pub summary: Summary,
    /// Duration of the whole command, builds included.
    pub duration_seconds: f64,
    /// The stages that prepare the guests, and the stage that runs all guests.
    pub stages: Vec<StageEntry>,
    /// Every run of every test case.
    pub runs: Vec<RunEntry>,
    /// Comparisons of failing with passing schedules, one for each test case of
    /// which a schedule failed.
    pub races: Vec<RaceEntry>,
    /// Bounds for the races that the random schedules may have missed, for test cases of
    /// which all schedules passed.
    pub clean_schedules: Vec<CleanSchedulesEntry>,
}

/// The random schedules of a test case of which all schedules passed. docs/races.md has the
/// assumptions of the bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CleanSchedulesEntry {
    /// Name of the lesson.
    pub lesson: String,
    /// `"rust"` or `"c"`.
    pub language: String,
    /// Number of schedules.
    pub schedules: u32,
    /// Number of those that are random. The bounds are about these.
    pub random_schedules: u32,
    /// Length of the delays that the bounds are about, on the guest's clock.
    pub guest_delay_seconds: f64,
    /// Maximum probability with which all random schedules miss a race that one delay shows; null if no bound is
    /// known.
    pub missed_with_one_delay: Option<f64>,
    /// The same for a race that two delays show, at two lines; null if there is only one line, or no bound is known.
    pub missed_with_two_delays: Option<f64>,
    /// The lesson's own functions that no task reaches.
    pub unreached_functions: Vec<String>,
}

/// The kernel under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KernelEntry {
    /// Name in kernels.toml: `"6.12"`.
    pub name: String,
    /// Version of the kernel: `"6.12.117"`.
    pub version: String,
    /// Version of QEMU.
    pub qemu_version: String,
}

/// Counts of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Number of runs with the verdict `pass`.
    pub passed: usize,
    /// Number of runs with another verdict than `pass` and `skipped`.
    pub failed: usize,
    /// Number of runs with the verdict `skipped`.
    pub skipped: usize,
}

/// A stage of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageEntry {
    /// Name of the stage: `"kernel"`, `"modules"`, `"tests"`.
    pub name: String,
    /// Duration of the stage.
    pub duration_seconds: f64,
    /// True if the result came from the cache.
    pub cached: bool,
    /// A version or a size.
    pub detail: String,
}

/// One run of a test case, which is a lesson in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunEntry {
    /// Name of the lesson.
    pub lesson: String,
    /// Title of the lesson.
    pub title: String,
    /// Language of the module: `"rust"` or `"c"`.
    pub language: String,
    /// Number of the repetition, from 1 to `repetitions`.
    pub repetition: u32,
    /// Seed of the schedule; null if the run had no schedule, or one without a seed.
    pub seed: Option<u32>,
    /// Schedule that names its delays, as given to `--schedule`; null if the run had none.
    pub schedule: Option<String>,
    /// Delays that the schedule injected, ordered by their end.
    pub injected_delays: Vec<InjectedDelayEntry>,
    /// The lesson's text, as a path from the clone's top folder.
    pub readme: String,
    /// One of `pass`, `mismatch`, `kernel-report`, `panic`, `hang`,
    /// `output-limit`, `left-over`, `shell-lost`, `guest-lost`, `bad-text`,
    /// `does-not-compile`, `infrastructure`, `skipped`.
    /// The names do not change; a later version may add names.
    pub verdict: String,
    /// The verdict in a few words for people; empty if the run passed.
    pub message: String,
    /// The step that failed, if the verdict is about one step.
    pub failed_step: Option<FailedStep>,
    /// Expected and actual output, with the verdict `mismatch`.
    pub mismatch: Option<MismatchEntry>,
    /// The first step that differed from the text before the step that the verdict is
    /// about, with a verdict that is graver than `mismatch`: the likely cause.
    pub earlier_mismatch: Option<EarlierMismatch>,
    /// A sentence about `failed_step`, if the text says that its command fails, and the
    /// kernel's report shows that it succeeded: the likely cause.
    pub unexpected_success: Option<String>,
    /// Lines of the kernel's log that belong to the failure: the kernel's report,
    /// or the last lines.
    pub kernel_log: Vec<String>,
    /// Where the tasks of the kernel's report were in the lesson's sources.
    pub source_locations: Vec<SourceLocationEntry>,
    /// First and last lines of the output, with the verdict `output-limit`.
    pub output_excerpt: Vec<String>,
    /// Sentences that name the objects left behind, with any verdict of a run that
    /// came to its end.
    pub left_behind: Vec<String>,
    /// Time from QEMU's start to its end; 0 if no guest ran.
    pub duration_seconds: f64,
    /// Reading of the guest's clock, which starts at boot, at the guest's end.
    pub guest_clock_seconds: Option<f64>,
    /// Durations of the run's phases; null if no guest ran.
    pub phases: Option<PhaseDurations>,
    /// File with all output of the guest. The next run of the test case
    /// overwrites the file.
    pub guest_log: Option<String>,
    /// Folder with the records of a failure.
    pub artifacts: Option<String>,
}

/// A delay that a schedule injected into a task, or into the visibility of its store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InjectedDelayEntry {
    /// Symbol of the module's function that the task was in.
    pub function: String,
    /// Offset of the instruction from the function's beginning, in bytes.
    pub offset: u32,
    /// If the instruction's store was held back: offset of the instruction before which
    /// other tasks saw the store; null if the task was delayed.
    pub held_until: Option<u32>,
    /// Number of the task's arrival at the instruction, from 1, among those of all
    /// tasks of its name; 0 if the guest had no room to count.
    pub arrival: u32,
    /// Reading of the guest's clock at the beginning of the delay.
    pub guest_clock_seconds: f64,
    /// Length of the delay on the guest's clock.
    pub guest_duration_seconds: f64,
    /// Name and PID of the task: `"insmod/123"`; of an interrupt its kind and CPU: `"softirq/cpu0"`.
    pub task: String,
}

/// A comparison of the failing with the passing schedules of one test case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RaceEntry {
    /// Name of the lesson.
    pub lesson: String,
    /// Language of the module: `"rust"` or `"c"`.
    pub language: String,
    /// Number of schedules that failed.
    pub failed: usize,
    /// Number of schedules that passed.
    pub passed: usize,
    /// Seed of the first schedule that failed.
    pub first_failing_seed: u32,
    /// Probe points at which most failing schedules, and fewer of the passing
    /// ones, delayed a task; the most suspect first.
    pub suspect_points: Vec<SuspectPointEntry>,
    /// The first difference between the kernel's logs of the first failing and the
    /// most similar passing schedule; null if no schedule passed.
    pub divergence: Option<DivergenceEntry>,
    /// The delays that decide, of the first failing seed that can be narrowed; null if that was not requested.
    pub narrowed: Option<NarrowedEntry>,
}

/// A probe point, and the number of schedules that delayed a task at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SuspectPointEntry {
    /// Symbol of the module's function.
    pub function: String,
    /// Offset of the instruction from the function's beginning, in bytes.
    pub offset: u32,
    /// True if schedules held back the store of the instruction, and delayed no task.
    pub is_store: bool,
    /// Location in the lesson's source, if known.
    pub source_location: Option<SourceLocationEntry>,
    /// Number of failing schedules.
    pub failed: usize,
    /// Number of passing schedules.
    pub passed: usize,
}

/// The first difference between the kernel's logs of two schedules. Lines are
/// without timestamps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DivergenceEntry {
    /// Seed of the passing schedule whose log has the longest beginning in common
    /// with the first failing schedule's.
    pub passing_seed: u32,
    /// Last line that both logs have in common.
    pub last_common_line: Option<String>,
    /// Next line in the failing schedule's log.
    pub next_failing_line: Option<String>,
    /// Next line in the passing schedule's log.
    pub next_passing_line: Option<String>,
}

/// A step that differed from the text before a graver failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EarlierMismatch {
    /// The step.
    pub step: FailedStep,
    /// Its expected and actual output.
    pub mismatch: MismatchEntry,
}

/// The result of narrowing the schedule of a failing seed: a smallest set of its
/// delays with which the test case fails in the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NarrowedEntry {
    /// The seed.
    pub seed: u32,
    /// Number of runs that narrowing took.
    pub runs: usize,
    /// The result in a sentence for people.
    pub sentence: String,
    /// The narrowed schedule, as given to `--schedule`; null if there is none.
    pub schedule: Option<String>,
    /// The schedule of the passing twin, whose deciding delay has length 0; null if
    /// there is none.
    pub passing_twin: Option<String>,
    /// Index in `delays` of the deciding delay: without it the test case passes.
    pub deciding_delay: Option<usize>,
    /// True if no delay can be left out, and each is as short as possible. False if the
    /// limit of runs came first.
    pub complete: bool,
    /// The delays of the narrowed schedule, in the order of time.
    pub delays: Vec<NarrowedDelayEntry>,
}

/// A delay of a narrowed schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NarrowedDelayEntry {
    /// Name of the task; `softirq` or `hardirq` of an interrupt.
    pub task: String,
    /// Symbol of the module's function that the task is in.
    pub function: String,
    /// Offset of the instruction from the function's beginning, in bytes.
    pub offset: u32,
    /// If the instruction's store is held back: offset of the instruction before which
    /// other tasks see the store; null if the task is delayed.
    pub held_until: Option<u32>,
    /// Number of the task's arrival at the instruction, from 1, among those of all
    /// tasks of its name.
    pub arrival: u32,
    /// Requested length of the delay on the guest's clock.
    pub requested_duration_seconds: f64,
    /// Length of the delay in a run on the guest's clock, until the task had a CPU again.
    pub guest_duration_seconds: f64,
    /// Line of the instruction, if it is in the lesson's sources.
    pub source_location: Option<SourceLocationEntry>,
    /// Line that the task executed before, if only one line can precede.
    pub line_before: Option<u32>,
    /// True if the task has executed a part of the line.
    pub within_line: bool,
    /// If the instruction's store is held back: the line of the last store that other tasks see
    /// before it.
    pub passed_by: Option<SourceLocationEntry>,
}

/// A step of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailedStep {
    /// Line of `readme`, from 1.
    pub line: usize,
    /// The command; its lines are separated by `\n`.
    pub command: String,
}

/// A line of the lesson's source that a task executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceLocationEntry {
    /// Name and PID of the task: `"rmmod (60)"`, or `"an interrupt on CPU 1"`; empty if not known.
    pub task: String,
    /// The file, as a path from the clone's top folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Name of the function, as in the source.
    pub function: String,
    /// Text of the line.
    pub source: String,
}

/// The difference between the expected and the actual result of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MismatchEntry {
    /// Expected lines, from the lesson's text.
    pub expected: Vec<String>,
    /// Printed lines. A line that matches is shown as in the lesson's text.
    pub printed: Vec<String>,
    /// Expected exit status.
    pub expected_status: u8,
    /// Exit status of the command.
    pub status: u8,
    /// Number of later commands that failed too.
    pub further: usize,
}

/// Durations of the phases of a run, on the host's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PhaseDurations {
    /// Time from QEMU's start to the lesson's beginning.
    pub boot_duration_seconds: f64,
    /// Time from the lesson's beginning to QEMU's end.
    pub lesson_duration_seconds: f64,
    /// Time to compare the output and to find the verdict.
    pub compare_duration_seconds: f64,
}

/// The document that `cargo xtask test --list --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestCaseList {
    /// Version of the schema.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The selected test cases.
    pub test_cases: Vec<TestCaseEntry>,
}

/// A test case: a lesson in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestCaseEntry {
    /// Name of the lesson.
    pub lesson: String,
    /// Language of the module: `"rust"` or `"c"`.
    pub language: String,
    /// Title of the lesson.
    pub title: String,
    /// The lesson's text, as a path from the clone's top folder.
    pub readme: String,
    /// Number of commands in the text.
    pub steps: usize,
    /// Reason why the test case would be skipped, if so.
    pub skipped: Option<String>,
    /// Reason why the text cannot be tested, with file and line, if so.
    pub bad_text: Option<String>,
}

/// Version of the schema.
pub const SCHEMA: u32 = 3;
