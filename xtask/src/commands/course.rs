//! `course`: a teacher's exercises.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use super::common::{Common, OneLang};
use super::exercise;
use super::grade::source_of;
use crate::exercise::Catalogue;
use crate::exercise::answer::Answer;
use crate::failure::{Failure, Fault};
use crate::grading::course_file::CourseFile;
use crate::grading::course_key::new_key;
use crate::grading::exercises::{
    catalogue_of, check_exercises, find, own_exercises, problems, scaling_notes,
};
use crate::grading::hand_out::{hand_out, hand_out_course, hand_out_own};
use crate::grading::store;
use crate::kernel::Profile;
use crate::kernel::source::SourceRequest;
use crate::pipeline;
use crate::program;
use crate::text::shell_word;
use crate::whole_file;

/// Options of `course`.
#[derive(Debug, Clone, clap::Args)]
pub struct CourseOptions {
    #[command(subcommand)]
    command: CourseCommand,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum CourseCommand {
    /// Write a new course with one exercise, which `course check` proves
    New(NewCourseOptions),
    /// Prove the exercises of a course, as those of kmodlab are proved
    Check(CheckCourseOptions),
    /// Write the texts and the skeletons that a student gets, with the student's values
    HandOut(HandOutOptions),
}

#[derive(Debug, Clone, clap::Args)]
struct NewCourseOptions {
    /// The course's folder, which must not exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
struct CheckCourseOptions {
    #[command(flatten)]
    common: Common,

    /// The course's folder, or its file
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    /// Leave out the debug kernel and all schedules
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct HandOutOptions {
    /// The course
    #[arg(long, value_name = "FILE")]
    course: PathBuf,

    /// The exercise; without it, a student's folder with all of the course, for `check` and `learn`
    #[arg(long, value_name = "EXERCISE")]
    exercise: Option<String>,

    /// The language of the student's folder
    #[arg(long, value_enum, default_value_t = OneLang::Rust, conflicts_with = "exercise")]
    lang: OneLang,

    /// The student
    #[arg(long, value_name = "NAME")]
    student: String,

    /// The folder for the files
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Files of a new course, with their templates.
const FILES: [(&str, &str); 5] = [
    ("course.toml", include_str!("course/course.toml.in")),
    ("week1/1-hello/task.md", include_str!("course/task.md.in")),
    (
        "week1/1-hello/course_hello.rs",
        include_str!("course/course_hello.rs.in"),
    ),
    (
        "week1/1-hello/c/course_hello.c",
        include_str!("course/course_hello.c.in"),
    ),
    (".gitignore", "course.key\n"),
];

/// Runs the command.
///
/// # Errors
///
/// Fails if a file cannot be read or written, or the kernel cannot be built. A proof that does not
/// hold is not an error: the status is 1.
pub fn run(options: &CourseOptions) -> Result<ExitCode> {
    match &options.command {
        CourseCommand::New(options) => new_course(&options.folder).map(|()| ExitCode::SUCCESS),
        CourseCommand::Check(options) => check_course(options),
        CourseCommand::HandOut(options) => hand_out_exercise(options).map(|()| ExitCode::SUCCESS),
    }
}

fn new_course(folder: &Path) -> Result<()> {
    ensure!(
        !folder.exists(),
        Failure::usage(format!("{} exists already", folder.display()))
    );
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
        whole_file::write(&path, text).map(drop)
    };
    for (file, text) in FILES {
        write(file, text)?;
    }
    write("course.key", &(new_key()? + "\n"))?;
    use std::os::unix::fs::PermissionsExt as _;
    let key = folder.join("course.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", key.display()))?;
    let name = program::name();
    crate::outln!("created {}", folder.display())?;
    crate::outln!("next: {name} course check {}", shell_word(folder))?;
    crate::outln!("keep course.key secret, and keep a copy of it")?;
    Ok(())
}

/// Returns the path of a course's file, from that of the file or its folder.
fn course_file(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("course.toml"),
        false => path.to_owned(),
    }
}

fn check_course(options: &CheckCourseOptions) -> Result<ExitCode> {
    let path = course_file(&options.path);
    let course = CourseFile::read(&path)?;
    course.read_key()?;
    let session = options.common.session()?;
    let source = source_of(&course, &options.common);
    course.check_kernel(&source, &session.workspace)?;
    let catalogue = catalogue_of(&course, &session)?;
    check_exercises(&course, &catalogue, &session.workspace, &course.exercises)?;
    let problems = problems(&course, &catalogue);
    for problem in &problems {
        crate::outln!("{}: {problem}", path.display())?;
    }
    let (_, _, kernel) = pipeline::kernel(&session, &source, &Profile::Teaching.into())?;
    let (version, image) = (&kernel.version, kernel.key.as_str());
    course.kernel.check(&source, version, image)?;
    if course.kernel.image.is_none() {
        crate::outln!(
            "{}: the kernel is not pinned; to grade all submissions on this one, write:\n\n\
             [kernel]\nname = \"{}\"\nversion = \"{}\"\nimage = \"{}\"\n",
            path.display(),
            kernel.kernel,
            kernel.version,
            kernel.key.as_str()
        )?;
    }
    for note in scaling_notes(&course, &catalogue) {
        crate::outln!("{}: {note}", path.display())?;
    }
    let entries = course.exercises.iter();
    let exercises = entries.filter_map(|entry| catalogue.find(&entry.id).ok());
    let exercises: Vec<_> = exercises.collect();
    // The words of solutions are among the problems already; the symbols of a module are known when it is built.
    let refusal = |answer: &Answer<'_>, imports: &[String]| {
        course.rules.import_problem(answer.language, imports)
    };
    let proved = exercise::prove_all(&session, &source, &exercises, options.quick, &refusal)?;
    Ok(match problems.is_empty() {
        true => proved,
        false => ExitCode::from(Fault::Lesson.status()),
    })
}

/// Refuses a folder that would then be found among the exercises of the course.
fn check_out(out: &Path, course: &CourseFile) -> Result<()> {
    let folder = std::path::absolute(out).context("cannot find the current folder")?;
    // The folder itself need not exist yet.
    let existing = folder
        .ancestors()
        .find_map(|folder| folder.canonicalize().ok());
    let exercises = course.folder();
    let exercises = exercises.canonicalize().unwrap_or(exercises);
    ensure!(
        !existing.is_some_and(|folder| folder.starts_with(&exercises)),
        Failure::usage(format!(
            "--out: {} is in {}, the folder of the course's exercises; give a folder outside of it",
            out.display(),
            exercises.display()
        ))
    );
    Ok(())
}

fn hand_out_exercise(options: &HandOutOptions) -> Result<()> {
    let course = CourseFile::read(&course_file(&options.course))?;
    store::check_student(&options.student)?;
    check_out(&options.out, &course)?;
    let session = crate::session::Session::new(false, false, None)?;
    course.check_kernel(&SourceRequest::default(), &session.workspace)?;
    let own = own_exercises(&course)?;
    let is_own = own.is_some();
    let catalogue = match own {
        Some(own) => own,
        None => Catalogue::of_clone(&session.workspace)?,
    };
    if options.exercise.is_none() {
        check_exercises(&course, &catalogue, &session.workspace, &course.exercises)?;
    }
    let (student, language, out) = (&options.student, options.lang.into(), &options.out);
    match &options.exercise {
        Some(name) => {
            let exercise = find(&course, &catalogue, &session.workspace, name)?;
            hand_out(course.read_key()?.as_ref(), exercise, student, out)?;
        }
        None if is_own => hand_out_own(&course, &catalogue, student, language, out)?,
        None => hand_out_course(&course, &catalogue, student, language, out)?,
    }
    crate::outln!("wrote {}", options.out.display())?;
    Ok(())
}
