//! `cargo xtask test`: plays lessons in guests and compares.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Result;

use super::common::{Common, Lang, ProfileOption, refuse_lacking};
use crate::lesson::Lesson;
use crate::{lesson, pipeline, play, report};

/// Options of `test`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    profile: ProfileOption,

    /// The lessons to play; all if left out
    #[arg(value_name = "LESSON")]
    lessons: Vec<String>,

    /// The language of the modules that are played
    #[arg(long, value_enum, default_value = "both")]
    lang: Lang,
}

/// Plays the lessons; the status is 0 if all passed, 1 if one failed, 69 if
/// a guest could not be run.
pub fn run(options: &Options) -> Result<ExitCode> {
    let session = options.common.session()?;
    let lessons = lesson::select(&session.workspace, &options.lessons)?;
    lessons.iter().try_for_each(Lesson::check_commands)?;
    let languages = options.lang.languages();
    if let ([language], false) = (languages, options.lessons.is_empty()) {
        refuse_lacking(&lessons, *language)?;
    }
    let prepared = pipeline::prepare(
        &session,
        &options.common.wanted(),
        options.profile.profile(),
        &lessons,
        languages,
    )?;
    let outcomes = play::all(&session, &prepared, &lessons, languages)?;
    let mut stdout = std::io::stdout();
    let color = stdout.is_terminal();
    report::print(&mut stdout, &outcomes, color)?;
    Ok(report::fault(&outcomes).map_or(ExitCode::SUCCESS, |fault| ExitCode::from(fault.status())))
}
