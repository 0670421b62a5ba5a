//! The report as JUnit's XML: a test suite per lesson, and a test case per language
//! and run. A failed run has a `failure` whose type is the verdict's name, or an
//! `error` if the host failed. The elements and attributes are those of the schema that Jenkins
//! checks a report against (junit-10.xsd of its xUnit plugin).

use anyhow::{Context as _, Result};
use quick_junit::{
    NonSuccessKind, Property, Report as Document, TestCase, TestCaseStatus, TestSuite,
};

use super::{Outcome, SuiteReport, detail_lines};
use crate::lesson::verdict::Verdict;

/// Returns the report as XML.
///
/// # Errors
///
/// None in practice: the text is written to memory.
pub fn text(report: &SuiteReport) -> Result<String> {
    let mut document = Document::new("kmodlab");
    document.set_time(report.wall);
    let by_lesson = report.outcomes.chunk_by(|a, b| a.lesson == b.lesson);
    for outcomes in by_lesson {
        let mut suite = TestSuite::new(xml_text(&outcomes[0].lesson));
        suite.set_time(outcomes.iter().map(|outcome| outcome.wall).sum());
        suite.add_property(Property::new("time", report.time));
        if let Some(kernel) = &report.kernel {
            suite.add_property(Property::new("kernel", xml_text(&kernel.version)));
            suite.add_property(Property::new("qemu", xml_text(&kernel.qemu)));
        }
        suite.add_test_cases(outcomes.iter().map(case));
        document.add_test_suite(suite);
    }
    let text = document.to_string().context("cannot write JUnit's XML")?;
    // The schema has no such attribute of the whole, and Jenkins then refuses the file.
    let skipped = format!(" skipped=\"{}\"", document.skipped);
    Ok(text.replacen(&skipped, "", 1))
}

fn case(outcome: &Outcome) -> TestCase {
    let mut status = match &outcome.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Skipped { .. } => TestCaseStatus::skipped(),
        Verdict::Infrastructure { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if !outcome.verdict.passed() {
        status.set_message(xml_text(&outcome.verdict.to_string()));
    }
    if outcome.failed() {
        status.set_type(outcome.verdict.name());
        status.set_description(xml_text(&detail_lines(outcome).join("\n")));
    }
    let mut name = outcome.language.to_string();
    if let Some(seed) = outcome.seed() {
        name += &format!(".seed{seed}");
    }
    if let Some(run) = outcome.run {
        name += &format!(".{run}");
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(xml_text(&outcome.lesson));
    case.set_time(outcome.wall);
    // A case has no properties in the schema.
    let mut notes = Vec::new();
    if let Some(seconds) = outcome.guest_seconds {
        notes.push(format!("guest-seconds: {seconds}"));
    }
    if let Some(artifacts) = &outcome.artifacts {
        notes.push(format!("artifacts: {}", artifacts.display()));
    }
    if !notes.is_empty() {
        case.set_system_out(xml_text(&notes.join("\n")));
    }
    case
}

/// Replaces the two characters that XML 1.0 cannot represent and that quick-junit
/// does not remove.
fn xml_text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
