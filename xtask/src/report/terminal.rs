//! The report for a person: a line per test case, then the details of the failures,
//! then the counts on the last line.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::time::Duration;

use snapbox::report::Palette;

use super::{CleanSchedules, Counts, Outcome, RaceFindings, clean, details, races};
use crate::key::Inputs;
use crate::lesson::verdict::Verdict;
use crate::text::printable;

/// Most test cases that each have a line; of more, those that passed share a line.
const MAX_ROWS: usize = 24;

/// Most letters of a printed line that distinguish one kind of failure from another.
const MAX_DIFFERENCE: usize = 60;

/// Most kinds of failures that are listed for one test case.
const MAX_KINDS: usize = 5;

/// Format of the report.
#[derive(Debug, Clone, Default)]
pub struct TerminalStyle {
    /// Whether to use colours.
    pub color: bool,
    /// Whether each test case has a line, with the durations of its phases.
    pub verbose: bool,
    /// On a runner of GitHub Actions, which folds groups and shows errors beside the
    /// lines of the text: the token that ends `stop-commands`, which no guest can
    /// know.
    pub runner_token: Option<String>,
}

impl TerminalStyle {
    /// Returns the format for a stream that is a terminal or not, on a runner or not
    /// according to the environment.
    pub fn new(terminal: bool, verbose: bool) -> Self {
        let on_runner = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let now = std::time::SystemTime::now();
        let mut token = Inputs::new("stop-commands");
        token.text("at", format!("{now:?} {}", std::process::id()));
        Self {
            color: terminal
                && std::env::var_os("NO_COLOR").is_none()
                && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb"),
            verbose,
            runner_token: on_runner.then(|| format!("kmodlab-{}", token.key())),
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
///
/// # Errors
///
/// If `out` cannot be written to.
pub fn print(
    out: &mut dyn Write,
    outcomes: &[Outcome],
    races: &[RaceFindings],
    clean_schedules: &[CleanSchedules],
    style: &TerminalStyle,
) -> io::Result<()> {
    let palette = style.palette();
    let rows: Vec<&[Outcome]> = outcomes
        .chunk_by(|a, b| (&a.lesson, a.language) == (&b.lesson, b.language))
        .collect();
    let width = outcomes.iter().map(|outcome| outcome.name().len()).max();
    let width = width.unwrap_or(0);
    let passed = |row: &&[Outcome]| row.iter().all(|outcome| outcome.verdict.passed());
    let fold = rows.len() > MAX_ROWS && !style.verbose;
    if fold {
        let folded: Vec<&[Outcome]> = rows.iter().copied().filter(passed).collect();
        if style.runner_token.is_some() && !folded.is_empty() {
            writeln!(out, "::group::{} test cases passed", folded.len())?;
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
        // A race can fail in many ways; the gravest failure is enough to understand it.
        if row.iter().any(|outcome| outcome.scheduled.is_some()) {
            failed.sort_by_key(|(first, _)| Reverse(first.verdict.gravity()));
            failed.truncate(1);
        }
        for (first, runs) in failed {
            print_details(out, first, runs, style, palette)?;
        }
    }
    for race in races {
        races::print(out, race)?;
    }
    for schedules in clean_schedules {
        clean::print(out, schedules)?;
    }
    let Counts {
        passed,
        failed,
        skipped,
    } = Counts::of(outcomes);
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")
}

/// Writes one line for all test cases that passed.
fn print_folded(out: &mut dyn Write, rows: &[&[Outcome]]) -> io::Result<()> {
    let slowest = rows
        .iter()
        .copied()
        .flatten()
        .max_by_key(|outcome| outcome.wall);
    let Some(slowest) = slowest else {
        return Ok(());
    };
    writeln!(
        out,
        "{} test cases passed, the slowest {} in {:.1} s",
        rows.len(),
        slowest.name(),
        slowest.wall.as_secs_f64()
    )
}

/// Writes the line of one test case, and the kinds of its failures if it ran several
/// times.
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
    let result = match counts {
        Counts { failed: 1.., .. } => palette.error("FAILED"),
        Counts { passed: 1.., .. } => palette.info("ok"),
        _ => palette.warn("--"),
    };
    write!(out, "{:width$}  {result}", first.name())?;
    let several = row.len() > 1;
    if several {
        write!(out, "  {} of {} passed", counts.passed, row.len())?;
    }
    let ran: Vec<&Outcome> = row
        .iter()
        .filter(|outcome| !outcome.verdict.is_without_guest())
        .collect();
    if let Some(last) = ran.last() {
        let wall: Duration = ran.iter().map(|outcome| outcome.wall).sum();
        #[expect(clippy::cast_precision_loss, reason = "no suite has 2^53 runs")]
        let mean = wall.as_secs_f64() / ran.len() as f64;
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
        if !first.verdict.passed() {
            return writeln!(out, "  {}", verdict(first));
        }
        writeln!(out)?;
        for line in &first.narrative {
            writeln!(out, "    {}", details::clip(&printable(line)))?;
        }
        return Ok(());
    }
    writeln!(out)?;
    let mut bad = kinds(row);
    bad.retain(|(first, _)| !first.verdict.passed());
    let more = bad.len().saturating_sub(MAX_KINDS);
    for (first, runs) in bad.into_iter().take(MAX_KINDS) {
        let alike = row.iter().filter(|outcome| outcome.is_like(first));
        let often = match alike.count() {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let verdict = verdict(first) + &difference(first);
        let is_numbered = first.seed().is_some() || first.run.is_some();
        let runs = match is_numbered {
            true => format!(" ({})", numbers(first, &runs, 3)),
            false => String::new(),
        };
        writeln!(out, "{:width$}  {often} {verdict}{runs}", "")?;
    }
    if more > 0 {
        writeln!(out, "{:width$}  and {more} more kinds of failures", "")?;
    }
    Ok(())
}

fn verdict(outcome: &Outcome) -> String {
    let text = printable(&outcome.verdict.to_string());
    match outcome.verdict.skipped() {
        true => text, // which begins with the name
        false => format!("{}: {text}", outcome.verdict.name()),
    }
}

/// Returns the first line of a mismatch that the text does not expect: a race fails in many ways
/// with the same verdict.
fn difference(outcome: &Outcome) -> String {
    let Verdict::Mismatch { first, .. } = &outcome.verdict else {
        return String::new();
    };
    let place = match first.location.line {
        0 => format!("`{}`", printable(&first.location.command)),
        line => format!("line {line}"),
    };
    let mut pairs = first.printed.iter().zip(&first.expected);
    let differing = pairs.find(|(printed, expected)| printed != expected);
    let surplus = || first.printed.get(first.expected.len());
    let printed = differing.map(|(printed, _)| printed).or_else(surplus);
    match printed {
        Some(printed) => {
            let printed: String = printed.chars().take(MAX_DIFFERENCE).collect();
            format!(", at {place}: `{}`", printable(&printed))
        }
        None => format!(", at {place}"),
    }
}

/// Returns the seeds or numbers of some of the runs that ended like `outcome`.
fn numbers(outcome: &Outcome, runs: &[u32], most: usize) -> String {
    let what = match (outcome.seed().is_some(), runs.len()) {
        (true, 1) => "seed",
        (true, _) => "seeds",
        (false, 1) => "run",
        (false, _) => "runs",
    };
    let first: Vec<String> = runs.iter().take(most).map(u32::to_string).collect();
    let more = if runs.len() > most { ", ..." } else { "" };
    format!("{what} {}{more}", first.join(", "))
}

/// Returns the different outcomes of one test case, each with the numbers of its
/// runs, or with their seeds.
fn kinds(row: &[Outcome]) -> Vec<(&Outcome, Vec<u32>)> {
    let mut kinds: Vec<(&Outcome, Vec<u32>)> = Vec::new();
    for outcome in row {
        let run = outcome.seed().or(outcome.run).unwrap_or(1);
        match kinds.iter_mut().find(|(first, _)| outcome.is_like(first)) {
            // A text that cannot be tested has no seed, however many schedules were requested.
            Some((_, runs)) if runs.contains(&run) => {}
            Some((_, runs)) => runs.push(run),
            None => kinds.push((outcome, vec![run])),
        }
    }
    kinds
}

/// Writes the details of one failure, and the runs that ended with it.
fn print_details(
    out: &mut dyn Write,
    outcome: &Outcome,
    runs: Vec<u32>,
    style: &TerminalStyle,
    palette: Palette,
) -> io::Result<()> {
    if let Some(token) = &style.runner_token {
        let (file, line) = details::position(outcome);
        let line = line.unwrap_or(1);
        let label = outcome.label();
        writeln!(
            out,
            "::error file={},line={line},title={}::{}",
            property(&file),
            property(&label),
            data(&verdict(outcome))
        )?;
        for location in &outcome.source_locations {
            let task = details::task_name(location);
            writeln!(
                out,
                "::error file={},line={},title={}::{}",
                property(&location.file),
                location.line,
                property(&label),
                data(&printable(&format!("{task} was here: {}", outcome.verdict)))
            )?;
        }
        writeln!(out, "::group::{}", data(&format!("{label}: details")))?;
        // The runner must not execute commands in the guest's output.
        writeln!(out, "::stop-commands::{token}")?;
    }
    details::print(out, outcome, palette)?;
    if runs.len() > 1 {
        let word = match outcome.seed() {
            Some(_) => "with",
            None => "in",
        };
        writeln!(out, "same result {word} {}\n", numbers(outcome, &runs, 20))?;
    }
    if let Some(token) = &style.runner_token {
        writeln!(out, "::{token}::")?;
        writeln!(out, "::endgroup::")?;
    }
    Ok(())
}

/// Escapes the text of a workflow command, as actions/toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property of a workflow command, as actions/toolkit does.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
