//! The result of checking an answer, for a person.

use std::io::{self, Write};

use snapbox::report::Palette;

use super::{Outcome, details};
use crate::exercise::result::{CheckResult, HintEntry, HintSource, PartResult, PartState};
use crate::text::printable;

/// Width of the titles of parts.
const WIDTH: usize = 44;

/// Writes the result of a check: a line for each part, the details of the first failure, the points
/// and the best hint.
///
/// # Errors
///
/// If `out` cannot be written.
pub fn print_check(out: &mut dyn Write, result: &CheckResult, color: bool) -> io::Result<()> {
    let palette = match color {
        true => Palette::color(),
        false => Palette::plain(),
    };
    let CheckResult {
        exercise,
        title,
        language,
        compile,
        ..
    } = result;
    writeln!(out, "{exercise}: {title} ({language})")?;
    let sign = |passed: bool| match passed {
        true => palette.info("ok  ").to_string(),
        false => palette.error("FAIL").to_string(),
    };
    writeln!(out, "  {}  compiles", sign(result.compiles()))?;
    let message = match result.compiles() {
        true => &compile.warnings,
        false => &compile.message,
    };
    for line in message.lines() {
        writeln!(out, "    {}", details::clip(&printable(line)))?;
    }
    // The details of the other parts may follow from the first.
    let is_detailed = |part: &&PartResult| {
        let outcome = part.outcome.as_ref();
        !part.passed() && outcome.is_some_and(Outcome::failed)
    };
    let detailed = result
        .parts
        .iter()
        .find(is_detailed)
        .map(|part| part.number);
    for part in &result.parts {
        let outcome = part
            .outcome
            .as_ref()
            .filter(|_| detailed == Some(part.number));
        print_part(out, part, outcome.is_none(), &sign)?;
        if let Some(outcome) = outcome {
            let mut text = Vec::new();
            details::print(&mut text, outcome, palette)?;
            for line in String::from_utf8_lossy(&text).trim_matches('\n').lines() {
                writeln!(out, "        {line}")?;
            }
        }
    }
    writeln!(out, "{} of {} points", result.points, result.maximum)?;
    if let Some(reason) = &result.refused {
        let reason = format!("the course gives no points for this answer: {reason}");
        writeln!(out, "{}", palette.error(&reason))?;
    }
    match result.hints.first() {
        Some(hint) if hint.source != HintSource::Written => print_hint(out, hint),
        Some(_) => {
            let count = result.hints.len();
            let hints = if count == 1 { "hint" } else { "hints" };
            writeln!(
                out,
                "`{} hint` shows the first of {count} {hints}",
                crate::program::name()
            )
        }
        None => Ok(()),
    }
}

fn print_part(
    out: &mut dyn Write,
    part: &PartResult,
    with_message: bool,
    sign: &dyn Fn(bool) -> String,
) -> io::Result<()> {
    let PartResult {
        title,
        points,
        maximum,
        state,
        ..
    } = part;
    let state_sign = match state {
        PartState::Passed => sign(true),
        PartState::Failed => sign(false),
        PartState::NotRun => "-   ".to_owned(),
        PartState::Unknown => "?   ".to_owned(),
    };
    write!(
        out,
        "  {state_sign}  {title:WIDTH$}  {points:2} of {maximum:2}"
    )?;
    let seconds = part.run.as_ref().map(|run| run.duration_seconds);
    let seed = part
        .schedules
        .and_then(|schedules| schedules.first_failing_seed);
    match (state, seconds) {
        (PartState::NotRun, _) => writeln!(out, "  not run"),
        (PartState::Passed, Some(seconds)) => writeln!(out, "  {seconds:.1} s"),
        (PartState::Passed, None) => writeln!(out),
        (PartState::Failed | PartState::Unknown, _) => {
            let seed = seed.map_or_else(String::new, |seed| format!("  with seed {seed}"));
            writeln!(out, "{seed}")?;
            match with_message {
                true => writeln!(out, "        {}", details::clip(&printable(&part.message))),
                false => Ok(()),
            }
        }
    }
}

/// Writes a hint.
///
/// # Errors
///
/// If `out` cannot be written.
pub fn print_hint(out: &mut dyn Write, hint: &HintEntry) -> io::Result<()> {
    let heading = match hint.source {
        HintSource::Verdict | HintSource::General => format!("hint ({}):", hint.heading),
        HintSource::WrongAnswer => "hint:".to_owned(),
        HintSource::Written => format!("hint {}:", hint.heading),
    };
    writeln!(out, "{heading}")?;
    for line in hint.text.lines() {
        writeln!(out, "  {line}")?;
    }
    if let Some(lesson) = &hint.lesson {
        writeln!(out, "  read more in the lesson {lesson}")?;
    }
    Ok(())
}
