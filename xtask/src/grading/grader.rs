//! Grades a submission: reads it, checks the rules of the course, and judges it part by part.

use std::path::Path;

mod results;

use anyhow::{Context as _, Result, bail};

use super::allowed_imports::LIST;
use super::course_file::{CourseEntry, CourseFile, is_time};
use super::course_key::CourseKey;
use super::course_mark::CourseMark;
use super::exercises::find;
use super::messages::{shortened, without_paths, without_time};
use super::result::{GradeEnvironment, GradeResult, GradeStatus, GradedPart};
use super::submission::{GradeRequest, Refusal, Submission};
use super::variants::StudentVariants;
use crate::exercise::answer::{Answer, AnswerFolder, AnswerSource};
use crate::exercise::catalogue::Catalogue;
use crate::exercise::check::{CheckSettings, check};
use crate::exercise::result::{CheckResult, PartResult, PartState};
use crate::exercise::{Exercise, TASK, Variant};
use crate::failure::Failure;
use crate::kernel::Profile;
use crate::kernel::source::SourceRequest;
use crate::key::Inputs;
use crate::modules::Language;
use crate::pipeline;
use crate::recording::RecordingFolder;
use crate::session::Session;

/// A verdict of a part that was not judged.
const NOT_RUN: &str = "not-run";

/// Grades submissions to one exercise of a course.
#[derive(Debug)]
pub struct Grader<'a> {
    session: &'a Session,
    course: &'a CourseFile,
    entry: &'a CourseEntry,
    exercise: &'a Exercise,
    /// Points that each part counts in the course.
    course_parts: Vec<CourseMark>,
    key: Option<CourseKey>,
    source: &'a SourceRequest,
    environment: GradeEnvironment,
    /// Whether guests are shown on the progress board.
    progress: bool,
}

/// A submission that was read: everything that its mark depends on.
#[derive(Debug)]
pub struct ReadSubmission<'a> {
    request: GradeRequest<'a>,
    read: Result<Submission, Refusal>,
    variants: StudentVariants,
    /// Key of the contents.
    contents: String,
    /// Key of everything that the mark depends on.
    pub inputs: String,
}

impl<'a> Grader<'a> {
    /// Prepares to grade submissions to an exercise: builds the kernel, and checks that it is the
    /// course's. With `progress`, guests are shown on the progress board.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the course does not have the exercise, its key cannot be read, or the
    /// request is for another kernel; and with the host's fault if the kernel is another one or cannot be
    /// built.
    pub fn new(
        session: &'a Session,
        course: &'a CourseFile,
        catalogue: &'a Catalogue,
        name: &str,
        source: &'a SourceRequest,
        progress: bool,
    ) -> Result<Self> {
        let exercise = find(course, catalogue, &session.workspace, name)?;
        let entry = course.entry(&exercise.id)?;
        let parts = exercise.task.parts.iter().map(|part| part.points);
        let parts: Vec<u32> = parts.collect();
        let course_points = entry.points.unwrap_or(parts.iter().sum());
        let course_parts = CourseMark::scale(&parts, course_points);
        let key = course.read_key()?;
        course.check_kernel(source, &session.workspace)?;
        let (toolchain, _, kernel) = pipeline::kernel(session, source, &Profile::Teaching.into())?;
        let (version, image) = (&kernel.version, kernel.key.as_str());
        course.kernel.check(source, version, image)?;
        let of_key = key.as_ref().map(|key| key.first_seed(&exercise.id));
        let environment = GradeEnvironment {
            kmodlab: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: kernel.kernel.clone(),
            kernel_version: kernel.version.clone(),
            kernel_image: kernel.key.as_str().to_owned(),
            toolchain: toolchain.identity.clone(),
            qemu: toolchain.qemu_version.clone(),
            first_seed: course.seed().or(of_key).unwrap_or(1),
        };
        Ok(Self {
            session,
            course,
            entry,
            exercise,
            course_parts,
            key,
            source,
            environment,
            progress,
        })
    }

    /// Reads a submission.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, and with a usage error if the time is not one.
    pub fn read<'b>(&self, request: GradeRequest<'b>) -> Result<ReadSubmission<'b>> {
        if let Some(time) = request.submitted
            && !is_time(time)
        {
            bail!(Failure::usage(format!(
                "`{time}` is not a time in UTC such as 2026-12-01T08:00:00Z"
            )));
        }
        let solutions = self.exercise.solutions.iter();
        let expected: Vec<(Language, String)> = solutions
            .map(|(language, _)| (*language, self.exercise.answer_file(*language)))
            .collect();
        let read = Submission::read(request.folder, &expected, &self.course.limits)?;
        let read = read.and_then(|submission| match self.word_problem(&submission) {
            Some(problem) => Err(Refusal::new(problem)),
            None => Ok(submission),
        });
        let variants = StudentVariants::choose(self.key.as_ref(), self.exercise, request.student);
        let mut contents = Inputs::new("submission 1");
        match &read {
            Ok(submission) => contents
                .text("file", &submission.file)
                .text("text", &submission.text),
            Err(refusal) => contents.text("refused", &refusal.message),
        };
        let contents = contents.key();
        let inputs = self.inputs(request, contents.as_str(), &variants)?;
        Ok(ReadSubmission {
            request,
            read,
            variants,
            contents: contents.as_str().to_owned(),
            inputs,
        })
    }

    /// Returns the key of everything that a mark depends on.
    fn inputs(
        &self,
        request: GradeRequest<'_>,
        contents: &str,
        variants: &StudentVariants,
    ) -> Result<String> {
        let mut inputs = Inputs::new("grade 2");
        inputs
            .text("allowed by kmodlab", LIST)
            .text("student", request.student)
            .text("submitted", request.submitted.unwrap_or_default())
            .text("contents", contents)
            .text("course", &self.course.title)
            .text("entry", format!("{:?}", self.entry))
            .text("environment", format!("{:?}", self.environment))
            .text("variants", format!("{variants:?}"));
        for (language, solution) in &self.exercise.solutions {
            inputs
                .text("language", language.to_string())
                .text("solution", &solution.text)
                .text(
                    "forbidden",
                    self.course.rules.forbidden(*language).join(" "),
                )
                .text("allowed", self.course.rules.allowed(*language).join(" "));
        }
        inputs.file("task", &self.exercise.folder.join(TASK))?;
        Ok(inputs.key().as_str().to_owned())
    }

    /// Returns the first word or `#include` for which a submission is refused.
    fn word_problem(&self, submission: &Submission) -> Option<String> {
        let Submission {
            language,
            file,
            text,
        } = submission;
        let (line, problem) = self
            .course
            .rules
            .word_problem(self.exercise, *language, text)?;
        Some(format!("{file}:{line}: {problem}"))
    }

    /// Grades a submission. Parts that fail are recorded in `recordings`.
    ///
    /// # Errors
    ///
    /// Fails with the host's fault if nothing is known of a part: that is never a mark.
    pub fn grade(
        &self,
        read: &ReadSubmission<'_>,
        recordings: Option<&RecordingFolder>,
    ) -> Result<GradeResult> {
        let submission = match &read.read {
            Ok(submission) => submission,
            Err(refusal) => {
                let refused = GradeStatus::Refused;
                return Ok(self.without_points(read, None, refused, &refusal.message));
            }
        };
        let language = submission.language;
        let mut results = Vec::new();
        // Hidden parts with other values are an answer of their own, once the first one compiles and
        // is not refused.
        for (name, variant, parts) in self.answers(&read.variants) {
            let result = self.check(submission, name, variant, &parts, recordings)?;
            if let Some((status, message)) = self.problem(&result, submission, read)? {
                return Ok(self.without_points(read, Some(language), status, &message));
            }
            results.push(result);
        }
        let parts = results.iter().flat_map(|result| &result.parts);
        let mut parts = parts
            .map(|part| self.part(part, read))
            .collect::<Result<Vec<GradedPart>>>()?;
        parts.sort_by_key(|part| part.number);
        Ok(self.result(read, Some(language), GradeStatus::Graded, "", parts))
    }

    /// Returns the reason for which a submission has no points, whatever its parts did.
    fn problem(
        &self,
        result: &CheckResult,
        submission: &Submission,
        read: &ReadSubmission<'_>,
    ) -> Result<Option<(GradeStatus, String)>> {
        let message = without_paths(&result.compile.message);
        match &*result.compile.verdict {
            "pass" => {}
            "does-not-compile" => {
                return Ok(Some((GradeStatus::DoesNotCompile, message)));
            }
            _ => bail!(Failure::host(format!(
                "the submission of {} could not be compiled: {message}",
                read.request.student
            ))),
        }
        let rules = &self.course.rules;
        let problem = rules.import_problem(submission.language, &result.imports);
        Ok(problem.map(|problem| {
            let message = format!("{}: {problem}", submission.file);
            (GradeStatus::Refused, message)
        }))
    }

    /// Returns the answers that a submission is judged as: a name, the values, and the parts.
    fn answers<'b>(
        &self,
        variants: &'b StudentVariants,
    ) -> Vec<(&'static str, &'b Variant, Vec<usize>)> {
        let parts = &self.exercise.task.parts;
        let select = |hidden: bool| -> Vec<usize> {
            let is_in = |index: &usize| parts[*index].settings.hidden == hidden;
            (0..parts.len()).filter(is_in).collect()
        };
        let hidden = select(true);
        match hidden.is_empty() || variants.hidden == variants.shown {
            true => vec![("submission", &variants.shown, (0..parts.len()).collect())],
            false => vec![
                ("submission", &variants.shown, select(false)),
                ("hidden", &variants.hidden, hidden),
            ],
        }
    }

    /// Judges a submission by these parts.
    fn check(
        &self,
        submission: &Submission,
        name: &str,
        variant: &Variant,
        parts: &[usize],
        recordings: Option<&RecordingFolder>,
    ) -> Result<CheckResult> {
        let folder = AnswerFolder::new()?;
        let source = AnswerSource {
            name: name.to_owned(),
            text: &submission.text,
            shown: Path::new(&submission.file),
            task: Some(Path::new(TASK)),
            variant: variant.clone(),
        };
        let (exercise, language) = (self.exercise, submission.language);
        let answer = Answer::with_parts(&folder, exercise, language, &source, parts)?;
        let settings = CheckSettings {
            first_seed: self.environment.first_seed,
            progress: self.progress,
            recordings,
            ..CheckSettings::new(self.source)
        };
        let results = check(self.session, &[answer], settings)?;
        results.into_iter().next().context("no result of the check")
    }

    fn part(&self, part: &PartResult, read: &ReadSubmission<'_>) -> Result<GradedPart> {
        if part.state == PartState::Unknown {
            bail!(Failure::host(format!(
                "nothing is known of the part `{}` of {}: {}",
                part.title, read.request.student, part.message
            )));
        }
        let course_points = self.course_points(part.number);
        let failing_seed = part.schedules.and_then(|counts| counts.first_failing_seed);
        Ok(GradedPart {
            number: part.number,
            title: part.title.clone(),
            points: part.points,
            max_points: part.maximum,
            course_mark: match part.passed() {
                true => course_points,
                false => CourseMark::default(),
            },
            course_points,
            passed: part.passed(),
            verdict: part.verdict.clone(),
            message: shortened(without_time(&part.message)),
            hidden: part.hidden,
            visibility: self.visibility(part.hidden),
            schedules: part.schedules.map(|counts| counts.requested),
            failing_seed,
            replay: (part.state == PartState::Failed).then(|| self.replay(read.request.student)),
        })
    }
}
