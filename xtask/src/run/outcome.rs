//! The outcome of a run of a test case.

use std::path::PathBuf;
use std::time::Duration;

use super::failure_place::FailurePlace;
use super::plan::{PlannedCase, TestCase};
use crate::failure::Fault;
use crate::lesson::record::RecordedStep;
use crate::lesson::timestamp;
use crate::lesson::verdict::{Mismatch, Verdict};
use crate::lesson::{Lesson, Origin};
use crate::modules::Language;
use crate::schedule::{DelayReport, ExactSchedule};
use crate::symbols::SourceLocation;

/// A test case and the result of one of its runs.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The lesson's name.
    pub lesson: String,
    /// The lesson's origin.
    pub origin: Origin,
    /// The lesson's title.
    pub title: String,
    /// The language of its module.
    pub language: Language,
    /// The number of this repetition, from 1, if there are several.
    pub run: Option<u32>,
    /// The schedule that was applied, and its effects.
    pub scheduled: Option<ScheduledRun>,
    /// The command-line options that select the same kernel, each behind a space; empty if none
    /// were given.
    pub kernel_options: String,
    /// The lesson's README, as shown to the user.
    pub readme: PathBuf,
    /// The verdict.
    pub verdict: Verdict,
    /// The first command that differed from the text before the one that the verdict is about.
    pub earlier: Option<Mismatch>,
    /// A sentence about the command that the verdict is about, if it succeeded and the text says
    /// that it fails.
    pub succeeded: Option<String>,
    /// Objects that the lesson left behind, one sentence each, whatever the verdict.
    pub left: Vec<String>,
    /// Notes on calls in the module's source that can only fail in this kernel.
    pub notes: Vec<String>,
    /// The places in the lesson's sources where the tasks of a kernel report were.
    pub source_locations: Vec<SourceLocation>,
    /// The host's time for the guest.
    pub wall: Duration,
    /// The guest's clock at its end, in seconds since boot.
    pub guest_seconds: Option<f64>,
    /// The durations of the run's phases; none if no guest ran.
    pub phases: Option<Phases>,
    /// The course of the run, if no text shows it.
    pub narrative: Vec<String>,
    /// The file with the guest's output. A later run overwrites it.
    pub log: Option<PathBuf>,
    /// The folder of a failure's artifacts.
    pub artifacts: Option<PathBuf>,
}

/// The steps of a run, and what it left behind.
#[derive(Debug, Clone)]
pub struct ObservedRun {
    /// The steps that began.
    pub steps: Vec<RecordedStep>,
    /// One sentence for each thing that the lesson left behind.
    pub left: Vec<String>,
}

/// The name with which a schedule can be requested again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleName {
    /// The seed that the schedule follows from.
    Seed(u32),
    /// A schedule that names its delays.
    Exact(ExactSchedule),
}

/// The effects of a schedule.
#[derive(Debug, Clone)]
pub struct ScheduledRun {
    /// The name of the schedule.
    pub name: ScheduleName,
    /// The delays.
    pub report: DelayReport,
    /// The kernel's messages during the lesson, without timestamps.
    pub messages: Vec<String>,
}

/// The host's time for the phases of a run.
#[derive(Debug, Clone, Copy)]
pub struct Phases {
    /// From QEMU's start to the agent's first message.
    pub boot: Duration,
    /// From there to QEMU's end.
    pub lesson: Duration,
    /// To compare and judge.
    pub compare: Duration,
}

impl Outcome {
    /// Returns the outcome of a test case for which no guest ran.
    pub fn new(lesson: &Lesson, language: Language, verdict: Verdict) -> Self {
        Self::of(&PlannedCase::Read(TestCase { lesson, language }), verdict)
    }

    /// Returns the outcome of a planned test case for which no guest ran.
    pub fn of(case: &PlannedCase<'_>, verdict: Verdict) -> Self {
        Self {
            lesson: case.lesson_name().to_owned(),
            origin: case.origin(),
            title: case.title().to_owned(),
            language: case.language(),
            run: None,
            scheduled: None,
            kernel_options: String::new(),
            readme: case.readme().to_owned(),
            verdict,
            earlier: None,
            succeeded: None,
            left: Vec::new(),
            notes: Vec::new(),
            source_locations: Vec::new(),
            wall: Duration::ZERO,
            guest_seconds: None,
            phases: None,
            narrative: Vec::new(),
            log: None,
            artifacts: None,
        }
    }

    /// Returns the test case's name: `kthread_run (c)`.
    pub fn name(&self) -> String {
        format!("{} ({})", self.lesson, self.language)
    }

    /// Returns the seed of its schedule, if it had one.
    pub fn seed(&self) -> Option<u32> {
        match self.scheduled.as_ref()?.name {
            ScheduleName::Seed(seed) => Some(seed),
            ScheduleName::Exact(_) => None,
        }
    }

    /// Returns its schedule, if that names its delays.
    pub fn exact_schedule(&self) -> Option<&ExactSchedule> {
        match &self.scheduled.as_ref()?.name {
            ScheduleName::Seed(_) => None,
            ScheduleName::Exact(schedule) => Some(schedule),
        }
    }

    /// Returns the test case's name and, of several runs, the number:
    /// `kthread_run (c), seed 17, run 3`.
    pub fn label(&self) -> String {
        let part = |word: &str, number: Option<u32>| {
            number.map_or_else(String::new, |number| format!(", {word} {number}"))
        };
        let exact = self.exact_schedule().map_or("", |_| ", given schedule");
        self.name() + &part("seed", self.seed()) + exact + &part("run", self.run)
    }

    /// Returns the same in one word, for files: `kthread_run-c.seed17.3`.
    pub fn id(&self) -> String {
        let part = |word: &str, number: Option<u32>| {
            number.map_or_else(String::new, |number| format!(".{word}{number}"))
        };
        let seed = part("seed", self.seed());
        let exact = self.exact_schedule().map_or("", |_| ".schedule");
        format!(
            "{}-{}{seed}{exact}{}",
            self.lesson,
            self.language,
            part("", self.run)
        )
    }

    /// Reports whether it was run and did not pass.
    pub fn failed(&self) -> bool {
        !self.verdict.passed() && !self.verdict.skipped()
    }

    /// Reports whether another run of the same test case failed in the same way, as narrowing
    /// compares runs.
    pub fn fails_like(&self, other: &Self) -> bool {
        FailurePlace::of(self) == FailurePlace::of(other)
    }

    /// Reports whether another run of the same test case had the same result. Times may differ.
    pub fn is_like(&self, other: &Self) -> bool {
        let (a, b) = (&self.verdict, &other.verdict);
        let same = match (a, b) {
            (
                Verdict::Mismatch { first, further },
                Verdict::Mismatch {
                    first: other,
                    further: others,
                },
            ) => {
                let untimed = |lines: &[String]| -> Vec<String> {
                    let rest = |line: &String| {
                        timestamp::split_kernel(line)
                            .map_or(line.clone(), |(_, rest)| rest.to_owned())
                    };
                    lines.iter().map(rest).collect()
                };
                (first.status, further) == (other.status, others)
                    && untimed(&first.printed) == untimed(&other.printed)
            }
            (Verdict::LeftOver { left }, Verdict::LeftOver { left: other }) => left == other,
            _ => true,
        };
        same && a.name() == b.name()
            && a.text_line() == b.text_line()
            && a.to_string() == b.to_string()
    }
}

/// The numbers of runs that passed, failed and were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs that passed.
    pub passed: usize,
    /// Runs that failed, whether the lesson or the host is at fault.
    pub failed: usize,
    /// Test cases that were not run.
    pub skipped: usize,
}

impl Counts {
    /// Counts outcomes.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            if outcome.verdict.passed() {
                counts.passed += 1;
            } else if outcome.verdict.skipped() {
                counts.skipped += 1;
            } else {
                counts.failed += 1;
            }
        }
        counts
    }
}

/// Returns the fault of failed runs: a lesson's before the host's.
pub fn fault(outcomes: &[Outcome]) -> Option<Fault> {
    let mut fault = None;
    for Outcome { verdict, .. } in outcomes {
        match verdict {
            Verdict::Pass | Verdict::Skipped { .. } => {}
            Verdict::Infrastructure { .. } => fault = fault.or(Some(Fault::Host)),
            _ => fault = Some(Fault::Lesson),
        }
    }
    fault
}
