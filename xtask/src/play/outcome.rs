//! What one play of a lesson came to.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Fault;
use crate::lesson::Lesson;
use crate::lesson::record::PlayedStep;
use crate::lesson::timestamp;
use crate::lesson::verdict::Verdict;
use crate::modules::Language;
use crate::schedule::InjectedDelay;
use crate::symbols::SourceLocation;

/// A lesson in one language and what its run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The lesson's name.
    pub lesson: String,
    /// The lesson's title.
    pub title: String,
    /// What its module is written in.
    pub language: Language,
    /// Which of several runs this is, from 1; none where there is one.
    pub run: Option<u32>,
    /// What was done to its threads, and what came of it; none if nothing was.
    pub scheduled: Option<Scheduled>,
    /// The options that ask for the same kernel, each behind a space; empty where
    /// none was given.
    pub kernel_options: String,
    /// Its text, as shown to the user.
    pub readme: PathBuf,
    /// What its run came to.
    pub verdict: Verdict,
    /// Where in the lesson's sources the tasks were that the kernel reported.
    pub source_locations: Vec<SourceLocation>,
    /// The host's time for the guest.
    pub wall: Duration,
    /// The guest's clock at its end, in seconds since boot.
    pub guest_seconds: Option<f64>,
    /// What took how long; none if no guest ran.
    pub phases: Option<Phases>,
    /// The word that marked the guest's notes; the rest of what a guest does
    /// follows from QEMU's command line.
    pub nonce: Option<String>,
    /// The file with all that the guest said. A later run writes it anew.
    pub log: Option<PathBuf>,
    /// The folder with what is left of a failure.
    pub artifacts: Option<PathBuf>,
    /// What the guest did, if that is to be written into the text.
    pub seen: Option<Seen>,
}

/// What a guest did.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The steps that began.
    pub steps: Vec<PlayedStep>,
    /// What the lesson left behind, one sentence each.
    pub left: Vec<String>,
}

/// A run of a schedule.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// What it follows from.
    pub seed: u32,
    /// Who was held up.
    pub held_up: Vec<InjectedDelay>,
    /// What the kernel logged during the lesson, without the times.
    pub messages: Vec<String>,
}

/// The host's time for the parts of a play.
#[derive(Debug, Clone, Copy)]
pub struct Phases {
    /// From QEMU's start until the guest turned to the lesson.
    pub boot: Duration,
    /// From there to QEMU's end.
    pub lesson: Duration,
    /// For comparing and judging.
    pub compare: Duration,
}

impl Outcome {
    /// The outcome of a lesson for which no guest ran.
    pub fn new(lesson: &Lesson, language: Language, verdict: Verdict) -> Self {
        Self {
            lesson: lesson.name.clone(),
            title: lesson.title.clone(),
            language,
            run: None,
            scheduled: None,
            kernel_options: String::new(),
            readme: lesson.readme.clone(),
            verdict,
            source_locations: Vec::new(),
            wall: Duration::ZERO,
            guest_seconds: None,
            phases: None,
            nonce: None,
            log: None,
            artifacts: None,
            seen: None,
        }
    }

    /// The play's name: `kthread_run (c)`.
    pub fn name(&self) -> String {
        format!("{} ({})", self.lesson, self.language)
    }

    /// What its threads' schedule follows from, if they had one.
    pub fn seed(&self) -> Option<u32> {
        self.scheduled.as_ref().map(|scheduled| scheduled.seed)
    }

    /// The play's name and, of several runs, which:
    /// `kthread_run (c), seed 17, run 3`.
    pub fn label(&self) -> String {
        let part = |word: &str, number: Option<u32>| {
            number.map_or_else(String::new, |number| format!(", {word} {number}"))
        };
        self.name() + &part("seed", self.seed()) + &part("run", self.run)
    }

    /// The same in one word, for files and machines: `kthread_run-c.seed17.3`.
    pub fn id(&self) -> String {
        let part = |word: &str, number: Option<u32>| {
            number.map_or_else(String::new, |number| format!(".{word}{number}"))
        };
        let seed = part("seed", self.seed());
        format!(
            "{}-{}{seed}{}",
            self.lesson,
            self.language,
            part("", self.run)
        )
    }

    /// Was it played, and did it not pass?
    pub fn failed(&self) -> bool {
        !self.verdict.passed() && !self.verdict.skipped()
    }

    /// Did this run come to the same as another of the same play? Times may
    /// differ.
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
        let line = |verdict: &Verdict| verdict.location().map(|place| place.line);
        same && a.name() == b.name() && line(a) == line(b) && a.to_string() == b.to_string()
    }
}

/// How many runs passed, failed and were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed, whoever is at fault.
    pub failed: usize,
    /// Those that were not played.
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

/// Whose fault it is if not all is well: a lesson's before the machine's.
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
