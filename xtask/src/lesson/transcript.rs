//! Reads a transcript from a lesson's README.
//!
//! The syntax is trycmd's. In a fenced block marked `console`:
//!
//! ```text
//! $ insmod x.ko     a command
//! > || echo failed  its second line, if it has one
//! ? 1               its exit status, if it is not 0
//! the output        where [..] matches any text, and a line ... any lines
//! ```
//!
//! A comment `<!-- limit: 300 s -->` beside the blocks limits the run to 300 seconds on
//! the guest's clock.

mod near_miss;

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::TextError;

/// Info string of the blocks that a guest runs.
const CONSOLE: &str = "console";

/// Limit of a run for which nothing else is stated, in seconds on the guest's clock.
const LIMIT: u16 = 120;

/// The contents of a README's console blocks, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The steps, one for each command.
    pub steps: Vec<Step>,
    /// Limit of the whole run, if one is stated.
    pub stated_limit: Option<StatedLimit>,
}

/// Limit of a whole run, in seconds on the guest's clock, by the file that states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedLimit {
    /// The limit in the comment `<!-- limit: N s -->` of the text.
    Text(u16),
    /// The `limit` of the table `[test]` in a project's `kmodlab.toml`.
    Manifest(u16),
}

impl Transcript {
    /// Returns the limit of the whole run, in seconds on the guest's clock.
    pub fn limit(&self) -> u16 {
        match self.stated_limit {
            Some(StatedLimit::Text(seconds) | StatedLimit::Manifest(seconds)) => seconds,
            None => LIMIT,
        }
    }
}

/// A command with its expected result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The text's line where the command begins, counted from 1; 0 if the command is in no text.
    pub line: usize,
    /// The command; its lines are separated by `\n`.
    pub command: String,
    /// The expected lines of output, with their wildcards.
    pub expected: Vec<String>,
    /// The expected exit status.
    pub status: u8,
}

/// Reads the transcript of the README `markdown`. Messages name the README as `path`.
///
/// # Errors
///
/// Fails if the README has no command in a console block, or if a block or a limit is
/// malformed. The message has the form `path:line: problem, and the expected form`.
pub fn parse(markdown: &str, path: &Path) -> Result<Transcript, TextError> {
    let no_block = || TextError {
        readme: path.to_owned(),
        line: Some(1),
        problem:
            "this text has no console block; a lesson shows its commands in blocks that begin \
                  with ```console"
                .to_owned(),
    };
    parse_optional(markdown, path)?.ok_or_else(no_block)
}

/// Reads the transcript of a text that may have none, as [`parse`] does.
///
/// # Errors
///
/// Fails as [`parse`] does if there is a console block.
pub fn parse_optional(markdown: &str, path: &Path) -> Result<Option<Transcript>, TextError> {
    let error = |line: usize, message: &str| TextError {
        readme: path.to_owned(),
        line: Some(line),
        problem: message.to_owned(),
    };
    let markdown = without_mark(markdown);
    let mut steps = Vec::new();
    let mut limit = None;
    let mut blocks = 0;
    // The number of the first line of the current console block, and its text.
    let mut block: Option<(usize, String)> = None;
    let lines = LineIndex::new(markdown);
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        let line = lines.at(range.start);
        match event {
            // A comment may have several lines, and stand within a sentence.
            Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => {
                if let Some(offset) = near_miss::fence_in_html(&markdown[range.clone()]) {
                    return Err(error(lines.at(range.start + offset), near_miss::IN_HTML));
                }
                for (offset, comment) in comments(&markdown[range.clone()]) {
                    let line = lines.at(range.start + offset);
                    match read_limit(comment) {
                        None => {}
                        Some(Ok(_)) if limit.is_some() => {
                            return Err(error(line, "the limit is stated a second time"));
                        }
                        Some(Ok(seconds)) => limit = Some(seconds),
                        Some(Err(())) => {
                            return Err(error(
                                line,
                                "this limit is invalid; a limit is stated in whole seconds, from 1 \
                                 to 65535, as in `<!-- limit: 300 s -->`",
                            ));
                        }
                    }
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let info = info.trim();
                if info != CONSOLE {
                    match near_miss::fenced(info, &markdown[range]) {
                        Some(message) => return Err(error(line, &message)),
                        None => continue,
                    }
                }
                if !is_closed(&markdown[range]) {
                    return Err(error(
                        line,
                        "this console block is never closed; it ends with a line of the same \
                         ``` or ~~~ that it begins with",
                    ));
                }
                block = Some((line + 1, String::new()));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                if let Some(message) = near_miss::indented(&markdown[range]) {
                    return Err(error(line, message));
                }
            }
            Event::Code(_) if near_miss::has_fence(&markdown[range.clone()]) => {
                return Err(error(line, near_miss::IN_PARAGRAPH));
            }
            Event::Text(text) => {
                if let Some((_, block)) = &mut block {
                    block.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((first, block)) = block.take() {
                    blocks += 1;
                    read_block(first, &block, &mut steps)
                        .map_err(|(line, message)| error(line, &message))?;
                }
            }
            _ => {}
        }
    }
    if blocks == 0 {
        return Ok(None);
    }
    if steps.is_empty() {
        let message = "no console block of this text has a command; a command is a line that \
                       begins with `$ `";
        return Err(error(1, message));
    }
    Ok(Some(Transcript {
        steps,
        stated_limit: limit.map(StatedLimit::Text),
    }))
}

/// Returns the text of the comment `<!-- NAME: TEXT -->`, with single spaces.
pub fn comment(markdown: &str, name: &str) -> Option<String> {
    let mut html = String::new();
    for event in Parser::new(without_mark(markdown)) {
        if let Event::Html(part) | Event::InlineHtml(part) = event {
            html.push_str(&part);
        }
    }
    let (_, rest) = html.split_once(&format!("<!-- {name}:"))?;
    let (text, _) = rest.split_once("-->")?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Returns the text of the first heading.
pub fn title(markdown: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for event in Parser::new(without_mark(markdown)) {
        match event {
            Event::Start(Tag::Heading { .. }) => title = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(title) = &mut title {
                    title.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => break,
            _ => {}
        }
    }
    title.filter(|title| !title.is_empty())
}

/// Returns the text of each HTML comment, with its offset.
fn comments(html: &str) -> Vec<(usize, &str)> {
    let begins = html
        .match_indices("<!--")
        .map(|(begin, mark)| (begin, begin + mark.len()));
    begins
        .filter_map(|(begin, text)| Some((begin, html[text..].split_once("-->")?.0)))
        .collect()
}

/// Reads the text of a comment `<!-- limit: 300 s -->`; returns `None` for other comments, and an
/// error if the limit is not a positive number of seconds.
fn read_limit(comment: &str) -> Option<Result<u16, ()>> {
    let (name, stated) = comment.split_once(':')?;
    if !name.trim().eq_ignore_ascii_case("limit") {
        return None;
    }
    let seconds = stated.trim().strip_suffix('s');
    let seconds = seconds.and_then(|seconds| seconds.trim().parse().ok());
    Some(seconds.filter(|seconds| *seconds > 0).ok_or(()))
}

/// Returns a text without the byte order mark that some editors put in front of it.
fn without_mark(markdown: &str) -> &str {
    markdown.strip_prefix('\u{feff}').unwrap_or(markdown)
}

/// Returns whether a block's source ends with its closing fence. CommonMark also
/// accepts the end of the file; in a lesson, that is a mistake.
fn is_closed(source: &str) -> bool {
    let fence = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '>']).trim_end();
        let first = line.chars().next().filter(|first| "`~".contains(*first))?;
        let length = line.chars().take_while(|c| *c == first).count();
        Some((first, length, line.len() == length))
    };
    let mut lines = source.trim_end().lines();
    let (Some(open), Some(close)) = (lines.next(), lines.next_back()) else {
        return false;
    };
    match (fence(open), fence(close)) {
        (Some((char, length, _)), Some((other, other_length, bare))) => {
            char == other && other_length >= length && bare
        }
        _ => false,
    }
}

/// Appends the steps of a console block whose first line has the number `first`. An
/// error is a line's number and a message.
fn read_block(first: usize, block: &str, steps: &mut Vec<Step>) -> Result<(), (usize, String)> {
    let earlier = steps.len();
    // Whether a second line of the command or its exit status may follow.
    let mut in_command = false;
    for (line, text) in (first..).zip(block.lines()) {
        if let Some(command) = after_mark(text, '$') {
            let command = command.trim();
            if command.is_empty() {
                return Err((line, "there is no command after the `$`".to_owned()));
            }
            steps.push(Step {
                line,
                command: command.to_owned(),
                expected: Vec::new(),
                status: 0,
            });
            in_command = true;
            continue;
        }
        let Some(step) = steps[earlier..].last_mut() else {
            if text.trim().is_empty() {
                continue;
            }
            let text = shorten(text);
            return Err((
                line,
                format!(
                    "`{text}` comes before any command; a console block begins with a line \
                     `$ COMMAND`"
                ),
            ));
        };
        if in_command {
            if let Some(more) = after_mark(text, '>') {
                step.command.push('\n');
                step.command.push_str(more);
                continue;
            }
            in_command = false;
            if let Some(status) = text.strip_prefix("? ") {
                let status = status.trim();
                step.status = status.parse().map_err(|_| {
                    let status = shorten(status);
                    let message = format!(
                        "`{status}` is not an exit status; after `? ` comes a number from 0 to 255"
                    );
                    (line, message)
                })?;
                continue;
            }
        }
        step.expected.push(text.trim_end().to_owned());
    }
    for step in &mut steps[earlier..] {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    Ok(())
}

/// Returns the rest of a line that begins with `mark` and a space, or that is `mark`.
fn after_mark(line: &str, mark: char) -> Option<&str> {
    let rest = line.strip_prefix(mark)?;
    rest.strip_prefix(' ').or(rest.is_empty().then_some(rest))
}

/// Shortens a line for a message to the width of a terminal.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(57).chain("...".chars()).collect()
}

/// The positions of a text's line ends, to find the line of a byte offset.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }
}

#[cfg(test)]
mod tests;
