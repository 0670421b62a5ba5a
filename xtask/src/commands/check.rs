//! `check`: checks answers in a student's folder.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::common::Common;
use super::student::Student;
use crate::exercise::Exercise;
use crate::exercise::answer::Answer;
use crate::exercise::check::{CheckSettings, FIRST_SEED};
use crate::exercise::result::CheckResult;
use crate::failure::{Failure, Fault};
use crate::grading::rules::SubmissionRules;
use crate::report::terminal::TerminalStyle;
use crate::report::{self, print_check};
use crate::streams;

/// Options of `check`.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckOptions {
    #[command(flatten)]
    common: Common,

    /// The exercises, by id, slug or module; without any, the one in whose folder you are, or the
    /// first that has not passed
    #[arg(value_name = "EXERCISE")]
    names: Vec<String>,

    /// Check all exercises that have been begun
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// Leave out the parts with schedules
    #[arg(long)]
    no_schedules: bool,

    /// The seed of the first schedule, as in a mark's `failing_seed`
    #[arg(long, value_name = "SEED", default_value_t = FIRST_SEED, conflicts_with = "no_schedules")]
    first_seed: u32,

    /// Write the results as JSON into this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Checks answers; the status is 0 if all points were reached, 1 if not, 69 if nothing is known.
///
/// # Errors
///
/// If there is no student's folder or no such exercise, or the kernel cannot be built.
pub fn run(options: &CheckOptions) -> Result<ExitCode> {
    let student = Student::open()?;
    let exercises = exercises(options, &student)?;
    let source = options.common.source_request_or(&student.folder.kernel);
    let session = options.common.session()?;
    let rules = SubmissionRules::of_folder(&student.folder)?;
    let refusal =
        |answer: &Answer<'_>, imports: &[String]| rules.as_ref()?.refusal(answer, imports);
    let settings = CheckSettings {
        refusal: &refusal,
        schedules: !options.no_schedules,
        first_seed: options.first_seed,
        ..CheckSettings::new(&source)
    };
    let results = student.folder.check(&session, &exercises, settings)?;
    if let Some(path) = &options.json {
        let text = match &results[..] {
            [only] if !options.all => serde_json::to_string_pretty(only),
            all => serde_json::to_string_pretty(all),
        };
        report::write(path, &(text.context("cannot write JSON")? + "\n"))?;
    }
    if options.json.as_deref() != Some(std::path::Path::new("-")) {
        print(&student, &results)?;
    }
    let faults: Vec<Fault> = results.iter().filter_map(CheckResult::fault).collect();
    let unknown = faults.iter().find(|fault| **fault == Fault::Host);
    Ok(match unknown.or(faults.first()) {
        None => ExitCode::SUCCESS,
        Some(fault) => ExitCode::from(fault.status()),
    })
}

fn exercises<'a>(options: &CheckOptions, student: &'a Student) -> Result<Vec<&'a Exercise>> {
    if options.all {
        let progress = student.folder.progress()?;
        let all = student.catalogue.exercises.iter();
        let begun: Vec<&Exercise> = all.filter(|one| progress.of(&one.id).checks > 0).collect();
        return match begun.is_empty() {
            true => Err(Failure::usage("--all: no exercise has been begun yet").into()),
            false => Ok(begun),
        };
    }
    if options.names.is_empty() {
        return Ok(vec![student.choose(None)?]);
    }
    let names = options.names.iter();
    let mut chosen: Vec<&Exercise> = Vec::new();
    for exercise in names.map(|name| student.choose(Some(name))) {
        let exercise = exercise?;
        if !chosen.iter().any(|known| known.id == exercise.id) {
            chosen.push(exercise);
        }
    }
    Ok(chosen)
}

fn print(student: &Student, results: &[CheckResult]) -> Result<()> {
    let mut out = streams::stdout();
    let style = TerminalStyle::new(std::io::stdout().is_terminal(), false);
    for result in results {
        print_check(&mut out, result, style.color)?;
    }
    if results.iter().all(CheckResult::passed) {
        let progress = student.folder.progress()?;
        match progress.next(&student.catalogue) {
            Some(next) => writeln!(out, "next: {}", student.folder.folder_of(next).display())?,
            None => writeln!(out, "all exercises have passed")?,
        }
    }
    Ok(())
}
