//! The report as JSON, for programs: [`Suite`] is the whole document, and its
//! types are the schema.
//!
//! `schema` is 1. New fields may come without a new number, so a reader leaves
//! alone what it does not know; a field whose name or meaning changes makes it
//! 2. All times ending in `_seconds` are seconds with a fraction, on the
//! host's clock unless the field says `guest`. All paths and texts are UTF-8;
//! what is not, in a guest's output, is replaced by U+FFFD.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Counts, Outcome, Report};
use crate::lesson::verdict::Verdict;
use crate::play::plan::Play;
use crate::symbols::Spot;

/// The number of this schema.
pub const SCHEMA: u32 = 1;

/// What `cargo xtask test --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suite {
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
    pub stages: Vec<Stage>,
    /// Every run of every play.
    pub plays: Vec<Entry>,
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
pub struct Stage {
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
pub struct Entry {
    /// The lesson's name.
    pub lesson: String,
    /// The lesson's title.
    pub title: String,
    /// `"rust"` or `"c"`.
    pub language: String,
    /// Which of `repeat` runs, from 1.
    pub run: u32,
    /// The lesson's text, as a path from the clone's top folder.
    pub readme: String,
    /// One of `pass`, `mismatch`, `kernel-report`, `panic`, `hang`,
    /// `left-over`, `shell-lost`, `guest-lost`, `infrastructure`, `skipped`.
    /// These names do not change; new ones may come.
    pub verdict: String,
    /// The verdict in a few words, for people.
    pub message: String,
    /// The step at which it went wrong, where there is one.
    pub place: Option<Place>,
    /// With `mismatch`: what was expected, and what came.
    pub mismatch: Option<Difference>,
    /// Lines of the kernel's log: its report, or its last words.
    pub log_lines: Vec<String>,
    /// Where in the lesson's sources the tasks were that the kernel reported.
    pub spots: Vec<SpotEntry>,
    /// With `left-over`: one sentence for each thing.
    pub left: Vec<String>,
    /// From QEMU's start to its end; 0 if no guest ran.
    pub wall_seconds: f64,
    /// The guest's clock at its end, since its boot.
    pub guest_seconds: Option<f64>,
    /// The parts of it; null if no guest ran.
    pub phases: Option<PhaseTimes>,
    /// The word that marked the guest's notes.
    pub nonce: Option<String>,
    /// The file with all that the guest said; a later run writes it anew.
    pub log: Option<String>,
    /// The folder with what is left of a failure.
    pub artifacts: Option<String>,
}

/// A step of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The line of `readme`, from 1.
    pub line: usize,
    /// The command; its lines are separated by `\n`.
    pub command: String,
}

/// A place in a source that a task was at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpotEntry {
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
pub struct Difference {
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
pub struct PhaseTimes {
    /// From QEMU's start until the guest turned to the lesson.
    pub boot_seconds: f64,
    /// From there to QEMU's end.
    pub lesson_seconds: f64,
    /// For comparing and judging.
    pub compare_seconds: f64,
}

/// What `cargo xtask test --list --json FILE` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// The number of the schema: 1.
    pub schema: u32,
    /// Every play.
    pub plays: Vec<Listed>,
}

/// A lesson in one language that would be played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
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

/// The report's text.
pub fn text(report: &Report) -> Result<String> {
    let Counts {
        passed,
        failed,
        skipped,
    } = Counts::of(&report.outcomes);
    pretty(&Suite {
        schema: SCHEMA,
        kernel: report.kernel.as_ref().map(|kernel| KernelEntry {
            name: kernel.name.clone(),
            version: kernel.version.clone(),
            qemu: kernel.qemu.clone(),
        }),
        time: report.time.to_owned(),
        repeat: report.repeat,
        partition: report.partition.map(|partition| partition.to_string()),
        summary: Summary {
            passed,
            failed,
            skipped,
        },
        wall_seconds: report.wall.as_secs_f64(),
        stages: report
            .stages
            .iter()
            .map(|stage| Stage {
                name: stage.name.clone(),
                seconds: stage.time.as_secs_f64(),
                cached: stage.cached,
                detail: stage.detail.clone(),
            })
            .collect(),
        plays: report.outcomes.iter().map(Entry::from).collect(),
    })
}

/// The list's text.
pub fn list(plays: &[Play<'_>]) -> Result<String> {
    let listed = |play: &Play<'_>| Listed {
        lesson: play.lesson.name.clone(),
        language: play.language.to_string(),
        title: play.lesson.title.clone(),
        readme: play.lesson.readme.display().to_string(),
        steps: play.lesson.transcript.steps.len(),
        skipped: play.lacks(),
    };
    pretty(&List {
        schema: SCHEMA,
        plays: plays.iter().map(listed).collect(),
    })
}

/// A value as the files have it.
pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}

impl From<&Outcome> for Entry {
    fn from(outcome: &Outcome) -> Self {
        let path = |path: &std::path::PathBuf| path.display().to_string();
        let verdict = &outcome.verdict;
        let passed = verdict.passed();
        let (log_lines, left) = match verdict {
            Verdict::KernelReport { report, .. }
            | Verdict::Panic { report, .. }
            | Verdict::Hang { report, .. } => (report.clone(), Vec::new()),
            Verdict::GuestLost { log, .. } => (log.clone(), Vec::new()),
            Verdict::Mismatch { first, .. } => (first.log.clone(), Vec::new()),
            Verdict::LeftOver { left } => (Vec::new(), left.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        Self {
            lesson: outcome.lesson.clone(),
            title: outcome.title.clone(),
            language: outcome.language.to_string(),
            run: outcome.run.unwrap_or(1),
            readme: path(&outcome.readme),
            verdict: verdict.name().to_owned(),
            message: if passed {
                String::new()
            } else {
                message(verdict)
            },
            place: verdict.place().map(|place| Place {
                line: place.line,
                command: place.command.clone(),
            }),
            mismatch: match verdict {
                Verdict::Mismatch { first, further } => Some(Difference {
                    expected: first.expected.clone(),
                    printed: first.printed.clone(),
                    expected_status: first.status.0,
                    status: first.status.1,
                    further: *further,
                }),
                _ => None,
            },
            log_lines,
            spots: outcome.spots.iter().map(SpotEntry::from).collect(),
            left,
            wall_seconds: outcome.wall.as_secs_f64(),
            guest_seconds: outcome.guest_seconds,
            phases: outcome.phases.map(|phases| PhaseTimes {
                boot_seconds: phases.boot.as_secs_f64(),
                lesson_seconds: phases.lesson.as_secs_f64(),
                compare_seconds: phases.compare.as_secs_f64(),
            }),
            nonce: outcome.nonce.clone(),
            log: outcome.log.as_ref().map(path),
            artifacts: outcome.artifacts.as_ref().map(path),
        }
    }
}

impl From<&Spot> for SpotEntry {
    fn from(spot: &Spot) -> Self {
        let Spot {
            task,
            file,
            line,
            function,
            source,
        } = spot.clone();
        Self {
            task,
            file,
            line,
            function,
            source,
        }
    }
}

fn message(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Infrastructure { what } => what.clone(),
        verdict => verdict.to_string(),
    }
}
