//! `result.json`: the mark of a submission, with everything that it depends on.
//!
//! `docs/result.schema.json` describes all fields. The document has no times of the host's clock and
//! no paths of the host: the same submission, graded again or elsewhere, has the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::course_file::Visibility;
use super::course_mark::CourseMark;

/// Version of the document. A field may be added without a new version.
pub const GRADE_SCHEMA: u32 = 1;

/// The mark of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GradeResult {
    /// Version of the schema.
    #[cfg_attr(test, schemars(extend("const" = GRADE_SCHEMA)))]
    pub schema: u32,
    /// Title of the course.
    pub course: String,
    /// Id of the exercise: `"io_wait_event/2-every-fifth"`.
    pub exercise: String,
    /// Title of the exercise.
    pub title: String,
    /// The student, as given to `--student`.
    pub student: String,
    /// `graded`, `does-not-compile`, or `refused` if the submission breaks a rule of the course.
    pub status: GradeStatus,
    /// The compiler's messages, or the rule; empty if the submission was graded.
    pub message: String,
    /// Language of the submission, `"rust"` or `"c"`; null if it has no source.
    pub language: Option<String>,
    /// Points of the parts that passed.
    pub points: u32,
    /// Points of all parts.
    pub max_points: u32,
    /// Points that the exercise counts in the course.
    pub course_points: u32,
    /// The mark in the course: the sum of that of the parts.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub course_mark: CourseMark,
    /// Whether the submission came after the time for it; null if `--submitted` was not given or
    /// the exercise has no such time.
    pub late: Option<bool>,
    /// When the student sees the results.
    pub visibility: Visibility,
    /// The student's values of the exercise, by name.
    pub variant: BTreeMap<String, String>,
    /// The values of hidden parts.
    pub hidden_variant: BTreeMap<String, String>,
    /// The parts, in the order of the exercise. All have no points if the status is not `graded`.
    pub parts: Vec<GradedPart>,
    /// Key of the contents of the submission.
    pub submission: String,
    /// Key of everything that the mark depends on: the submission, the exercise, the course's
    /// rules, and the environment.
    pub inputs: String,
    /// The kernel and the tools.
    pub environment: GradeEnvironment,
}

/// The state of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GradeStatus {
    /// Guests ran, and each part has a verdict.
    Graded,
    /// The source does not compile.
    DoesNotCompile,
    /// The submission breaks a rule.
    Refused,
}

/// The mark of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GradedPart {
    /// Number of the part in the exercise, from 1.
    pub number: usize,
    /// Title of the part.
    pub title: String,
    /// Points of the submission.
    pub points: u32,
    /// Points that it could have.
    pub max_points: u32,
    /// Points of the submission in the course.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub course_mark: CourseMark,
    /// Points that it could have in the course: `max_points`, scaled to hundredths so that those of all parts
    /// are the exercise's points in the course.
    #[cfg_attr(test, schemars(with = "f64"))]
    pub course_points: CourseMark,
    /// Whether the part passed.
    pub passed: bool,
    /// `pass`, `not-run`, `missing-call`, `forbidden-call`, or the verdict of a run, such as
    /// `mismatch` or `hang`.
    pub verdict: String,
    /// The verdict in a few words for people; empty if the part passed.
    pub message: String,
    /// Whether students know only the title of the part.
    pub hidden: bool,
    /// When the student sees the result of this part.
    pub visibility: Visibility,
    /// Number of schedules under which the part runs; null if it has none.
    pub schedules: Option<u32>,
    /// Seed of the first schedule that failed.
    pub failing_seed: Option<u32>,
    /// The command that repeats the failure where the course and the submission are; null if the
    /// part passed or was not run.
    pub replay: Option<String>,
}

/// The kernel and the tools that a mark depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GradeEnvironment {
    /// Version of kmodlab.
    pub kmodlab: String,
    /// Name of the kernel in kernels.toml: `"6.12"`.
    pub kernel: String,
    /// Version of the kernel: `"6.12.117"`.
    pub kernel_version: String,
    /// Key of the kernel image.
    pub kernel_image: String,
    /// Versions of rustc, clang and the other tools that a module depends on.
    pub toolchain: String,
    /// Version of QEMU.
    pub qemu: String,
    /// Seed of the first schedule.
    pub first_seed: u32,
}

impl GradeResult {
    /// Returns the mark in one line, for the console.
    pub fn line(&self) -> String {
        let why = match self.status {
            GradeStatus::Refused => {
                format!(": {}", self.message.lines().next().unwrap_or_default())
            }
            _ => String::new(),
        };
        format!(
            "{}: {}: {} of {} points, {}{why}",
            self.student,
            self.exercise,
            self.course_mark,
            self.course_points,
            self.status.name()
        )
    }

    /// Reports whether a part has a fraction of a point in the course.
    pub fn has_fractions(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.course_points.whole().is_none())
    }
}

impl GradedPart {
    /// Returns the message that a student sees with the title: of a hidden part, none.
    pub fn shown_message(&self) -> &str {
        match self.hidden {
            true => "",
            false => &self.message,
        }
    }
}

impl GradeStatus {
    /// Returns the name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graded => "graded",
            Self::DoesNotCompile => "does-not-compile",
            Self::Refused => "refused",
        }
    }
}
