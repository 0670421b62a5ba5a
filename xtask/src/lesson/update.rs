//! Writes what guests printed into a lesson's text, for review.
//!
//! Only a step that went another way than its text says is written anew, and
//! of it only the lines that no longer hold: `[..]`, `...` and `[+1.0s]` stay
//! where they still match. What is written is read back and held against all
//! that was seen, so a text is either right afterwards or left as it was.

use std::path::Path;

use super::compare::{WILDCARD, compare, printed_lines};
use super::record::PlayedStep;
use super::timestamp::{self, VIRTUAL_TOLERANCE};
use super::transcript::{self, Step, Transcript};

/// One guest's account of a lesson: all steps, each of which came to its end.
#[derive(Debug)]
pub struct RunOutput<'a> {
    /// Which guest: `kthread_run (c)`.
    pub name: String,
    /// What it noted.
    pub steps: &'a [PlayedStep],
}

/// A text that was written anew.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated {
    /// All of it.
    pub markdown: String,
    /// The lines of the text at which the changed commands begin.
    pub lines: Vec<usize>,
}

/// Writes what the outputs saw into the text `markdown`, whose path is
/// `readme`. None if it holds for all of them already.
///
/// Witnesses who saw different things, and output that a text cannot say, are
/// an error in words.
pub fn update(
    markdown: &str,
    readme: &Path,
    outputs: &[RunOutput<'_>],
) -> Result<Option<Updated>, String> {
    let old = transcript::parse(markdown, readme).map_err(|error| error.to_string())?;
    let Some(first) = outputs.first() else {
        return Ok(None);
    };
    let seen: Vec<Vec<ObservedStep>> = outputs
        .iter()
        .map(|output| read(output, &old))
        .collect::<Result<_, _>>()?;
    let mut lines: Vec<String> = markdown.split_inclusive('\n').map(str::to_owned).collect();
    let mut changed = Vec::new();
    let mut above = None;
    let mut news = Vec::new();
    for (step, seen) in old.steps.iter().zip(&seen[0]) {
        let compared = compare(&step.expected, &seen.printed, above, VIRTUAL_TOLERANCE);
        let before = std::mem::replace(&mut above, compared.last_timestamp);
        if !compared.matches || seen.status != step.status {
            changed.push(step.line);
            let expected = if compared.matches {
                step.expected.clone()
            } else {
                compared
                    .normalised
                    .iter()
                    .map(|line| expectation(step, &seen.printed, line))
                    .collect()
            };
            // Times further down count from what a reader sees now.
            above = compare(&expected, &seen.printed, before, VIRTUAL_TOLERANCE).last_timestamp;
            news.push((step, expected, seen.status));
        }
    }
    // From the last to the first, so that line numbers stay true.
    for (step, expected, status) in news.iter().rev() {
        rewrite(&mut lines, step, expected, *status).ok_or_else(|| {
            format!(
                "{}:{}: cannot find this step's lines",
                readme.display(),
                step.line
            )
        })?;
    }
    let markdown = lines.concat();
    let new = transcript::parse(&markdown, readme).map_err(|error| error.to_string())?;
    let commands = |transcript: &Transcript| -> Vec<String> {
        transcript
            .steps
            .iter()
            .map(|step| step.command.clone())
            .collect()
    };
    if commands(&new) != commands(&old) {
        return Err(format!(
            "what {} printed cannot be written as a text: it would be read as commands",
            first.name
        ));
    }
    for (output, seen) in outputs.iter().zip(&seen) {
        if let Some(at) = first_difference(&new, seen) {
            let place = format!("{}:{}", readme.display(), old.steps[at].line);
            return Err(if output.name == first.name {
                format!(
                    "{place}: what {} printed cannot be written as a text",
                    first.name
                )
            } else {
                format!(
                    "{place}: {} and {} print different things",
                    first.name, output.name
                )
            });
        }
    }
    Ok((!changed.is_empty()).then_some(Updated {
        markdown,
        lines: changed,
    }))
}

/// What a step came to.
struct ObservedStep {
    printed: Vec<String>,
    status: u8,
}

fn read(output: &RunOutput<'_>, transcript: &Transcript) -> Result<Vec<ObservedStep>, String> {
    let seen: Option<Vec<ObservedStep>> = output
        .steps
        .iter()
        .map(|step| {
            Some(ObservedStep {
                printed: printed_lines(&step.output),
                status: step.end?.status,
            })
        })
        .collect();
    seen.filter(|seen| seen.len() == transcript.steps.len())
        .ok_or_else(|| format!("{} did not come to the text's end", output.name))
}

/// The first step that did not go as the transcript says.
fn first_difference(transcript: &Transcript, seen: &[ObservedStep]) -> Option<usize> {
    let mut above = None;
    transcript.steps.iter().zip(seen).position(|(step, seen)| {
        let compared = compare(&step.expected, &seen.printed, above, VIRTUAL_TOLERANCE);
        above = compared.last_timestamp;
        !compared.matches || seen.status != step.status
    })
}

/// A line of a step's output as its text has it from now on: one of the
/// text's own, or a printed one that means itself.
fn expectation(step: &Step, printed: &[String], line: &str) -> String {
    let was_printed = printed.iter().any(|printed| printed == line);
    // What looks like a lesson's time stamp and was printed is none.
    if let Some((_, text)) = timestamp::split_expected(line)
        && was_printed
    {
        return format!("{WILDCARD}{text}");
    }
    // Two CPUs may log out of order, and a text has no time before another.
    if let Some((_, text)) = line
        .strip_prefix("[-")
        .and_then(|line| line.split_once("s]"))
        && !was_printed
    {
        return format!("{WILDCARD}{text}");
    }
    if step.expected.iter().any(|expected| expected == line) {
        return line.to_owned();
    }
    // The kernel's own time stamp is another one on another kernel.
    if let Some((_, text)) = timestamp::split_kernel(line) {
        return format!("{WILDCARD}{text}");
    }
    // What would be read as syntax at a line's beginning.
    let word = line.trim_start();
    for syntax in ["$", ">", "?", "```", "~~~"] {
        if let Some(rest) = word.strip_prefix(syntax) {
            let indent = &line[..line.len() - word.len()];
            return match syntax.len() {
                1 => format!("{WILDCARD}{rest}"),
                _ => format!("{indent}{WILDCARD}{rest}"),
            };
        }
    }
    line.to_owned()
}

/// Puts the new output of a step in the place of the old; the step must be as
/// it was when the text was read.
fn rewrite(lines: &mut Vec<String>, step: &Step, expected: &[String], status: u8) -> Option<()> {
    let begin = step.line - 1;
    let first = lines.get(begin)?;
    // In a list or a quotation, something stands before the `$` of every line.
    let prefix = first.split_once('$')?.0.to_owned();
    let end_mark = if first.ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let output = begin + 1 + step.command.matches('\n').count();
    let stated = lines
        .get(output)?
        .strip_prefix(&prefix)
        .is_some_and(|line| line.starts_with("? "));
    let end = output + usize::from(stated) + step.expected.len();
    let mut new = Vec::new();
    if status != 0 {
        new.push(format!("{prefix}? {status}{end_mark}"));
    }
    for line in expected {
        let line = format!("{prefix}{line}");
        new.push(format!("{}{end_mark}", line.trim_end()));
    }
    if end > lines.len() {
        return None;
    }
    lines.splice(output..end, new);
    Some(())
}

#[cfg(test)]
mod tests;
