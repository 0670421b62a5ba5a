//! JUnit XML, by the schema that Jenkins checks a report against (junit-10.xsd of its xUnit plugin).

use anyhow::{Context as _, Result};
use quick_junit::{
    NonSuccessKind, Property, Report as Document, TestCase, TestCaseStatus, TestSuite,
};

use super::super::result::{GradeResult, GradeStatus};

/// Returns the file of a result: a test suite for the exercise, and a test case for each part.
pub(super) fn text(result: &GradeResult) -> Result<String> {
    let mut document = Document::new("kmodlab");
    let mut suite = TestSuite::new(xml_text(&result.exercise));
    for (name, value) in [
        ("student", &*result.student),
        ("points", &*result.course_mark.to_string()),
        ("max-points", &*result.course_points.to_string()),
        ("kernel", &*result.environment.kernel_version),
    ] {
        suite.add_property(Property::new(name, xml_text(value)));
    }
    for part in &result.parts {
        let mut status = match part.passed {
            true => TestCaseStatus::success(),
            false => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        if !part.passed {
            status.set_type(&*part.verdict);
            let message = match result.status {
                GradeStatus::Graded => part.shown_message(),
                _ => &result.message,
            };
            status.set_message(xml_text(message.lines().next().unwrap_or_default()));
            status.set_description(xml_text(message));
        }
        let mut case = TestCase::new(xml_text(&part.title), status);
        case.set_classname(xml_text(&result.exercise));
        case.set_system_out(format!(
            "points: {}/{}",
            part.course_mark, part.course_points
        ));
        suite.add_test_case(case);
    }
    document.add_test_suite(suite);
    let text = document.to_string().context("cannot write JUnit's XML")?;
    // The schema has no such attribute of the whole.
    let skipped = format!(" skipped=\"{}\"", document.skipped);
    Ok(text.replacen(&skipped, "", 1))
}

/// Replaces the two characters that XML 1.0 cannot represent and that quick-junit does not remove.
fn xml_text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
