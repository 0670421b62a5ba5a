//! Writes the output of runs into a lesson's README, for review.
//!
//! Only a step that does not match is rewritten, and of this step only the lines that do
//! not match: `[..]`, `...` and `[+1.0s]` stay where they still match. The new README is
//! parsed and compared with all runs again. It matches them, or the README stays as it
//! was.

use std::path::Path;

use super::compare::{WILDCARD, compare, printed_lines};
use super::record::RecordedStep;
use super::timestamp::{self, VIRTUAL_TOLERANCE};
use super::transcript::{self, Step, Transcript};

/// The output of one run.
#[derive(Debug)]
pub struct RunOutput<'a> {
    /// The test case: `kthread_run (c)`.
    pub name: String,
    /// The recorded steps.
    pub steps: &'a [RecordedStep],
}

/// A README with new expected output.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated {
    /// The whole text.
    pub markdown: String,
    /// The lines where the changed commands begin, counted from 1.
    pub lines: Vec<usize>,
}

/// Rewrites the README `markdown`, whose path is `readme`, for the output of these runs.
/// Returns `None` if the README already matches all of them.
///
/// # Errors
///
/// Fails if a run did not execute all steps, if two runs printed different output, or if
/// the README's syntax cannot express the output. The error is a message for a person.
pub fn update(
    markdown: &str,
    readme: &Path,
    outputs: &[RunOutput<'_>],
) -> Result<Option<Updated>, String> {
    let old = transcript::parse(markdown, readme).map_err(|error| error.to_string())?;
    let Some(first) = outputs.first() else {
        return Ok(None);
    };
    let runs: Vec<Vec<ObservedStep>> = outputs
        .iter()
        .map(|output| read(output, &old))
        .collect::<Result<_, _>>()?;
    let mut lines: Vec<String> = markdown.split_inclusive('\n').map(str::to_owned).collect();
    let mut above = None;
    let mut changes = Vec::new();
    for (step, observed) in old.steps.iter().zip(&runs[0]) {
        let printed = &observed.printed;
        let compared = compare(&step.expected, printed, above, VIRTUAL_TOLERANCE);
        let before = std::mem::replace(&mut above, compared.last_timestamp);
        if compared.matches && observed.status == step.status {
            continue;
        }
        let expected = if compared.matches {
            step.expected.clone()
        } else {
            let lines = compared.normalised.iter();
            lines.map(|line| expectation(step, printed, line)).collect()
        };
        // Later timestamps count from the lines that the README shows now.
        above = compare(&expected, printed, before, VIRTUAL_TOLERANCE).last_timestamp;
        changes.push((step, expected, observed.status));
    }
    let location = |step: &Step| format!("{}:{}", readme.display(), step.line);
    // From the last to the first, so that the line numbers of the others stay valid.
    for (step, expected, status) in changes.iter().rev() {
        rewrite(&mut lines, step, expected, *status)
            .ok_or_else(|| format!("{}: cannot find this step's lines", location(step)))?;
    }
    let markdown = lines.concat();
    let new = transcript::parse(&markdown, readme).map_err(|error| error.to_string())?;
    let commands = |transcript: &Transcript| {
        let commands = transcript.steps.iter().map(|step| step.command.clone());
        commands.collect::<Vec<_>>()
    };
    let first = &first.name;
    if commands(&new) != commands(&old) {
        return Err(format!(
            "the output of {first} cannot be written into the text: it would be read as commands"
        ));
    }
    for (RunOutput { name, .. }, observed) in outputs.iter().zip(&runs) {
        if let Some(index) = first_difference(&new, observed) {
            let location = location(&old.steps[index]);
            return Err(if name == first {
                format!("{location}: the output of {first} cannot be written into the text")
            } else {
                format!("{location}: {first} and {name} print different output")
            });
        }
    }
    Ok((!changes.is_empty()).then(|| Updated {
        markdown,
        lines: changes.iter().map(|(step, ..)| step.line).collect(),
    }))
}

/// The result of one step in a run.
struct ObservedStep {
    printed: Vec<String>,
    status: u8,
}

fn read(output: &RunOutput<'_>, transcript: &Transcript) -> Result<Vec<ObservedStep>, String> {
    let steps = output.steps.iter().map(|step| {
        Some(ObservedStep {
            printed: printed_lines(&step.output),
            status: step.end?.status,
        })
    });
    let steps: Option<Vec<ObservedStep>> = steps.collect();
    steps
        .filter(|steps| steps.len() == transcript.steps.len())
        .ok_or_else(|| format!("{} did not run all steps", output.name))
}

/// Returns the index of the first step that does not match the transcript.
fn first_difference(transcript: &Transcript, observed: &[ObservedStep]) -> Option<usize> {
    let mut above = None;
    let mut steps = transcript.steps.iter().zip(observed);
    steps.position(|(step, observed)| {
        let compared = compare(&step.expected, &observed.printed, above, VIRTUAL_TOLERANCE);
        above = compared.last_timestamp;
        !compared.matches || observed.status != step.status
    })
}

/// Returns the new expected line for a normalised line of a step's output: an expected
/// line that still matches, or a printed line, with `[..]` for the parts that the README
/// cannot contain.
fn expectation(step: &Step, printed: &[String], line: &str) -> String {
    let was_printed = printed.iter().any(|printed| printed == line);
    // A printed line may look like a line with a lesson's timestamp.
    if let Some((_, text)) = timestamp::split_expected(line)
        && was_printed
    {
        return format!("{WILDCARD}{text}");
    }
    // Two CPUs may log out of order, and the syntax has no negative timestamps.
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
    // The kernel's own timestamps differ from kernel to kernel.
    if let Some((_, text)) = timestamp::split_kernel(line) {
        return format!("{WILDCARD}{text}");
    }
    // The parser would read these beginnings of lines as syntax.
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

/// Replaces the output of a step in the README's lines. Returns `None` if the lines do not
/// contain the step.
fn rewrite(lines: &mut Vec<String>, step: &Step, expected: &[String], status: u8) -> Option<()> {
    let begin = step.line - 1;
    let first = lines.get(begin)?;
    // In a list or a quotation, every line has the same prefix before the `$`.
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
