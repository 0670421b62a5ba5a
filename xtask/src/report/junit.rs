//! The report as JUnit's XML: a test suite a lesson, a test case a language
//! and run. What failed is a `failure` whose type is the verdict's name, but
//! an `error` where the machine failed.

use anyhow::{Context as _, Result};
use quick_junit::{
    NonSuccessKind, Property, Report as Document, TestCase, TestCaseStatus, TestSuite,
};

use super::{Outcome, SuiteReport, detail_lines};
use crate::lesson::verdict::Verdict;

/// The report's text.
pub fn text(report: &SuiteReport) -> Result<String> {
    let mut document = Document::new("kmodlab");
    document.set_time(report.wall);
    let by_lesson = report.outcomes.chunk_by(|a, b| a.lesson == b.lesson);
    for outcomes in by_lesson {
        let mut suite = TestSuite::new(tame(&outcomes[0].lesson));
        suite.set_time(outcomes.iter().map(|outcome| outcome.wall).sum());
        suite.add_property(Property::new("time", report.time));
        if let Some(kernel) = &report.kernel {
            suite.add_property(Property::new("kernel", tame(&kernel.version)));
            suite.add_property(Property::new("qemu", tame(&kernel.qemu)));
        }
        suite.add_test_cases(outcomes.iter().map(case));
        document.add_test_suite(suite);
    }
    document.to_string().context("cannot write JUnit's XML")
}

fn case(outcome: &Outcome) -> TestCase {
    let mut status = match &outcome.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Skipped { .. } => TestCaseStatus::skipped(),
        Verdict::Infrastructure { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if !outcome.verdict.passed() {
        status.set_message(tame(&outcome.verdict.to_string()));
    }
    if outcome.failed() {
        status.set_type(outcome.verdict.name());
        status.set_description(tame(&detail_lines(outcome).join("\n")));
    }
    let mut name = outcome.language.to_string();
    if let Some(seed) = outcome.seed() {
        name += &format!(".seed{seed}");
    }
    if let Some(run) = outcome.run {
        name += &format!(".{run}");
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(tame(&outcome.lesson));
    case.set_time(outcome.wall);
    if let Some(seconds) = outcome.guest_seconds {
        case.add_property(Property::new("guest-seconds", seconds.to_string()));
    }
    if let Some(artifacts) = &outcome.artifacts {
        case.add_property(Property::new(
            "artifacts",
            tame(&artifacts.display().to_string()),
        ));
    }
    case
}

/// A text without the letters that XML 1.0 has no way to write; quick-junit
/// takes away most of them, but not these two.
fn tame(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
