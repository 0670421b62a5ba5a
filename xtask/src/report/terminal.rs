//! The report for a person: a line a play, then what a failed one needs, then
//! the counts alone on the last line.

use std::io::{self, Write};
use std::time::Duration;

use snapbox::report::Palette;

use super::{Counts, Outcome, RaceFindings, details, races};
use crate::key::Inputs;
use crate::lesson::compare::printable;

/// With more plays than this, those that passed share a line.
const MOST_ROWS: usize = 24;

/// So many kinds of a play's failures are listed.
const MOST_KINDS: usize = 5;

/// How the report looks.
#[derive(Debug, Clone, Default)]
pub struct TerminalStyle {
    /// Colours, for a terminal.
    pub color: bool,
    /// A line for each play, and what its phases took.
    pub verbose: bool,
    /// Where it is read on a runner of GitHub's kind, which folds groups and
    /// puts errors beside the text's lines: a word that no guest can know.
    pub runner: Option<String>,
}

impl TerminalStyle {
    /// For a stream that is a terminal or not; the environment tells whether a
    /// runner reads it.
    pub fn new(terminal: bool, verbose: bool) -> Self {
        let on_runner = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let now = std::time::SystemTime::now();
        let mut word = Inputs::new("stop-commands");
        word.text("at", format!("{now:?} {}", std::process::id()));
        Self {
            color: terminal && std::env::var_os("NO_COLOR").is_none(),
            verbose,
            runner: on_runner.then(|| format!("kmodlab-{}", word.key())),
        }
    }

    fn palette(&self) -> Palette {
        if self.color {
            Palette::color()
        } else {
            Palette::plain()
        }
    }
}

/// Writes the report.
pub fn print(
    out: &mut dyn Write,
    outcomes: &[Outcome],
    found: &[RaceFindings],
    style: &TerminalStyle,
) -> io::Result<()> {
    let palette = style.palette();
    let rows: Vec<&[Outcome]> = outcomes
        .chunk_by(|a, b| (&a.lesson, a.language) == (&b.lesson, b.language))
        .collect();
    let width = outcomes.iter().map(|outcome| outcome.name().len()).max();
    let width = width.unwrap_or(0);
    let passed = |row: &&[Outcome]| row.iter().all(|outcome| outcome.verdict.passed());
    let fold = rows.len() > MOST_ROWS && !style.verbose;
    if fold {
        let folded: Vec<&[Outcome]> = rows.iter().copied().filter(passed).collect();
        if style.runner.is_some() && !folded.is_empty() {
            writeln!(out, "::group::{} plays passed", folded.len())?;
            for row in &folded {
                print_row(out, row, width, style, palette)?;
            }
            writeln!(out, "::endgroup::")?;
        } else {
            print_folded(out, &folded)?;
        }
    }
    for row in rows.iter().filter(|row| !(fold && passed(row))) {
        print_row(out, row, width, style, palette)?;
    }
    for row in &rows {
        let mut failed = kinds(row);
        failed.retain(|(first, _)| first.failed());
        // Of one race there are many ways to fail; the first tells as much as all.
        if row.iter().any(|outcome| outcome.scheduled.is_some()) {
            failed.truncate(1);
        }
        for (first, runs) in failed {
            print_details(out, first, runs, style, palette)?;
        }
    }
    for found in found {
        races::print(out, found)?;
    }
    let Counts {
        passed,
        failed,
        skipped,
    } = Counts::of(outcomes);
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")
}

/// Those that passed, in one line.
fn print_folded(out: &mut dyn Write, rows: &[&[Outcome]]) -> io::Result<()> {
    let longest = rows
        .iter()
        .copied()
        .flatten()
        .max_by_key(|outcome| outcome.wall);
    let Some(longest) = longest else {
        return Ok(());
    };
    writeln!(
        out,
        "{} plays passed, the longest of them {} in {:.1} s",
        rows.len(),
        longest.name(),
        longest.wall.as_secs_f64()
    )
}

/// The runs of one play.
fn print_row(
    out: &mut dyn Write,
    row: &[Outcome],
    width: usize,
    style: &TerminalStyle,
    palette: Palette,
) -> io::Result<()> {
    let Some(first) = row.first() else {
        return Ok(());
    };
    let counts = Counts::of(row);
    let word = match counts {
        Counts { failed: 1.., .. } => palette.error("FAILED"),
        Counts { passed: 1.., .. } => palette.info("ok"),
        _ => palette.warn("--"),
    };
    write!(out, "{:width$}  {word}", first.name())?;
    let several = row.len() > 1;
    if several {
        write!(out, "  {} of {} passed", counts.passed, row.len())?;
    }
    let played: Vec<&Outcome> = row.iter().filter(|o| !o.verdict.skipped()).collect();
    if let Some(last) = played.last() {
        let wall: Duration = played.iter().map(|outcome| outcome.wall).sum();
        #[expect(clippy::cast_precision_loss, reason = "no suite has 2^53 plays")]
        let mean = wall.as_secs_f64() / played.len() as f64;
        let each = if several { " each" } else { "" };
        write!(out, "  {mean:.1} s{each}")?;
        if let Some(seconds) = last.guest_seconds {
            write!(out, " ({seconds:.1} s in the guest)")?;
        }
        if let (true, Some(phases)) = (style.verbose, last.phases) {
            write!(
                out,
                ": boot {:.2} s, lesson {:.2} s, compare {:.3} s",
                phases.boot.as_secs_f64(),
                phases.lesson.as_secs_f64(),
                phases.compare.as_secs_f64()
            )?;
        }
    }
    if !several {
        return match first.verdict.passed() {
            true => writeln!(out),
            false => writeln!(out, "  {}", verdict(first)),
        };
    }
    writeln!(out)?;
    let mut bad = kinds(row);
    bad.retain(|(first, _)| !first.verdict.passed());
    let more = bad.len().saturating_sub(MOST_KINDS);
    for (first, times) in bad.into_iter().take(MOST_KINDS) {
        let often = match times.len() {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        writeln!(out, "{:width$}  {often} {}", "", verdict(first))?;
    }
    if more > 0 {
        writeln!(out, "{:width$}  and {more} other kinds of failure", "")?;
    }
    Ok(())
}

fn verdict(outcome: &Outcome) -> String {
    let words = printable(&outcome.verdict.to_string());
    match outcome.verdict.skipped() {
        true => words, // which begin with the name
        false => format!("{}: {words}", outcome.verdict.name()),
    }
}

/// The different outcomes of one play, each with the numbers of its runs, or their
/// seeds.
fn kinds(row: &[Outcome]) -> Vec<(&Outcome, Vec<u32>)> {
    let mut kinds: Vec<(&Outcome, Vec<u32>)> = Vec::new();
    for outcome in row {
        let run = outcome.seed().or(outcome.run).unwrap_or(1);
        match kinds.iter_mut().find(|(first, _)| outcome.is_like(first)) {
            Some((_, runs)) => runs.push(run),
            None => kinds.push((outcome, vec![run])),
        }
    }
    kinds
}

/// One failure, for all the runs that came to it.
fn print_details(
    out: &mut dyn Write,
    outcome: &Outcome,
    runs: Vec<u32>,
    style: &TerminalStyle,
    palette: Palette,
) -> io::Result<()> {
    if let Some(word) = &style.runner {
        let line = outcome.verdict.location().map_or(1, |place| place.line);
        let label = outcome.label();
        writeln!(
            out,
            "::error file={},line={line},title={}::{}",
            property(&outcome.readme.display().to_string()),
            property(&label),
            data(&verdict(outcome))
        )?;
        for spot in &outcome.source_locations {
            let task = if spot.task.is_empty() {
                "the CPU"
            } else {
                &spot.task
            };
            writeln!(
                out,
                "::error file={},line={},title={}::{}",
                property(&spot.file),
                spot.line,
                property(&label),
                data(&printable(&format!("{task} was here: {}", outcome.verdict)))
            )?;
        }
        writeln!(out, "::group::{}", data(&format!("{label}: what is known")))?;
        // What the guest said is no command to the runner.
        writeln!(out, "::stop-commands::{word}")?;
    }
    details::print(out, outcome, palette)?;
    if runs.len() > 1 {
        let numbers: Vec<String> = runs.iter().take(20).map(u32::to_string).collect();
        let more = if runs.len() > numbers.len() {
            ", ..."
        } else {
            ""
        };
        let what = if outcome.scheduled.is_some() {
            "with the seeds"
        } else {
            "in runs"
        };
        writeln!(out, "so it was {what} {}{more}\n", numbers.join(", "))?;
    }
    if let Some(word) = &style.runner {
        writeln!(out, "::{word}::")?;
        writeln!(out, "::endgroup::")?;
    }
    Ok(())
}

/// A workflow command's text, escaped as actions/toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A workflow command's property, escaped as actions/toolkit does.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
