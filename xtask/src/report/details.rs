//! The details of a failure, and the commands to reproduce it, for a person.

use std::io::{self, Write};

use snapbox::Data;
use snapbox::report::{Palette, write_diff};

use crate::lesson::verdict::{Mismatch, OutputSource, TextLocation, Verdict, first_error};
use crate::modules::Language;
use crate::symbols::SourceLocation;
use crate::text::printable;

use super::Outcome;

/// Most characters of a line that are shown.
const MAX_WIDTH: usize = 300;

/// Most lines of the kernel's log that are shown with a mismatch.
const MAX_LOG_LINES: usize = 40;

/// Most things left behind that are shown.
const MAX_LEFT: usize = 40;

/// Most commands that are shown to reproduce a failure.
const MAX_COMMANDS: usize = 40;

/// Writes the details of a failure.
pub(super) fn print(out: &mut dyn Write, outcome: &Outcome, palette: Palette) -> io::Result<()> {
    let Outcome {
        verdict,
        log,
        artifacts,
        ..
    } = outcome;
    writeln!(out)?;
    match position(outcome) {
        (file, Some(line)) => write!(out, "{file}:{line}: ")?,
        (file, None) => write!(out, "{file}: ")?,
    }
    let verdict_text = printable(&verdict.to_string());
    writeln!(out, "{}: {verdict_text}", palette.error(outcome.label()))?;
    if let Some(earlier) = &outcome.earlier {
        match earlier.location.line {
            0 => writeln!(out, "before that, this command failed:")?,
            line => writeln!(
                out,
                "before that, in line {line}, this command did not do what the text says:"
            )?,
        }
        command(out, &earlier.location)?;
        difference(out, earlier, palette)?;
    }
    if let Some(location) = verdict.location() {
        match (verdict, &outcome.earlier) {
            (Verdict::Mismatch { .. }, _) => {}
            (_, Some(_)) => writeln!(out, "and then, while this command ran:")?,
            (_, None) => writeln!(out, "while this command ran:")?,
        }
        command(out, location)?;
        if let Some(succeeded) = &outcome.succeeded {
            writeln!(out, "{succeeded}")?;
        }
    } else if let Verdict::Panic { report, .. } = verdict {
        writeln!(
            out,
            "while no command ran. Before a module is removed, its timers, work items, callbacks and\n\
             threads must have ended, and everything that it registered must be unregistered."
        )?;
        let is_met = |(function, _): &&(&str, &str)| {
            let function = format!("{function}+0x");
            report.iter().any(|line| line.contains(&function))
        };
        if let Some((_, left)) = STILL_REGISTERED.iter().find(is_met) {
            writeln!(out, "kmodlab looked at what was left: {left}.")?;
        }
    }
    print_locations(out, &outcome.source_locations)?;
    match verdict {
        Verdict::Pass | Verdict::Skipped { .. } => {}
        Verdict::Mismatch { first, further } if outcome.narrative.is_empty() => {
            mismatch(out, first, *further, palette)?;
        }
        // Without a text, there is nothing to compare with but the status.
        Verdict::Mismatch { .. } => listing(out, "the commands and the log", &outcome.narrative)?,
        Verdict::KernelReport { report, .. } if verdict.subject() == Some("kmemleak") => {
            listing(out, "kmemleak's report", report)?;
        }
        Verdict::KernelReport { report, .. }
        | Verdict::Panic { report, .. }
        | Verdict::Hang { report, .. } => listing(out, "the kernel's log", report)?,
        Verdict::OutputLimit {
            source, excerpt, ..
        } => {
            let title = match source {
                OutputSource::KernelLog => "the kernel's log",
                OutputSource::Commands
                | OutputSource::Agent
                | OutputSource::DebugConsole
                | OutputSource::Qemu => "the output, its beginning and its end",
                OutputSource::Events => "the last event",
            };
            listing(out, title, excerpt)?;
            writeln!(out, "The guest was stopped then.")?;
        }
        Verdict::LeftOver { left } => {
            list_left(out, left)?;
            listing(out, "the commands and the log", &outcome.narrative)?;
            writeln!(
                out,
                "What a module creates, its exit function must remove, and what the commands create, the last of them."
            )?;
        }
        Verdict::ShellLost { .. } => writeln!(
            out,
            "The commands of a text run in one shell, which `exit`, `exec` and `kill $$` end early.\n\
             Put such a command in parentheses to run it in a subshell."
        )?,
        Verdict::GuestLost { log, .. } => listing(out, "the last lines of the kernel's log", log)?,
        Verdict::BadText { what, .. } => {
            for line in what.lines().skip(1) {
                writeln!(out, "  {}", clip(&printable(line)))?;
            }
        }
        Verdict::DoesNotCompile { what } => {
            // The message above has the first line, unless it has a compiler's error.
            let known = usize::from(first_error(what).is_none());
            // Without indentation, a terminal or an editor finds the compiler's `FILE:LINE`.
            for line in what.lines().skip(known) {
                writeln!(out, "{}", clip(&printable(line)))?;
            }
        }
        Verdict::Infrastructure { what } => {
            for line in what.lines().skip(1) {
                writeln!(out, "  {}", clip(&printable(line)))?;
            }
            writeln!(
                out,
                "The test case was not judged. `{} doctor` checks the host.",
                crate::program::name()
            )?;
        }
    }
    if !outcome.left.is_empty() && !matches!(verdict, Verdict::LeftOver { .. }) {
        writeln!(out, "The test case also left something behind:")?;
        list_left(out, &outcome.left)?;
    }
    for note in &outcome.notes {
        writeln!(out, "{}", clip(&printable(note)))?;
    }
    let is_known = !matches!(verdict, Verdict::Infrastructure { .. });
    if !verdict.is_without_guest() && is_known && !outcome.origin.argument.is_empty() {
        print_commands(out, outcome)?;
    }
    if let Some(artifacts) = artifacts {
        writeln!(out, "artifacts: {}", artifacts.display())?;
    } else if let Some(log) = log {
        writeln!(out, "output of the guest: {}", log.display())?;
    }
    writeln!(out)
}

/// Returns the file that a failure is about, and the line if it is known: of the lesson's text, or
/// of a source that does not compile.
pub(super) fn position(outcome: &Outcome) -> (String, Option<usize>) {
    let Outcome {
        readme, verdict, ..
    } = outcome;
    match verdict.source_line() {
        Some((file, line)) => (file.to_owned(), usize::try_from(line).ok()),
        None => (readme.display().to_string(), verdict.text_line()),
    }
}

fn mismatch(
    out: &mut dyn Write,
    mismatch: &Mismatch,
    further: usize,
    palette: Palette,
) -> io::Result<()> {
    difference(out, mismatch, palette)?;
    let log = &mismatch.log;
    if log.len() > MAX_LOG_LINES {
        let title =
            format!("the last {MAX_LOG_LINES} lines of the kernel's log around the command");
        listing(out, &title, &log[log.len() - MAX_LOG_LINES..])?;
    } else if log.is_empty() {
        writeln!(out, "the kernel logged nothing around the command")?;
    } else {
        listing(out, "the kernel's log around the command", log)?;
    }
    if let Some(message) = late_message(mismatch) {
        writeln!(
            out,
            "`{}` came into the log too late for this command: it was written later, or without `\\n` at its \
             end, and then it shows only with the next message",
            clip(&printable(message))
        )?;
    }
    match further {
        0 => Ok(()),
        1 => writeln!(out, "1 later command failed too"),
        _ => writeln!(out, "{further} later commands failed too"),
    }
}

/// Returns an expected message that the command did not print, although the kernel's log has it, behind all
/// messages that it printed.
fn late_message<'a>(mismatch: &'a Mismatch) -> Option<&'a str> {
    let messages = |lines: &'a [String]| lines.iter().filter_map(|line| message_of(line));
    let printed: Vec<&str> = messages(&mismatch.printed).collect();
    let logged: Vec<&str> = messages(&mismatch.log).collect();
    let seen = logged.iter().rposition(|message| printed.contains(message));
    let later = &logged[seen.map_or(0, |seen| seen + 1)..];
    messages(&mismatch.expected)
        .find(|message| !printed.contains(message) && later.contains(message))
}

/// Returns the message of a line of the kernel's log, behind its time, or behind the sign for it in a
/// lesson's text.
fn message_of(line: &str) -> Option<&str> {
    let (_, message) = line.strip_prefix('[')?.split_once("] ")?;
    (!message.is_empty()).then_some(message)
}

/// Writes a command behind its prompt.
fn command(out: &mut dyn Write, location: &TextLocation) -> io::Result<()> {
    let mut prompt = "$";
    for line in location.command.lines() {
        writeln!(out, "    {prompt} {}", clip(line))?;
        prompt = ">";
    }
    Ok(())
}

/// Functions by which the kernel lists what is registered, and meets the memory of a module that is gone.
const STILL_REGISTERED: [(&str, &str); 1] = [(
    "misc_seq_show",
    "a device of misc_register() is still registered, which misc_deregister() must end",
)];

/// Writes a list of things that were left behind.
fn list_left(out: &mut dyn Write, left: &[String]) -> io::Result<()> {
    for left in left.iter().take(MAX_LEFT) {
        writeln!(out, "  - {}", clip(left))?;
    }
    match left.len().checked_sub(MAX_LEFT) {
        Some(more @ 1..) => writeln!(out, "  - and {more} more"),
        _ => Ok(()),
    }
}

/// Writes the output and the exit status in which a command differs from the text.
fn difference(out: &mut dyn Write, mismatch: &Mismatch, palette: Palette) -> io::Result<()> {
    let Mismatch {
        expected,
        printed,
        status,
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
        // Writing to a String cannot fail.
        let _ = write_diff(
            &mut diff,
            &text(expected),
            &text(printed),
            Some(&"the text"),
            Some(&"the guest's output"),
            palette,
        );
        writeln!(out, "{}", diff.trim_matches('\n'))?;
    }
    let (expected_status, actual_status) = *status;
    if expected_status != actual_status {
        writeln!(
            out,
            "exit status: {} instead of {}",
            palette.info(actual_status),
            palette.error(expected_status)
        )?;
    }
    Ok(())
}

/// Writes where the tasks of the kernel's report were in the lesson's sources.
fn print_locations(out: &mut dyn Write, source_locations: &[SourceLocation]) -> io::Result<()> {
    for location in source_locations {
        let SourceLocation {
            file,
            line,
            function,
            source,
            ..
        } = location;
        writeln!(
            out,
            "{} was at {file}:{line}, in {}:",
            clip(task_name(location)),
            clip(function)
        )?;
        writeln!(out, "{line:6} | {}", clip(source))?;
    }
    Ok(())
}

/// Returns the name of the task that was at a location.
pub(super) fn task_name(location: &SourceLocation) -> &str {
    match location.task.as_str() {
        "" => "the CPU",
        task => task,
    }
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

/// Writes the commands of the run for a guest with a shell, which reproduce the failure unless a
/// schedule did: such a guest has none.
fn print_commands(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    let location = outcome.verdict.location();
    let option = match outcome.language {
        Language::Rust => "",
        Language::C => "--lang c ",
    };
    let purpose = match outcome.scheduled {
        None => "to reproduce",
        Some(_) => "the same commands without a schedule",
    };
    writeln!(
        out,
        "{purpose}: {} qemu {option}{}{}{}",
        crate::program::name(),
        outcome.origin.argument,
        outcome.kernel_options,
        if location.is_some() {
            ", then type:"
        } else {
            ""
        }
    )?;
    if let Some(location) = location {
        let before = &location.before;
        let left_out = before.len().saturating_sub(MAX_COMMANDS);
        if left_out > 0 {
            writeln!(out, "  (the first {left_out} commands of the text)")?;
        }
        for command in before[left_out..].iter().chain([&location.command]) {
            for line in command.lines() {
                writeln!(out, "  {}", clip(line))?;
            }
        }
    }
    Ok(())
}

/// Cuts off a line that is too wide.
pub(super) fn clip(line: &str) -> String {
    let length = line.chars().count();
    if length <= MAX_WIDTH {
        return line.to_owned();
    }
    let head: String = line.chars().take(MAX_WIDTH).collect();
    format!("{head}... ({length} characters)")
}
