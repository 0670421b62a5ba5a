//! `grade`: marks for submissions, and the table of a course's marks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use super::common::Common;
use crate::failure::{Failure, Fault, fault_of};
use crate::grading::course_file::CourseFile;
use crate::grading::exercises::catalogue_of;
use crate::grading::formats::{GradeAdapter, GradeFormat, marks_table};
use crate::grading::grader::Grader;
use crate::grading::result::GradeResult;
use crate::grading::sandbox::{self, GradingSandbox};
use crate::grading::store;
use crate::grading::submission::GradeRequest;
use crate::kernel::source::SourceRequest;
use crate::process::Continuable;
use crate::run::plan::Partition;
use crate::{streams, whole_file};

/// Options of `grade`.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct GradeOptions {
    #[command(subcommand)]
    command: Option<GradeCommand>,

    #[command(flatten)]
    common: Common,

    /// The course
    #[arg(long, value_name = "FILE", required = true)]
    course: Option<PathBuf>,

    /// The exercise
    #[arg(long, value_name = "EXERCISE", required = true)]
    exercise: Option<String>,

    /// The student, whose name the variant of the exercise follows from
    #[arg(long, value_name = "NAME", requires = "submission")]
    student: Option<String>,

    /// The folder with the student's submission
    #[arg(
        long = "in",
        id = "submission",
        value_name = "FOLDER",
        requires = "student"
    )]
    submission: Option<PathBuf>,

    /// Grade all submissions in this folder: each is a folder with the student's name
    ///
    /// A submission that has its result already is left out, unless anything that the result depends on
    /// has changed.
    #[arg(long, value_name = "FOLDER", required_unless_present = "submission", conflicts_with_all = ["submission", "student", "submitted"])]
    submissions: Option<PathBuf>,

    /// The folder of results; of several submissions, each has a folder there
    #[arg(long, value_name = "FOLDER", required = true)]
    out: Option<PathBuf>,

    /// Write the result in this format too; may be given several times
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Vec<GradeFormat>,

    /// Grade the Kth of N parts of the submissions
    #[arg(long, value_name = "K/N", requires = "submissions")]
    shard: Option<Partition>,

    /// The time of the submission in UTC, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    submitted: Option<String>,

    /// Leave out the recordings of parts that fail, for `replay`
    #[arg(long)]
    no_recordings: bool,

    /// Grade in a container without network, privileges and write access, made by bubblewrap
    #[arg(long)]
    sandbox: bool,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum GradeCommand {
    /// Make the table of marks (CSV) from a folder of results
    Table(TableOptions),
}

#[derive(Debug, Clone, clap::Args)]
struct TableOptions {
    /// The folder with the results of all exercises
    #[arg(value_name = "FOLDER")]
    results: PathBuf,

    /// Write the table to this file, and not to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command. The status is 0 whatever the marks are, and 69 if a submission has none, because
/// the host failed.
///
/// # Errors
///
/// Fails if an option or the course is invalid, and if the host fails before the first submission.
pub fn run(options: &GradeOptions) -> Result<ExitCode> {
    if let Some(GradeCommand::Table(table)) = &options.command {
        return marks(table).map(|()| ExitCode::SUCCESS);
    }
    let needed = |path: &Option<PathBuf>| path.clone().context("clap requires it");
    let course_path = needed(&options.course)?;
    let out = needed(&options.out)?;
    let course = CourseFile::read(&course_path)?;
    // Refused before any guest runs.
    let adapters = options.format.iter().map(|format| format.adapter());
    let adapters: Vec<GradeAdapter> = adapters.collect::<Result<_>>()?;
    let submissions = options.submission.iter().chain(&options.submissions);
    check_out(&out, &course, submissions.clone())?;
    if options.sandbox {
        return sandbox::enter(&GradingSandbox {
            writable: out,
            readable: course.paths().iter().chain(submissions).cloned().collect(),
        });
    }
    let session = options.common.session()?;
    let catalogue = catalogue_of(&course, &session)?;
    let source = source_of(&course, &options.common);
    let exercise = options.exercise.as_deref().unwrap_or_default();
    let requests = options.requests(&out)?;
    let count = requests.len();
    let grader = Grader::new(&session, &course, &catalogue, exercise, &source, count == 1)?;
    let mut unknown = 0;
    // A single submission has no result before its end.
    let several = options.submissions.as_ref();
    let _grading = several
        .map(|_| Continuable::begin("the results so far are kept, and the same command continues"));
    for (index, (student, folder, out)) in (1..).zip(&requests) {
        let request = GradeRequest {
            student,
            folder,
            submitted: options.submitted.as_deref(),
        };
        match options.grade_one(&grader, request, out, &adapters) {
            Ok((result, kept)) => {
                let kept = if kept { ", kept" } else { "" };
                crate::outln!("{index}/{count} {}{kept}", result.line())?;
            }
            Err(error) if fault_of(&error) == Fault::Host => {
                unknown += 1;
                crate::errln!("{student}: no mark: {error:#}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(match unknown {
        0 => ExitCode::SUCCESS,
        _ => {
            crate::errln!("{unknown} of {count} without a mark; run the same command again");
            ExitCode::from(Fault::Host.status())
        }
    })
}

impl GradeOptions {
    /// Returns the students with the folders of their submissions and of their results.
    fn requests(&self, out: &Path) -> Result<Vec<(String, PathBuf, PathBuf)>> {
        if let (Some(student), Some(folder)) = (&self.student, &self.submission) {
            store::check_student(student)?;
            ensure!(
                folder.is_dir(),
                Failure::usage(format!("--in: {} is not a folder", folder.display()))
            );
            return Ok(vec![(student.clone(), folder.clone(), out.to_owned())]);
        }
        let folder = self.submissions.as_deref().unwrap_or(Path::new("."));
        let all = store::submissions(folder)?.into_iter().enumerate();
        let own = all.filter(|(index, _)| self.shard.is_none_or(|shard| shard.has(*index)));
        let request = |(_, (student, folder)): (usize, (String, PathBuf))| {
            let out = out.join(&student);
            (student, folder, out)
        };
        Ok(own.map(request).collect())
    }

    /// Grades a submission, or keeps its result. Returns the result, and whether it was kept.
    fn grade_one(
        &self,
        grader: &Grader<'_>,
        request: GradeRequest<'_>,
        out: &Path,
        adapters: &[GradeAdapter],
    ) -> Result<(GradeResult, bool)> {
        let read = grader.read(request)?;
        let kept = store::finished(out).filter(|result| result.inputs == read.inputs);
        let (result, kept) = match kept {
            Some(result) => (result, true),
            None => {
                let recordings = store::new_recordings(out)?;
                let recordings = (!self.no_recordings).then_some(recordings);
                (grader.grade(&read, recordings.as_ref())?, false)
            }
        };
        store::write(out, &result, adapters)?;
        Ok((result, kept))
    }
}

/// Makes the folder of results, and checks that it can be written to and is apart from what is graded: its
/// files would be taken for parts of a submission or for exercises.
fn check_out<'a>(
    out: &Path,
    course: &CourseFile,
    submissions: impl Iterator<Item = &'a PathBuf>,
) -> Result<()> {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("--out: {} cannot be used: {why}", out.display()))
    };
    std::fs::create_dir_all(out).map_err(|error| refuse(&error))?;
    tempfile::NamedTempFile::new_in(out).map_err(|error| refuse(&error.kind()))?;
    let real = out.canonicalize().map_err(|error| refuse(&error))?;
    let real_path = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let is_within = submissions
        .cloned()
        .any(|graded| real.starts_with(real_path(graded)));
    // A folder of results may be in that of the course.
    ensure!(
        !is_within && real != real_path(course.folder()),
        refuse(&"it has what is graded; give a folder of its own")
    );
    Ok(())
}

/// Returns the request for the kernel of a course, unless the options name another.
pub(super) fn source_of(course: &CourseFile, common: &Common) -> SourceRequest {
    let request = common.source_request();
    match (&request.kernel, &request.source) {
        (None, None) => SourceRequest {
            kernel: course.kernel.name.clone(),
            source: None,
        },
        _ => request,
    }
}

fn marks(options: &TableOptions) -> Result<()> {
    let table = marks_table(&store::results(&options.results)?)?;
    match &options.output {
        Some(file) => whole_file::write(file, table).map(drop),
        None => {
            use std::io::Write as _;
            write!(streams::stdout(), "{table}")?;
            Ok(())
        }
    }
}
