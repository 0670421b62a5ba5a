//! Results of a grader, with and without points.

use std::path::Path;

use super::{GradedPart, Grader, NOT_RUN, ReadSubmission};
use crate::grading::course_file::Visibility;
use crate::grading::course_mark::CourseMark;
use crate::grading::messages::shortened;
use crate::grading::result::{GRADE_SCHEMA, GradeResult, GradeStatus};
use crate::modules::Language;
use crate::text::shell_word;

impl Grader<'_> {
    /// Returns the points that the part with this number, from 1, counts in the course.
    pub(super) fn course_points(&self, number: usize) -> CourseMark {
        let part = number.checked_sub(1);
        let points = part.and_then(|index| self.course_parts.get(index));
        points.copied().unwrap_or_default()
    }

    /// Returns the command that repeats the failure of a part: the same bytes, on any host.
    pub(super) fn replay(&self, student: &str) -> String {
        let [id, student] = [&*self.exercise.id, student].map(|word| shell_word(Path::new(word)));
        format!(
            "kmodlab grade --course course.toml --exercise {id} --student {student} \
             --in FOLDER --out FOLDER"
        )
    }

    pub(super) fn visibility(&self, hidden: bool) -> Visibility {
        match hidden {
            true => self.entry.hidden_parts,
            false => self.entry.visibility,
        }
    }

    /// Returns a result in which no part was run.
    pub(super) fn without_points(
        &self,
        read: &ReadSubmission<'_>,
        language: Option<Language>,
        status: GradeStatus,
        message: &str,
    ) -> GradeResult {
        let parts = (1..).zip(&self.exercise.task.parts);
        let parts = parts.map(|(number, part)| GradedPart {
            number,
            title: part.title.clone(),
            points: 0,
            max_points: part.points,
            course_mark: CourseMark::default(),
            course_points: self.course_points(number),
            passed: false,
            verdict: NOT_RUN.to_owned(),
            message: String::new(),
            hidden: part.settings.hidden,
            visibility: self.visibility(part.settings.hidden),
            schedules: part.settings.schedules,
            failing_seed: None,
            replay: None,
        });
        self.result(read, language, status, message, parts.collect())
    }

    pub(super) fn result(
        &self,
        read: &ReadSubmission<'_>,
        language: Option<Language>,
        status: GradeStatus,
        message: &str,
        parts: Vec<GradedPart>,
    ) -> GradeResult {
        let max_points = parts.iter().map(|part| part.max_points).sum();
        let late = self.entry.due.as_deref().zip(read.request.submitted);
        GradeResult {
            schema: GRADE_SCHEMA,
            course: self.course.title.clone(),
            exercise: self.exercise.id.clone(),
            title: self.exercise.task.title.clone(),
            student: read.request.student.to_owned(),
            status,
            message: shortened(message),
            language: language.map(|language| language.to_string()),
            points: parts.iter().map(|part| part.points).sum(),
            max_points,
            course_points: self.entry.points.unwrap_or(max_points),
            course_mark: parts.iter().map(|part| part.course_mark).sum(),
            late: late.map(|(due, submitted)| submitted > due),
            visibility: self.entry.visibility,
            variant: read.variants.shown.0.clone(),
            hidden_variant: read.variants.hidden.0.clone(),
            parts,
            submission: read.contents.clone(),
            inputs: read.inputs.clone(),
            environment: self.environment.clone(),
        }
    }
}
