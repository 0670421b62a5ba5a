//! The report as JSON, for programs: [`SuiteDocument`] is the whole document, and its
//! types, in `schema.rs`, are the schema.
//!
//! `schema` is 1. New fields may come without a new number, so a reader leaves
//! alone what it does not know; a field whose name or meaning changes makes it
//! 2. All times ending in `_seconds` are seconds with a fraction, on the
//! host's clock unless the field says `guest`. All paths and texts are UTF-8;
//! what is not, in a guest's output, is replaced by U+FFFD.

mod schema;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Counts, Outcome, RaceFindings, SuiteReport};
use crate::lesson::verdict::Verdict;
use crate::play::plan::Play;
use crate::schedule::InjectedDelay;
use crate::symbols::SourceLocation;

pub use schema::*;

/// The number of this schema.
pub const SCHEMA: u32 = 1;

/// The report's text.
pub fn text(report: &SuiteReport) -> Result<String> {
    let Counts {
        passed,
        failed,
        skipped,
    } = Counts::of(&report.outcomes);
    pretty(&SuiteDocument {
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
            .map(|stage| StageEntry {
                name: stage.name.clone(),
                seconds: stage.time.as_secs_f64(),
                cached: stage.cached,
                detail: stage.detail.clone(),
            })
            .collect(),
        plays: report.outcomes.iter().map(RunEntry::from).collect(),
        found: report.races.iter().map(RaceEntry::from).collect(),
    })
}

/// The list's text.
pub fn list(plays: &[Play<'_>]) -> Result<String> {
    let listed = |play: &Play<'_>| TestCaseEntry {
        lesson: play.lesson.name.clone(),
        language: play.language.to_string(),
        title: play.lesson.title.clone(),
        readme: play.lesson.readme.display().to_string(),
        steps: play.lesson.transcript.steps.len(),
        skipped: play.lacks(),
    };
    pretty(&TestCaseList {
        schema: SCHEMA,
        plays: plays.iter().map(listed).collect(),
    })
}

/// A value as the files have it.
pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}

impl From<&Outcome> for RunEntry {
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
            seed: outcome.seed(),
            held_up: outcome
                .scheduled
                .iter()
                .flat_map(|scheduled| &scheduled.held_up)
                .map(InjectedDelayEntry::from)
                .collect(),
            readme: path(&outcome.readme),
            verdict: verdict.name().to_owned(),
            message: if passed {
                String::new()
            } else {
                message(verdict)
            },
            place: verdict.location().map(|place| FailedStep {
                line: place.line,
                command: place.command.clone(),
            }),
            mismatch: match verdict {
                Verdict::Mismatch { first, further } => Some(MismatchEntry {
                    expected: first.expected.clone(),
                    printed: first.printed.clone(),
                    expected_status: first.status.0,
                    status: first.status.1,
                    further: *further,
                }),
                _ => None,
            },
            log_lines,
            source_locations: outcome
                .source_locations
                .iter()
                .map(SourceLocationEntry::from)
                .collect(),
            left,
            wall_seconds: outcome.wall.as_secs_f64(),
            guest_seconds: outcome.guest_seconds,
            phases: outcome.phases.map(|phases| PhaseDurations {
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

impl From<&InjectedDelay> for InjectedDelayEntry {
    fn from(held: &InjectedDelay) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no guest runs for 2^53 ns")]
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        Self {
            function: held.point.function.clone(),
            offset: held.point.offset,
            at: seconds(held.clock_nanoseconds),
            guest_seconds: seconds(held.duration_nanoseconds),
            task: held.task.clone(),
        }
    }
}

impl From<&RaceFindings> for RaceEntry {
    fn from(found: &RaceFindings) -> Self {
        let RaceFindings {
            lesson,
            language,
            findings,
            source_locations,
            kernel_options: _, // the report's beginning tells the kernel
        } = found;
        let divergence = findings.divergence.as_ref();
        let places = findings.suspects.iter().zip(source_locations);
        Self {
            lesson: lesson.clone(),
            language: language.to_string(),
            failed: findings.failed,
            passed: findings.passed,
            first_seed: findings.first_seed,
            places: places
                .map(|(suspect, spot)| SuspectPointEntry {
                    function: suspect.point.function.clone(),
                    offset: suspect.point.offset,
                    spot: spot.as_ref().map(SourceLocationEntry::from),
                    failed: suspect.failed,
                    passed: suspect.passed,
                })
                .collect(),
            nearest_seed: divergence.map(|divergence| divergence.passing_seed),
            last_line: divergence.and_then(|divergence| divergence.last_common.clone()),
            failing_next: divergence.and_then(|divergence| divergence.failing_next.clone()),
            passing_next: divergence.and_then(|divergence| divergence.passing_next.clone()),
        }
    }
}

impl From<&SourceLocation> for SourceLocationEntry {
    fn from(spot: &SourceLocation) -> Self {
        let SourceLocation {
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
