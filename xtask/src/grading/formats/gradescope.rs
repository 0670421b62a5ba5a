//! Gradescope's `results.json` (gradescope-autograders.readthedocs.io, "Autograder Specifications").

use serde::Serialize;

use super::super::course_file::Visibility;
use super::super::course_mark::CourseMark;
use super::super::result::GradeResult;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct GradescopeDocument<'a> {
    score: CourseMark,
    output: String,
    output_format: &'static str,
    visibility: Visibility,
    stdout_visibility: Visibility,
    tests: Vec<GradescopeTest<'a>>,
}

#[derive(Debug, Serialize)]
struct GradescopeTest<'a> {
    score: CourseMark,
    max_score: CourseMark,
    status: &'static str,
    name: &'a str,
    number: String,
    output: &'a str,
    output_format: &'static str,
    visibility: Visibility,
}

/// Returns the document of a result.
pub(super) fn document(result: &GradeResult) -> GradescopeDocument<'_> {
    let parts = result.parts.iter();
    GradescopeDocument {
        score: result.course_mark,
        output: super::explanation(result),
        output_format: "text",
        visibility: result.visibility,
        stdout_visibility: Visibility::Hidden,
        tests: parts
            .map(|part| GradescopeTest {
                score: part.course_mark,
                max_score: part.course_points,
                status: if part.passed { "passed" } else { "failed" },
                name: &part.title,
                number: part.number.to_string(),
                output: part.shown_message(),
                output_format: "text",
                visibility: part.visibility,
            })
            .collect(),
    }
}
