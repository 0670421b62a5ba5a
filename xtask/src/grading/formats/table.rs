//! Tables as CSV (RFC 4180), which spreadsheets, Moodle and Canvas import.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::super::course_mark::CourseMark;
use super::super::result::GradeResult;

/// Returns a table with a row for each part of a result, with its points in the course.
///
/// # Errors
///
/// None in practice: the text is written to memory.
pub fn result_table(result: &GradeResult) -> Result<String> {
    let head = [
        "student",
        "exercise",
        "part",
        "title",
        "points",
        "max_points",
        "verdict",
    ];
    let rows = result.parts.iter().map(|part| {
        vec![
            cell(&result.student),
            cell(&result.exercise),
            part.number.to_string(),
            cell(&part.title),
            part.course_mark.to_string(),
            part.course_points.to_string(),
            part.verdict.clone(),
        ]
    });
    text(std::iter::once(head.map(str::to_owned).to_vec()).chain(rows))
}

/// Returns the marks of a course: a row for each student, a column for each exercise, and the sum.
/// A student without a result for an exercise has an empty cell there.
///
/// # Errors
///
/// None in practice, as for [`result_table`].
pub fn marks_table(results: &[GradeResult]) -> Result<String> {
    let mut exercises: BTreeSet<(&str, u32)> = BTreeSet::new();
    let mut marks: BTreeMap<&str, BTreeMap<&str, CourseMark>> = BTreeMap::new();
    for result in results {
        exercises.insert((&result.exercise, result.course_points));
        let of_student = marks.entry(&result.student).or_default();
        of_student.insert(&result.exercise, result.course_mark);
    }
    let names = exercises
        .iter()
        .map(|(id, points)| format!("{} ({points})", cell(id)));
    let head = std::iter::once("student".to_owned())
        .chain(names)
        .chain(["total".to_owned()]);
    let rows = marks.iter().map(|(student, of_student)| {
        let mark = |(id, _): &(&str, u32)| {
            of_student
                .get(id)
                .map_or_else(String::new, CourseMark::to_string)
        };
        let total: CourseMark = of_student.values().copied().sum();
        std::iter::once(cell(student))
            .chain(exercises.iter().map(mark))
            .chain([total.to_string()])
            .collect()
    });
    text(std::iter::once(head.collect()).chain(rows))
}

/// Returns a text that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn text(rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(false)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).context("cannot write a table")?;
    }
    let bytes = writer.into_inner().context("cannot write a table")?;
    String::from_utf8(bytes).context("cannot write a table")
}
