//! `break`: shows a common mistake of a lesson happen.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use super::common::{Common, Lang, ProfileOption};
use crate::exercise::mistake::{self, Mistake};
use crate::failure::{Failure, Fault};
use crate::lesson::verdict::Verdict;
use crate::report::check_details;
use crate::streams;
use crate::workspace::Workspace;

/// Options of `break`.
#[derive(Debug, Clone, clap::Args)]
pub struct BreakOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    profile: ProfileOption,

    /// The lesson or race
    #[arg(value_name = "LESSON")]
    lesson: String,

    /// The mistake; without it, all mistakes of the lesson are listed
    #[arg(value_name = "ITEM")]
    item: Option<String>,

    /// The language of the module
    #[arg(long, value_enum, default_value = "both")]
    lang: Lang,
}

/// Runs a lesson with a mistake in its module, and prints what happens; the status is 0 if the run
/// ends in the mistake's verdict.
///
/// # Errors
///
/// If there is no such mistake, or the kernel cannot be built.
pub fn run(options: &BreakOptions) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut mistakes = Mistake::of_lesson(&workspace, &options.lesson)?;
    let languages = options.lang.languages();
    mistakes.retain(|mistake| languages.contains(&mistake.wrong.language));
    let lesson = &options.lesson;
    if mistakes.is_empty() {
        let message = format!("the lesson `{lesson}` has no mistakes to show, or does not exist");
        return Err(Failure::usage(message).into());
    }
    let mut out = streams::stdout();
    let Some(item) = &options.item else {
        for Mistake { wrong, .. } in &mistakes {
            let first = wrong.description.lines().next().unwrap_or_default();
            writeln!(
                out,
                "{:24}  {:4}  {first}",
                wrong.item,
                wrong.language.name()
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let mut named = mistakes
        .iter()
        .filter(|mistake| mistake.wrong.item == *item);
    let Some(mistake) = named.next() else {
        let mut items: Vec<&str> = mistakes
            .iter()
            .map(|mistake| &*mistake.wrong.item)
            .collect();
        items.dedup();
        let items = items.join(", ");
        let message = format!("{lesson} has no mistake `{item}`; its mistakes are: {items}");
        return Err(Failure::usage(message).into());
    };
    let session = options.common.session()?;
    let source = options.common.source_request();
    let profile = options.profile.profile();
    writeln!(out, "{}\n", mistake.wrong.description)?;
    for run in mistake::run(&session, &source, profile, &[mistake])? {
        if let Some(session) = &run.session {
            writeln!(out, "{session}")?;
        }
        for line in check_details(&run.outcome) {
            writeln!(out, "{line}")?;
        }
        let verdict = &run.outcome.verdict;
        if matches!(verdict, Verdict::Infrastructure { .. }) {
            return Ok(ExitCode::from(Fault::Host.status()));
        }
        if verdict.name() != mistake.wrong.verdict {
            writeln!(out, "this run did not end with {}", mistake.wrong.verdict)?;
            return Ok(ExitCode::from(Fault::Lesson.status()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
