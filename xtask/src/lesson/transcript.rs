//! Reads a transcript out of a lesson's text.
//!
//! The syntax is trycmd's. In a fenced block marked `console`:
//!
//! ```text
//! $ insmod x.ko     a command
//! > || echo failed  its second line, if it has one
//! ? 1               its exit status, if it is not 0
//! the output        where [..] is any text and a line ... any lines
//! ```
//!
//! A comment `<!-- limit: 300 s -->` beside the blocks says how long all of it
//! may take on the guest's clock.

use std::path::Path;

use anyhow::Result;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::failure::Failure;

/// A lesson whose text says nothing of it may take so many seconds on the
/// guest's clock.
pub const LIMIT: u16 = 120;

/// All that a lesson's console blocks say, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// One step a command.
    pub steps: Vec<Step>,
    /// So many seconds may all steps together take on the guest's clock.
    pub limit: u16,
}

/// A command and what the text says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The text's line that the command begins on, counted from 1.
    pub line: usize,
    /// The command; further lines are separated by `\n`.
    pub command: String,
    /// The lines that it should print.
    pub expected: Vec<String>,
    /// The exit status that it should have.
    pub status: u8,
}

/// Reads the transcript of the text `markdown`. `path` is where the text is,
/// for messages.
///
/// A text without a console block, or with a malformed one, is an error of
/// the form `path:line: what is wrong, and what is expected`.
pub fn parse(markdown: &str, path: &Path) -> Result<Transcript> {
    let wrong = |line: usize, what: &str| {
        anyhow::Error::from(Failure::lesson(format!(
            "{}:{line}: {what}",
            path.display()
        )))
    };
    let mut steps = Vec::new();
    let mut limit = None;
    let mut blocks = 0;
    // The block at hand: its first line's number, and its text.
    let mut block: Option<(usize, String)> = None;
    let lines = LineIndex::new(markdown);
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Html(html) => {
                let Some(stated) = read_limit(&html) else {
                    continue;
                };
                let wrong = |what| Err(wrong(lines.at(range.start), what));
                match stated {
                    Ok(_) if limit.is_some() => return wrong("the limit is stated a second time"),
                    Ok(seconds) => limit = Some(seconds),
                    Err(()) => {
                        return wrong(
                            "this is no limit; it is stated in whole seconds, from 1 to 65535, as \
                             in `<!-- limit: 300 s -->`",
                        );
                    }
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if is_console(&info) => {
                if !is_closed(&markdown[range.clone()]) {
                    return Err(wrong(
                        lines.at(range.start),
                        "this console block is never closed; it ends with a line of the same \
                         ``` or ~~~ that it begins with",
                    ));
                }
                block = Some((lines.at(range.start) + 1, String::new()));
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
                        .map_err(|SyntaxError { line, what }| wrong(line, &what))?;
                }
            }
            _ => {}
        }
    }
    if steps.is_empty() {
        let what = if blocks == 0 {
            "this text has no console block; a lesson shows its commands in blocks that begin \
             with ```console"
        } else {
            "no console block of this text has a command; a command is a line that begins \
             with `$ `"
        };
        return Err(wrong(1, what));
    }
    Ok(Transcript {
        steps,
        limit: limit.unwrap_or(LIMIT),
    })
}

/// What the text says in a comment `<!-- NAME: WHY -->`, if it has one of this name.
pub fn comment(markdown: &str, name: &str) -> Option<String> {
    let mut html = String::new();
    for event in Parser::new(markdown) {
        if let Event::Html(line) = event {
            html.push_str(&line);
        }
    }
    let (_, rest) = html.split_once(&format!("<!-- {name}:"))?;
    let (why, _) = rest.split_once("-->")?;
    Some(why.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The text of the first heading.
pub fn title(markdown: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for event in Parser::new(markdown) {
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

/// The seconds that the comment `<!-- limit: 300 s -->` states; `None` for any
/// other HTML, an error for something else than seconds.
fn read_limit(html: &str) -> Option<Result<u16, ()>> {
    let stated = html
        .trim()
        .strip_prefix("<!--")?
        .trim_start()
        .strip_prefix("limit:")?
        .strip_suffix("-->")
        .and_then(|stated| stated.trim().strip_suffix('s'))
        .and_then(|seconds| seconds.trim().parse().ok())
        .filter(|seconds| *seconds > 0);
    Some(stated.ok_or(()))
}

/// Is this the info string of a block that is to be played?
fn is_console(info: &str) -> bool {
    info.trim() == "console"
}

/// Does the block's source end with its closing fence? CommonMark lets the
/// end of the text close a block; in a lesson that is a slip of the pen.
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

struct SyntaxError {
    line: usize,
    what: String,
}

fn read_block(first: usize, block: &str, steps: &mut Vec<Step>) -> Result<(), SyntaxError> {
    /// What a line may follow.
    #[derive(PartialEq)]
    enum Previous {
        Nothing,
        Command,
        Output,
    }
    let mut after = Previous::Nothing;
    let wrong = |line: usize, what: String| Err(SyntaxError { line, what });
    for (line, text) in (first..).zip(block.lines()) {
        if text == "$" || text.starts_with("$ ") {
            let command = text[1..].trim();
            if command.is_empty() {
                return wrong(line, "there is no command after the `$`".to_owned());
            }
            steps.push(Step {
                line,
                command: command.to_owned(),
                expected: Vec::new(),
                status: 0,
            });
            after = Previous::Command;
            continue;
        }
        let (Some(step), true) = (steps.last_mut(), after != Previous::Nothing) else {
            if text.trim().is_empty() {
                continue;
            }
            return wrong(
                line,
                format!(
                    "`{}` comes before any command; a console block begins with a line `$ COMMAND`",
                    shorten(text)
                ),
            );
        };
        if after == Previous::Command {
            if text == ">" || text.starts_with("> ") {
                step.command.push('\n');
                step.command.push_str(text.get(2..).unwrap_or(""));
                continue;
            }
            if let Some(status) = text.strip_prefix("? ") {
                step.status = match status.trim().parse() {
                    Ok(status) => status,
                    Err(_) => {
                        return wrong(
                            line,
                            format!(
                                "`{}` is no exit status; after `? ` comes a number from 0 to 255",
                                shorten(status.trim())
                            ),
                        );
                    }
                };
                after = Previous::Output;
                continue;
            }
        }
        after = Previous::Output;
        step.expected.push(text.trim_end().to_owned());
    }
    for step in steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    Ok(())
}

/// A line as a message quotes it: not more than a terminal's width of it.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(57).chain("...".chars()).collect()
}

/// Turns byte offsets into line numbers.
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
