//! The report as JSON for programs. [`SuiteDocument`] is the whole document;
//! `docs/report.schema.json` describes all fields.
//!
//! A new field may come without a new version of the schema, so a reader ignores
//! fields that it does not know. A field whose name or meaning changes makes a new
//! version. Fields ending in `_seconds` are seconds with a fraction: a
//! `duration_seconds` is measured on the host's clock unless its name contains
//! `guest`, and a `guest_clock_seconds` is a reading of the guest's clock. All
//! strings are UTF-8; bytes of a guest's output that are not are replaced by U+FFFD.

mod schema;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{CleanSchedules, Counts, Outcome, RaceFindings, SuiteReport, narrowed};
use crate::lesson::BadText;
use crate::lesson::verdict::{Mismatch, OutputSource, TextLocation, Verdict};
use crate::run::plan::PlannedCase;
use crate::run::{NarrowedDelay, NarrowedRace, NarrowingResult};
use crate::schedule::InjectedDelay;
use crate::schedule::findings::Divergence;
use crate::schedule::miss::LONG_ENOUGH;
use crate::symbols::SourceLocation;

pub use schema::*;

/// Returns the report as JSON.
///
/// # Errors
///
/// None in practice: the report is a tree of strings and numbers.
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
            qemu_version: kernel.qemu.clone(),
        }),
        time_mode: report.time.to_owned(),
        repetitions: report.repeat,
        partition: report.partition.map(|partition| partition.to_string()),
        summary: Summary {
            passed,
            failed,
            skipped,
        },
        duration_seconds: report.wall.as_secs_f64(),
        stages: report
            .stages
            .iter()
            .map(|stage| StageEntry {
                name: stage.name.clone(),
                duration_seconds: stage.time.as_secs_f64(),
                cached: stage.cached,
                detail: stage.detail.clone(),
            })
            .collect(),
        runs: report.outcomes.iter().map(RunEntry::from).collect(),
        races: report.races.iter().map(RaceEntry::from).collect(),
        clean_schedules: report.clean.iter().map(CleanSchedulesEntry::from).collect(),
    })
}

/// Returns the list of test cases as JSON.
///
/// # Errors
///
/// None in practice, as for [`text`].
pub fn list(cases: &[PlannedCase<'_>]) -> Result<String> {
    let entry = |case: &PlannedCase<'_>| {
        let steps = case
            .lesson()
            .map_or(0, |lesson| lesson.transcript.steps.len());
        TestCaseEntry {
            lesson: case.lesson_name().to_owned(),
            language: case.language().to_string(),
            title: case.title().to_owned(),
            readme: case.readme().display().to_string(),
            steps,
            skipped: case.lacks(),
            bad_text: case.bad_text().map(BadText::message),
        }
    };
    pretty(&TestCaseList {
        schema: SCHEMA,
        test_cases: cases.iter().map(entry).collect(),
    })
}

/// Returns a value as indented JSON.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}

impl From<&Outcome> for RunEntry {
    fn from(outcome: &Outcome) -> Self {
        let path = |path: &std::path::PathBuf| path.display().to_string();
        let verdict = &outcome.verdict;
        let kernel_log = match verdict {
            Verdict::KernelReport { report, .. }
            | Verdict::Panic { report, .. }
            | Verdict::Hang { report, .. } => report.clone(),
            Verdict::GuestLost { log, .. } => log.clone(),
            Verdict::Mismatch { first, .. } => first.log.clone(),
            Verdict::OutputLimit {
                source: OutputSource::KernelLog,
                excerpt,
                ..
            } => excerpt.clone(),
            _ => Vec::new(),
        };
        Self {
            lesson: outcome.lesson.clone(),
            title: outcome.title.clone(),
            language: outcome.language.to_string(),
            repetition: outcome.run.unwrap_or(1),
            seed: outcome.seed(),
            schedule: outcome.exact_schedule().map(ToString::to_string),
            injected_delays: outcome
                .scheduled
                .iter()
                .flat_map(|scheduled| &scheduled.report.delays)
                .map(InjectedDelayEntry::from)
                .collect(),
            readme: path(&outcome.readme),
            verdict: verdict.name().to_owned(),
            message: match verdict {
                Verdict::Pass => String::new(),
                // All lines, unlike the verdict's text.
                Verdict::BadText { what, .. }
                | Verdict::DoesNotCompile { what }
                | Verdict::Infrastructure { what } => what.clone(),
                verdict => verdict.to_string(),
            },
            failed_step: verdict.location().map(step),
            mismatch: match verdict {
                Verdict::Mismatch { first, further } => Some(mismatch_entry(first, *further)),
                _ => None,
            },
            earlier_mismatch: outcome.earlier.as_ref().map(|earlier| EarlierMismatch {
                step: step(&earlier.location),
                mismatch: mismatch_entry(earlier, 0),
            }),
            unexpected_success: outcome.succeeded.clone(),
            kernel_log,
            source_locations: outcome
                .source_locations
                .iter()
                .map(SourceLocationEntry::from)
                .collect(),
            output_excerpt: match verdict {
                Verdict::OutputLimit { excerpt, .. } => excerpt.clone(),
                _ => Vec::new(),
            },
            left_behind: match verdict {
                Verdict::LeftOver { left } => left.clone(),
                _ => outcome.left.clone(),
            },
            duration_seconds: outcome.wall.as_secs_f64(),
            guest_clock_seconds: outcome.guest_seconds,
            phases: outcome.phases.map(|phases| PhaseDurations {
                boot_duration_seconds: phases.boot.as_secs_f64(),
                lesson_duration_seconds: phases.lesson.as_secs_f64(),
                compare_duration_seconds: phases.compare.as_secs_f64(),
            }),
            guest_log: outcome.log.as_ref().map(path),
            artifacts: outcome.artifacts.as_ref().map(path),
        }
    }
}

fn step(location: &TextLocation) -> FailedStep {
    FailedStep {
        line: location.line,
        command: location.command.clone(),
    }
}

fn mismatch_entry(mismatch: &Mismatch, further: usize) -> MismatchEntry {
    MismatchEntry {
        expected: mismatch.expected.clone(),
        printed: mismatch.printed.clone(),
        expected_status: mismatch.status.0,
        status: mismatch.status.1,
        further,
    }
}

impl From<&InjectedDelay> for InjectedDelayEntry {
    fn from(delay: &InjectedDelay) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no guest runs for 2^53 ns")]
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        Self {
            function: delay.point.function.clone(),
            offset: delay.point.offset,
            held_until: delay.until.as_ref().map(|end| end.offset),
            arrival: delay.arrival,
            guest_clock_seconds: seconds(delay.clock_nanoseconds),
            guest_duration_seconds: seconds(delay.duration_nanoseconds),
            task: delay.task.clone(),
        }
    }
}

impl From<&CleanSchedules> for CleanSchedulesEntry {
    fn from(clean: &CleanSchedules) -> Self {
        Self {
            lesson: clean.lesson.clone(),
            language: clean.language.to_string(),
            schedules: clean.schedules,
            random_schedules: clean.random,
            guest_delay_seconds: f64::from(LONG_ENOUGH) / 1e9,
            missed_with_one_delay: clean.missed_with_one_delay(),
            missed_with_two_delays: clean.missed_with_two_delays(),
            unreached_functions: clean.unreached.clone(),
        }
    }
}

impl From<&RaceFindings> for RaceEntry {
    fn from(race: &RaceFindings) -> Self {
        let RaceFindings {
            lesson,
            language,
            findings,
            source_locations,
            origin: _,
            narrowed,
            kernel_options: _, // `SuiteDocument::kernel` has the kernel
            seed_options: _,
        } = race;
        let suspects = findings.suspects.iter().zip(source_locations);
        Self {
            lesson: lesson.clone(),
            language: language.to_string(),
            failed: findings.failed,
            passed: findings.passed,
            first_failing_seed: findings.first_seed,
            suspect_points: suspects
                .map(|(suspect, location)| SuspectPointEntry {
                    function: suspect.point.function.clone(),
                    offset: suspect.point.offset,
                    is_store: suspect.is_store,
                    source_location: location.as_ref().map(SourceLocationEntry::from),
                    failed: suspect.failed,
                    passed: suspect.passed,
                })
                .collect(),
            divergence: findings.divergence.as_ref().map(DivergenceEntry::from),
            narrowed: narrowed.as_ref().map(NarrowedEntry::from),
        }
    }
}

impl From<&NarrowedRace> for NarrowedEntry {
    fn from(race: &NarrowedRace) -> Self {
        let narrowed = match &race.result {
            NarrowingResult::Narrowed(narrowed) => Some(narrowed),
            NarrowingResult::WithoutDelays | NarrowingResult::Impossible(_) => None,
        };
        let pair = narrowed.and_then(|narrowed| narrowed.pair.as_ref());
        let delays = narrowed.map(|narrowed| &narrowed.delays[..]);
        Self {
            seed: race.seed,
            runs: race.runs,
            sentence: narrowed::sentence(race),
            schedule: narrowed.map(|narrowed| narrowed.schedule.to_string()),
            passing_twin: pair.map(|pair| pair.twin.to_string()),
            deciding_delay: narrowed.and_then(|narrowed| narrowed.deciding),
            complete: narrowed.is_some_and(|narrowed| narrowed.complete),
            delays: delays
                .unwrap_or_default()
                .iter()
                .map(NarrowedDelayEntry::from)
                .collect(),
        }
    }
}

impl From<&NarrowedDelay> for NarrowedDelayEntry {
    fn from(narrowed: &NarrowedDelay) -> Self {
        let NarrowedDelay {
            delay,
            duration_nanoseconds,
            place,
        } = narrowed;
        #[expect(clippy::cast_precision_loss, reason = "a delay is some milliseconds")]
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        Self {
            task: delay.task.clone(),
            function: delay.function.clone(),
            offset: delay.offset,
            held_until: delay.until,
            arrival: delay.arrival,
            requested_duration_seconds: seconds(delay.nanoseconds),
            guest_duration_seconds: seconds(*duration_nanoseconds),
            source_location: place.line.as_ref().map(SourceLocationEntry::from),
            within_line: place.within,
            line_before: place.line_before.as_ref().map(|line| line.number),
            passed_by: place.passed.as_ref().map(SourceLocationEntry::from),
        }
    }
}

impl From<&Divergence> for DivergenceEntry {
    fn from(divergence: &Divergence) -> Self {
        let Divergence {
            passing_seed,
            last_common,
            failing_next,
            passing_next,
        } = divergence.clone();
        Self {
            passing_seed,
            last_common_line: last_common,
            next_failing_line: failing_next,
            next_passing_line: passing_next,
        }
    }
}

impl From<&SourceLocation> for SourceLocationEntry {
    fn from(location: &SourceLocation) -> Self {
        let SourceLocation {
            task,
            file,
            line,
            function,
            source,
        } = location.clone();
        Self {
            task,
            file,
            line,
            function,
            source,
        }
    }
}
