//! Tests of the comparison of schedules.

use super::*;
use crate::lesson::Origin;
use crate::run::outcome::{ScheduleName, ScheduledRun};
use crate::schedule::findings::{Findings, ScheduleRun};
use crate::schedule::{DelayReport, InjectedDelay, ProbeKind, ProbePoint};
use snapbox::file;

pub(super) fn delay(offset: u32) -> InjectedDelay {
    InjectedDelay {
        until: None,
        point: ProbePoint {
            function: "_RNvCs1_1x4work".to_owned(),
            offset,
            section: 2,
            section_offset: u64::from(offset),
            in_kernel: false,
            kind: ProbeKind::Access,
            operand: None,
            calls: None,
        },
        arrival: 2,
        clock_nanoseconds: 6_000_000_000,
        duration_nanoseconds: 4_200_000,
        requested_nanoseconds: 4_000_000,
        task: "worker/70".to_owned(),
    }
}

/// Returns the comparison of four schedules of which two failed, both with a delay at
/// the same probe point.
pub(super) fn races() -> RaceFindings {
    let lines = |lines: &[&str]| -> Vec<String> { lines.iter().map(ToString::to_string).collect() };
    let runs = [
        (1, false, vec![delay(3)], lines(&["x: began", "x: woken"])),
        (
            2,
            true,
            vec![delay(3), delay(9)],
            lines(&["x: began", "x: gave up"]),
        ),
        (3, false, vec![], lines(&["x: began", "x: woken"])),
        (4, true, vec![delay(9)], lines(&["x: began", "x: gave up"])),
    ];
    let runs: Vec<ScheduleRun<'_>> = runs
        .iter()
        .map(|(seed, failed, delays, messages)| ScheduleRun {
            seed: *seed,
            failed: *failed,
            delays,
            messages,
        })
        .collect();
    let Some(findings) = Findings::of(&runs) else {
        panic!("two have failed");
    };
    RaceFindings {
        lesson: "x".to_owned(),
        origin: Origin::of_clone("x"),
        language: Language::Rust,
        kernel_options: " --kernel 6.7.9".to_owned(),
        seed_options: " --weak-memory",
        source_locations: findings
            .suspects
            .iter()
            .map(|_| Some(source_location()))
            .collect(),
        findings,
        narrowed: None,
    }
}

#[test]
fn it_shows_the_seed_the_probe_point_and_the_divergence() {
    let mut out = Vec::new();
    let written = super::super::races::print(&mut out, &races());
    assert!(written.is_ok());
    assert_data_eq!(out, file!["races.txt"].raw());
}

#[test]
fn without_a_source_location_it_shows_the_function() {
    let found = RaceFindings {
        source_locations: vec![None],
        ..races()
    };
    let mut out = Vec::new();
    assert!(super::super::races::print(&mut out, &found).is_ok());
    let out = String::from_utf8_lossy(&out);
    assert!(out.contains("delayed a task at x::work+0x9\n"), "{out}");
}

#[test]
fn of_several_failures_the_first_is_shown_with_its_seeds() {
    let outcomes: Vec<Outcome> = (1..=9)
        .map(|seed| {
            let verdict = match seed % 3 {
                0 => Verdict::Pass,
                _ => Verdict::LeftOver {
                    left: vec![format!("thing {}", seed % 3)],
                },
            };
            let scheduled = ScheduledRun {
                name: ScheduleName::Seed(seed),
                report: DelayReport::default(),
                messages: Vec::new(),
            };
            Outcome {
                scheduled: Some(scheduled),
                ..outcome(verdict)
            }
        })
        .collect();
    let out = printed(&outcomes);
    assert!(out.contains("x (rust), seed 1: left"), "{out}");
    assert!(out.contains("same result with seeds 1, 4, 7\n"), "{out}");
    assert!(
        out.contains("- thing 1") && !out.contains("- thing 2"),
        "{out}"
    );
    assert!(out.contains("3 passed, 6 failed, 0 skipped"), "{out}");
}

#[test]
fn the_gravest_failure_of_a_race_is_shown() {
    let left = Verdict::LeftOver {
        left: vec!["a thing".to_owned()],
    };
    let panic = Verdict::Panic {
        headline: "Oops".to_owned(),
        report: Vec::new(),
        during: None,
    };
    let outcomes: Vec<Outcome> = (1..)
        .zip([Verdict::Pass, left, panic])
        .map(|(seed, verdict)| Outcome {
            scheduled: Some(ScheduledRun {
                name: ScheduleName::Seed(seed),
                report: DelayReport::default(),
                messages: Vec::new(),
            }),
            ..outcome(verdict)
        })
        .collect();
    let out = printed(&outcomes);
    assert!(
        out.contains("x (rust), seed 3: the kernel crashed: Oops"),
        "{out}"
    );
    assert!(!out.contains("- a thing"), "{out}");
}
