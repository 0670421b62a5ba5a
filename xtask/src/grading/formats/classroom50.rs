//! Classroom 50's `result.json`, by its schema `schemas/result-v1.schema.json`.
//!
//! The runner stamps the owner, the type and the time itself, and checks the rest against the
//! repository: those come from the variables that it sets. Its scores are whole numbers: if a part of
//! an exercise has a fraction of a point in the course, all scores of the exercise are in hundredths.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::super::course_mark::CourseMark;
use super::super::result::GradeResult;
use crate::failure::Failure;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Classroom50Document<'a> {
    schema: &'static str,
    classroom: &'a str,
    assignment: &'a str,
    #[serde(rename = "assignment_type")]
    assignment_type: &'a str,
    owner: &'a str,
    submission: &'a str,
    commit: &'a str,
    release: &'a str,
    review: &'a str,
    datetime: &'a str,
    score: u64,
    max_score: u64,
    tests: Vec<Classroom50Test<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Classroom50Test<'a> {
    test_name: &'a str,
    passed: bool,
    score: u64,
    max_score: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// The variables that Classroom 50's runner sets for an autograder.
pub const VARIABLES: [&str; 10] = [
    "CLASSROOM",
    "ASSIGNMENT",
    "MODE",
    "OWNER",
    "GITHUB_ACTOR",
    "SUBMISSION_TAG",
    "SUBMISSION_DATETIME",
    "COMMIT_URL",
    "RELEASE_URL",
    "REVIEW_URL",
];

/// The values of the [`VARIABLES`].
#[derive(Debug, Clone)]
pub struct Classroom50Run {
    classroom: String,
    assignment: String,
    assignment_type: String,
    owner: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
    datetime: String,
}

impl Classroom50Run {
    /// Reads the variables from the environment.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names a variable that is not set.
    pub(super) fn from_env() -> Result<Self> {
        Self::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    pub(super) fn from(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let needed = |name: &str| {
            get(name).with_context(|| {
                Failure::usage(format!(
                    "--format classroom50: the variable {name} is not set; Classroom 50's runner \
                     sets it for autograder.py"
                ))
            })
        };
        let commit = needed("COMMIT_URL")?;
        Ok(Self {
            classroom: needed("CLASSROOM")?,
            assignment: needed("ASSIGNMENT")?,
            // Stamped by the runner; these values are valid where a teacher tries the command.
            assignment_type: get("MODE").unwrap_or_else(|| "individual".to_owned()),
            owner: get("OWNER")
                .or_else(|| get("GITHUB_ACTOR"))
                .unwrap_or_else(|| "unknown".to_owned()),
            submission: needed("SUBMISSION_TAG")?,
            release: needed("RELEASE_URL")?,
            review: get("REVIEW_URL").unwrap_or_else(|| commit.clone()),
            datetime: get("SUBMISSION_DATETIME")
                .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
            commit,
        })
    }
}

/// Returns the document of a result.
pub(super) fn document<'a>(
    result: &'a GradeResult,
    run: &'a Classroom50Run,
) -> Classroom50Document<'a> {
    let parts = result.parts.iter();
    let score = |mark: CourseMark| match result.has_fractions() {
        true => mark.hundredths(),
        false => mark.hundredths() / 100,
    };
    Classroom50Document {
        schema: "classroom50/result/v1",
        classroom: &run.classroom,
        assignment: &run.assignment,
        assignment_type: &run.assignment_type,
        owner: &run.owner,
        submission: &run.submission,
        commit: &run.commit,
        release: &run.release,
        review: &run.review,
        datetime: &run.datetime,
        score: score(result.course_mark),
        max_score: score(result.parts.iter().map(|part| part.course_points).sum()),
        tests: parts
            .map(|part| Classroom50Test {
                test_name: &part.title,
                passed: part.passed,
                score: score(part.course_mark),
                max_score: score(part.course_points),
                message: match part.passed || !result.message.is_empty() {
                    true => &result.message,
                    false => part.shown_message(),
                },
            })
            .collect(),
    }
}
