//! The output of `test` on the terminal.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;

use super::TestOptions;
use crate::lesson::BadTextOwner;
use crate::report::timelines::Timelines;
use crate::report::{self, SuiteReport, json, terminal};
use crate::run::plan::PlannedCase;
use crate::streams;
use crate::text::printable;

/// Prints the report for a person, and the timeline if there is only one: to standard error if
/// another report takes standard output.
pub(super) fn print(
    options: &TestOptions,
    report: &SuiteReport,
    timelines: Option<&Timelines>,
) -> Result<()> {
    let (mut stderr, mut stdout) = (streams::stderr(), streams::stdout());
    let (out, terminal): (&mut dyn std::io::Write, _) = if options.targets.take_standard_output() {
        let terminal = std::io::stderr().is_terminal();
        (&mut stderr, terminal)
    } else {
        let terminal = std::io::stdout().is_terminal();
        (&mut stdout, terminal)
    };
    let style = terminal::TerminalStyle::new(terminal, options.common.verbose);
    terminal::print(out, &report.outcomes, &report.races, &report.clean, &style)?;
    if let Some(text) = timelines.and_then(|timelines| timelines.only(terminal)) {
        write!(out, "\n{text}")?;
    }
    Ok(())
}

/// Prints the list of test cases.
pub(super) fn list(options: &TestOptions, cases: &[PlannedCase<'_>]) -> Result<()> {
    if let Some(path) = &options.targets.json {
        return report::write(path, &json::list(cases)?);
    }
    let width = cases.iter().map(|case| case.lesson_name().len()).max();
    let width = width.unwrap_or(0);
    let mut stdout = streams::stdout();
    for case in cases {
        let (name, title) = (case.lesson_name(), case.title());
        let language = case.language().name();
        write!(stdout, "{name:width$}  {language:4}  {title}")?;
        match (case.lacks(), case.bad_text()) {
            (Some(why), _) => writeln!(stdout, " (skipped: {why})")?,
            (None, Some(bad)) => {
                let what = bad.message();
                let first = what.lines().next().unwrap_or_default();
                let kind = match bad.owner {
                    BadTextOwner::Lesson | BadTextOwner::Project => "bad text",
                    BadTextOwner::Folder => "cannot be built",
                };
                writeln!(stdout, " ({kind}: {})", printable(first))?;
            }
            (None, None) => writeln!(stdout)?,
        }
    }
    Ok(())
}
