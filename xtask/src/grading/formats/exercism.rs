//! The `results.json` of exercism's test runners, version 3 (exercism.org/docs, "The Test Runner
//! Interface").

use serde::Serialize;

use super::super::result::{GradeResult, GradeStatus};

/// Longest message, in characters.
const LONGEST: usize = 65_535;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct ExercismDocument<'a> {
    version: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    tests: Vec<ExercismTest<'a>>,
}

#[derive(Debug, Serialize)]
struct ExercismTest<'a> {
    name: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    test_code: String,
    task_id: usize,
}

/// Returns the document of a result.
pub(super) fn document(result: &GradeResult) -> ExercismDocument<'_> {
    let graded = result.status == GradeStatus::Graded;
    let all = result.parts.iter().all(|part| part.passed);
    let parts = result.parts.iter();
    let test = |part| exercism_test(part);
    ExercismDocument {
        version: 3,
        status: match (graded, all) {
            (false, _) => "error",
            (true, true) => "pass",
            (true, false) => "fail",
        },
        message: (!graded).then(|| short(&super::explanation(result))),
        tests: match graded {
            true => parts.map(test).collect(),
            // No test ran.
            false => Vec::new(),
        },
    }
}

fn exercism_test(part: &super::super::result::GradedPart) -> ExercismTest<'_> {
    ExercismTest {
        name: &part.title,
        status: if part.passed { "pass" } else { "fail" },
        message: (!part.passed).then(|| match part.shown_message() {
            "" => "This part did not pass.".to_owned(),
            message => short(message),
        }),
        test_code: format!("part {} of task.md: {}", part.number, part.title),
        task_id: part.number,
    }
}

/// Returns at most the first characters of a message.
fn short(message: &str) -> String {
    message.chars().take(LONGEST).collect()
}
