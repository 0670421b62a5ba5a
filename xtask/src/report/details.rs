//! What a person needs to understand a failed lesson, and to try it by hand.

use std::io::{self, Write};

use snapbox::Data;
use snapbox::report::{Palette, write_diff};

use crate::lesson::compare::printable;
use crate::lesson::verdict::{Mismatch, Verdict};
use crate::modules::Language;
use crate::symbols::SourceLocation;

use super::Outcome;

/// A line is shown up to this many letters.
const WIDEST: usize = 300;

/// At most this many lines of log are shown around a mismatch.
const MOST_LOG: usize = 40;

/// Writes all that is known of a failed lesson.
pub(super) fn print(out: &mut dyn Write, outcome: &Outcome, palette: Palette) -> io::Result<()> {
    let Outcome {
        readme,
        verdict,
        log,
        artifacts,
        ..
    } = outcome;
    writeln!(out)?;
    match verdict.location() {
        Some(place) => write!(out, "{}:{}: ", readme.display(), place.line)?,
        None => write!(out, "{}: ", readme.display())?,
    }
    let words = printable(&verdict.to_string());
    writeln!(out, "{}: {words}", palette.error(outcome.label()))?;
    if let Some(place) = verdict.location() {
        if !matches!(verdict, Verdict::Mismatch { .. }) {
            writeln!(out, "while this was running:")?;
        }
        let mut prompt = "$";
        for line in place.command.lines() {
            writeln!(out, "    {prompt} {}", clip(line))?;
            prompt = ">";
        }
    }
    source_locations(out, &outcome.source_locations)?;
    match verdict {
        Verdict::Pass | Verdict::Skipped { .. } => {}
        Verdict::Mismatch { first, further } => mismatch(out, first, *further, palette)?,
        Verdict::KernelReport { report, .. } if verdict.subject() == Some("kmemleak") => {
            listing(out, "what the kernel lost", report)?;
        }
        Verdict::KernelReport { report, .. }
        | Verdict::Panic { report, .. }
        | Verdict::Hang { report, .. } => listing(out, "the kernel's log", report)?,
        Verdict::LeftOver { left } => {
            for left in left {
                writeln!(out, "  - {left}")?;
            }
            writeln!(
                out,
                "A lesson takes away what it brings: see what its last commands leave."
            )?;
        }
        Verdict::ShellLost { .. } => writeln!(
            out,
            "A lesson's commands run in one shell: `exit`, `exec` and `kill $$` end it early.\n\
             Put such a command in parentheses to give it a shell of its own."
        )?,
        Verdict::GuestLost { log, .. } => listing(out, "the kernel's last lines", log)?,
        Verdict::Infrastructure { what } => {
            for line in what.lines().skip(1) {
                writeln!(out, "  {}", clip(&printable(line)))?;
            }
            writeln!(
                out,
                "The lesson was not judged. `cargo xtask doctor` looks at the machine."
            )?;
        }
    }
    if !matches!(verdict, Verdict::Infrastructure { .. }) {
        by_hand(out, outcome)?;
    }
    if let Some(artifacts) = artifacts {
        writeln!(out, "all that is known of it: {}", artifacts.display())?;
    } else if let Some(log) = log {
        writeln!(out, "all that the guest said: {}", log.display())?;
    }
    writeln!(out)
}

fn mismatch(
    out: &mut dyn Write,
    mismatch: &Mismatch,
    further: usize,
    palette: Palette,
) -> io::Result<()> {
    let Mismatch {
        expected,
        printed,
        status,
        log,
        ..
    } = mismatch;
    if expected != printed {
        let text = |lines: &[String]| {
            Data::text(
                lines
                    .iter()
                    .map(|line| clip(line) + "\n")
                    .collect::<String>(),
            )
        };
        let mut diff = String::new();
        // A String takes all that is written to it.
        let _ = write_diff(
            &mut diff,
            &text(expected),
            &text(printed),
            Some(&"what the text says"),
            Some(&"what the guest printed"),
            palette,
        );
        writeln!(out, "{}", diff.trim_matches('\n'))?;
    }
    let (wanted, was) = *status;
    if wanted != was {
        writeln!(
            out,
            "exit status: {} instead of {}",
            palette.info(was),
            palette.error(wanted)
        )?;
    }
    if log.len() > MOST_LOG {
        let title = format!("the last {MOST_LOG} lines that the kernel logged meanwhile");
        listing(out, &title, &log[log.len() - MOST_LOG..])?;
    } else if log.is_empty() {
        writeln!(out, "the kernel logged nothing meanwhile")?;
    } else {
        listing(out, "what the kernel logged meanwhile", log)?;
    }
    match further {
        0 => Ok(()),
        1 => writeln!(out, "one command after it went wrong too"),
        _ => writeln!(out, "{further} commands after it went wrong too"),
    }
}

/// The places in the lesson's sources that the kernel's report leads to.
fn source_locations(out: &mut dyn Write, source_locations: &[SourceLocation]) -> io::Result<()> {
    for SourceLocation {
        task,
        file,
        line,
        function,
        source,
    } in source_locations
    {
        let task = if task.is_empty() { "the CPU" } else { task };
        writeln!(
            out,
            "{} was at {file}:{line}, in {}:",
            clip(task),
            clip(function)
        )?;
        writeln!(out, "{line:6} | {}", clip(source))?;
    }
    Ok(())
}

fn listing(out: &mut dyn Write, title: &str, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}:")?;
    for line in lines {
        writeln!(out, "  {}", clip(line))?;
    }
    Ok(())
}

/// The commands that lead to the place, for a person to type.
fn by_hand(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    let place = outcome.verdict.location();
    let option = match outcome.language {
        Language::Rust => "",
        Language::C => "--lang c ",
    };
    writeln!(
        out,
        "to try it by hand: cargo xtask qemu {option}{}{}{}",
        outcome.lesson,
        outcome.kernel_options,
        if place.is_some() { ", and there:" } else { "" }
    )?;
    if let Some(place) = place {
        for command in place.before.iter().chain([&place.command]) {
            for line in command.lines() {
                writeln!(out, "  {}", clip(line))?;
            }
        }
    }
    Ok(())
}

/// A line that is not wider than can be read.
pub(super) fn clip(line: &str) -> String {
    let length = line.chars().count();
    if length <= WIDEST {
        return line.to_owned();
    }
    let head: String = line.chars().take(WIDEST).collect();
    format!("{head}... ({length} letters)")
}
