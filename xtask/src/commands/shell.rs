//! `shell`: a guest with a shell, in which the commands of an exercise's part were typed, or those of the text of
//! a module up to the one that fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use kmodlab_protocol::BANNER_FILE;

use super::common::Common;
use super::divided::DividedCommands;
use super::projects::or_current_folder;
use super::qemu::{self, QemuOptions};
use super::script::{self, GuestScript};
use super::student::Student;
use crate::exercise::answer::{Answer, AnswerFolder};
use crate::exercise::result::{CheckResult, PartState};
use crate::exercise::student::StudentFolder;
use crate::exercise::{Exercise, PartCommand};
use crate::failure::Failure;
use crate::initramfs::GuestFile;
use crate::pipeline::{self, Built};
use crate::project::has_modules;
use crate::report::timelines;
use crate::session::Session;
use crate::temporary::guest_folder;
use crate::vm::{Boot, Hardware, Machine, accel, terminal};

/// Options of `shell`.
#[derive(Debug, Clone, clap::Args)]
pub struct ShellOptions {
    #[command(flatten)]
    common: Common,

    /// The exercise; without it, the one in whose folder you are, or the first that has not passed
    ///
    /// A folder with a module of your own instead: the same as `qemu --at-failure PATH`, which has more options.
    #[arg(value_name = "EXERCISE|PATH")]
    exercise: Option<String>,

    /// The number of the part [default: the first that failed in the last check]
    #[arg(value_name = "PART")]
    part: Option<usize>,

    /// Run the part, and print its timeline instead
    #[arg(long)]
    timeline: bool,

    /// The student's folder
    #[arg(long, value_name = "DIR", hide = true)]
    folder: Option<PathBuf>,

    /// Write the modules of a folder into this file and end, for `reload` in a guest
    #[arg(long, value_name = "FILE", hide = true)]
    modules_into: Option<PathBuf>,

    /// Columns of the timeline [default: those of the terminal]
    #[arg(long, value_name = "N", hide = true)]
    columns: Option<usize>,
}

/// Boots a guest on the terminal in which the part's commands before the one that failed were
/// typed. A standard input that is not a terminal is read to its end and run after these commands;
/// the status is then that of its last command.
///
/// # Errors
///
/// If there is no student's folder, no such exercise or part, or the answer does not compile. With
/// an input to run, it is also an error if the guest ends before the input does.
pub fn run(options: &ShellOptions) -> Result<ExitCode> {
    if let Some(folder) = project_folder(options) {
        if options.part.is_some() || options.timeline {
            bail!(Failure::usage(format!(
                "{folder} is a folder: the number of a part and --timeline are for exercises; `test \
                 --timeline FOLDER` makes the timeline of a module"
            )));
        }
        return qemu::run(&QemuOptions::at_failure(
            &options.common,
            folder,
            options.modules_into.clone(),
        ));
    }
    let student = match &options.folder {
        Some(folder) => Student::at(folder)?,
        None => Student::open()?,
    };
    let (exercise, part) = chosen(&student, options)?;
    let session = options.common.session()?;
    let source = options.common.source_request_or(&student.folder.kernel);
    let answers = AnswerFolder::new()?;
    let answer = student.folder.answer(&answers, exercise)?;
    let last = student.folder.last_result(exercise);
    let part = part.or_else(|| first_failed(last.as_ref())).unwrap_or(1);
    if part == 0 || part > answer.parts.len() {
        let count = answer.parts.len();
        let message = format!("{} has the parts 1 to {count}", exercise.id);
        bail!(Failure::usage(message));
    }
    if options.timeline {
        let timeline = answer.timeline(&session, &source, part - 1)?;
        let style = timelines::terminal_style(options.columns);
        crate::outln!("{}", timeline.text(style).trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let index = answer.parts[part - 1].index;
    let profile = exercise.task.parts[index].settings.profile();
    let built = pipeline::prepare_modules(&session, &source, &profile.into(), &[answer.module()])?;
    built.all_modules()?;
    let failed = failed_line(last.as_ref(), part);
    boot(
        &session,
        &built,
        &answer,
        &answer.commands(part - 1),
        failed,
    )
}

/// Returns the folder with a module that the options name instead of an exercise.
fn project_folder(options: &ShellOptions) -> Option<String> {
    match (&options.exercise, &options.folder) {
        // The name of an exercise has a slash too.
        (Some(name), _) if name.starts_with(['.', '/']) => Some(name.clone()),
        (Some(name), None) => {
            let current = Path::new(".").canonicalize().ok()?;
            let is_folder =
                matches!(StudentFolder::find(&current), Ok(None)) && has_modules(Path::new(name));
            is_folder.then(|| format!("./{name}"))
        }
        (None, None) => or_current_folder(&[]).into_iter().next(),
        (_, Some(_)) => None,
    }
}

/// Returns the exercise and the part. A single number is a part.
fn chosen<'a>(
    student: &'a Student,
    options: &ShellOptions,
) -> Result<(&'a Exercise, Option<usize>)> {
    let name = options.exercise.as_deref();
    let number = name.and_then(|name| name.parse().ok());
    if let (Some(number), None) = (number, options.part) {
        return Ok((student.choose(None)?, Some(number)));
    }
    Ok((student.choose(name)?, options.part))
}

fn first_failed(last: Option<&CheckResult>) -> Option<usize> {
    let mut parts = last?.parts.iter();
    let failed = parts.position(|part| part.state == PartState::Failed)?;
    Some(failed + 1)
}

/// Returns the line of the command that failed in the last check, if the part failed.
fn failed_line(last: Option<&CheckResult>, part: usize) -> Option<usize> {
    let run = last?.parts.get(part - 1)?.run.as_ref()?;
    run.failed_step.as_ref().map(|step| step.line)
}

fn boot(
    session: &Session,
    built: &Built,
    answer: &Answer<'_>,
    commands: &[PartCommand],
    failed: Option<usize>,
) -> Result<ExitCode> {
    let Built {
        toolchain,
        kernel,
        initramfs,
        ..
    } = built;
    let next = commands
        .iter()
        .position(|command| Some(command.line) == failed);
    let commands = commands.iter().map(|command| command.command.clone());
    let typed = DividedCommands::before(commands, next);
    let mut files = Vec::new();
    for module in &built.modules {
        files.push(pipeline::in_guest(module)?);
    }
    let (id, version) = (&answer.exercise.id, kernel.label());
    let banner = format!(
        "\nkmodlab: {id} on Linux {version}. To leave: type poweroff, or press Ctrl-A and then X.\n\n"
    );
    files.push(GuestFile {
        path: BANNER_FILE.to_owned(),
        mode: 0o644,
        contents: banner.into_bytes(),
    });
    typed.add_to(&mut files)?;
    let input = GuestScript::requested(None)?;
    files.extend(input.as_ref().map(GuestScript::file));
    let folder = guest_folder()?;
    let initrd = folder.path().join("initrd");
    initramfs.with(&files, &initrd)?;
    let accel = accel::choose(session, toolchain, kernel, initramfs, None)?;
    let boot = Boot {
        initrd,
        kernel_parameters: [vec!["quiet".to_owned()], terminal::kernel_parameters()].concat(),
        hardware: Hardware::DEFAULT,
    };
    if input.is_some() {
        let report = folder.path().join("report");
        let machine = Machine::batch(accel, boot, report.clone());
        let report = terminal::run_batch(toolchain, kernel, &machine, &report)?;
        return script::exit_code(report.as_deref());
    }
    let machine = Machine::interactive(accel, boot, None, None);
    terminal::run_on_terminal(toolchain, kernel, &machine)?;
    Ok(ExitCode::SUCCESS)
}
