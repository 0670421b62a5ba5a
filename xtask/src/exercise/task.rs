//! `task.md`: the text, the parts and the hints of an exercise.
//!
//! The blocks marked `toml exercise` and `toml part`, and the hints, are for kmodlab: the text that
//! a student gets is without them ([`TaskText::student_text`]).

mod public;

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use serde::Deserialize;

use super::part::{LanguageList, PartSettings, TaskPart};
use super::task_hints::{self, TaskHints};
use super::variant::{Variant, Variants};
use crate::lesson::TextError;

/// Heading of the hints.
const HINTS: &str = "Hints";

/// The text of an exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskText {
    /// The path for messages.
    pub path: PathBuf,
    /// The first heading.
    pub title: String,
    /// The time that it takes, in minutes.
    pub minutes: Option<u32>,
    /// The values that vary.
    pub variants: Variants,
    /// Words that a source may not have.
    pub forbids: LanguageList,
    /// The parts, in their order.
    pub parts: Vec<TaskPart>,
    /// The hints.
    pub hints: TaskHints,
    lines: Vec<TaskLine>,
}

/// A line of `task.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TaskLine {
    text: String,
    /// Whether it is for kmodlab: a block of settings, or a hint.
    is_setting: bool,
    /// The index of the part that it belongs to.
    part: Option<usize>,
}

/// The text for a student.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudentText {
    /// The text.
    pub markdown: String,
    /// For each of its lines, the number of the line in `task.md`, and the index of the part that
    /// it belongs to.
    lines: Vec<(usize, Option<usize>)>,
}

/// The file in which the lines of a part are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineNumbers {
    /// The text that a student gets.
    OfStudent,
    /// `task.md` of the exercise.
    OfTask,
}

impl StudentText {
    /// Returns the lines of a part at their places: before each are as many other lines, all empty,
    /// as in the file in which they are numbered.
    pub fn of_part(&self, part: usize, numbers: LineNumbers) -> String {
        let mut text = String::new();
        let mut last = 0;
        for (number, line) in (1..).zip(self.markdown.lines()) {
            let (in_task, of) = self.lines[number - 1];
            if of == Some(part) {
                let number = match numbers {
                    LineNumbers::OfStudent => number,
                    LineNumbers::OfTask => in_task,
                };
                for _ in last..number {
                    text.push('\n');
                }
                text += line;
                last = number;
            }
        }
        text.strip_prefix('\n').unwrap_or(&text).to_owned()
    }

    /// Returns the line of a part's heading, counted from 1.
    pub fn line_of(&self, part: usize, numbers: LineNumbers) -> Option<usize> {
        let at = self.lines.iter().position(|(_, of)| *of == Some(part))?;
        Some(match numbers {
            LineNumbers::OfStudent => at + 1,
            LineNumbers::OfTask => self.lines[at].0,
        })
    }
}

/// The block `toml exercise`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    minutes: Option<u32>,
    vary: Variants,
    forbids: LanguageList,
}

impl TaskText {
    /// Reads the text of an exercise. Messages name it `path`.
    ///
    /// # Errors
    ///
    /// Fails with the line if a block is malformed, or there are no parts, or two have one title.
    pub fn parse(markdown: &str, path: &Path) -> Result<Self, TextError> {
        let outline = Outline::of(markdown);
        let error = |line: usize, problem: String| TextError {
            readme: path.to_owned(),
            line: Some(line),
            problem,
        };
        let mut task = Self {
            path: path.to_owned(),
            title: String::new(),
            minutes: None,
            variants: Variants::default(),
            forbids: LanguageList::default(),
            parts: Vec::new(),
            hints: TaskHints::default(),
            lines: Vec::new(),
        };
        let last = markdown.lines().count();
        let mut settings = vec![false; last + 1];
        let mut part_of: Vec<Option<usize>> = vec![None; last + 1];
        let sections = outline.headings.iter().filter(|heading| heading.level <= 2);
        let sections: Vec<&Heading> = sections.collect();
        for (index, heading) in sections.iter().enumerate() {
            let end = sections.get(index + 1).map_or(last + 1, |next| next.line);
            let range = heading.line..end;
            if heading.level == 1 {
                if task.title.is_empty() {
                    task.title.clone_from(&heading.text);
                }
                continue;
            }
            if heading.text == HINTS {
                settings[range.clone()].fill(true);
                let lines = markdown
                    .lines()
                    .skip(heading.line)
                    .take(end - heading.line - 1);
                task.hints = task_hints::parse(lines, heading.line + 1)
                    .map_err(|(line, problem)| error(line, problem))?;
            } else if let Some((title, points)) = points(&heading.text) {
                if task.part(&title).is_some() {
                    return Err(error(
                        heading.line,
                        format!("a second part is named `{title}`"),
                    ));
                }
                part_of[range.clone()].fill(Some(task.parts.len()));
                task.parts.push(TaskPart {
                    title,
                    points,
                    line: heading.line,
                    settings: PartSettings::default(),
                });
            }
        }
        for block in &outline.blocks {
            settings[block.lines.clone()].fill(true);
            let line = block.lines.start;
            let read = match (&*block.kind, part_of[line]) {
                ("exercise", _) => toml::from_str(&block.text).map(|read: Settings| {
                    task.minutes = read.minutes;
                    task.variants = read.vary;
                    task.forbids = read.forbids;
                }),
                ("part", Some(part)) => toml::from_str(&block.text).map(|read| {
                    task.parts[part].settings = read;
                }),
                ("part", None) => {
                    let form = "`## TITLE (5 points)`";
                    let problem = format!("this block is not below the heading of a part, {form}");
                    return Err(error(line, problem));
                }
                (other, _) => {
                    let problem =
                        format!("`toml {other}` is neither `toml exercise` nor `toml part`");
                    return Err(error(line, problem));
                }
            };
            read.map_err(|why| error(line, format!("{why}").trim_end().to_owned()))?;
        }
        for (number, line) in (1..).zip(markdown.lines()) {
            if let Some(name) = task.variants.unknown_name(line) {
                let problem =
                    format!("`{{{{{name}}}}}` is not varied in the block `toml exercise`");
                return Err(error(number, problem));
            }
            task.lines.push(TaskLine {
                text: line.to_owned(),
                is_setting: settings[number],
                part: part_of[number],
            });
        }
        task.check()
            .map_err(|(line, problem)| error(line, problem))?;
        Ok(task)
    }

    fn check(&self) -> Result<(), (usize, String)> {
        if self.title.is_empty() {
            return Err((1, "this text has no title, `# TITLE`".to_owned()));
        }
        if self.parts.is_empty() {
            let problem = "this text has no part; a part is a heading `## TITLE (5 points)`";
            return Err((1, problem.to_owned()));
        }
        for part in &self.parts {
            part.settings
                .check()
                .map_err(|problem| (part.line, problem))?;
        }
        Ok(())
    }

    /// Returns the index of the part with this title.
    pub fn part(&self, title: &str) -> Option<usize> {
        self.parts.iter().position(|part| part.title == title)
    }

    /// Returns the sum of the points of all parts that are not hidden.
    pub fn points(&self) -> u32 {
        let shown = self.parts.iter().filter(|part| !part.settings.hidden);
        shown.map(|part| part.points).sum()
    }

    /// Returns the text that a student gets; with `hidden`, it has the hidden parts too.
    pub fn student_text(&self, variant: &Variant, hidden: bool) -> StudentText {
        let mut text = StudentText {
            markdown: String::new(),
            lines: Vec::new(),
        };
        let mut left_out = false;
        for (number, line) in (1..).zip(&self.lines) {
            let is_hidden = line
                .part
                .is_some_and(|part| self.parts[part].settings.hidden);
            if line.is_setting || is_hidden && !hidden {
                left_out = true;
                continue;
            }
            // Only one of the empty lines around a block that was left out remains.
            let after_gap = std::mem::take(&mut left_out) && text.markdown.ends_with("\n\n");
            if after_gap && line.text.trim().is_empty() {
                continue;
            }
            text.markdown += &self.variants.fill(&line.text, variant);
            text.markdown.push('\n');
            text.lines.push((number, line.part));
        }
        text.markdown.truncate(text.markdown.trim_end().len());
        text.markdown.push('\n');
        text
    }
}

/// The headings and the settings of a text.
#[derive(Debug, Default)]
struct Outline {
    headings: Vec<Heading>,
    blocks: Vec<SettingsBlock>,
}

#[derive(Debug)]
struct Heading {
    level: u8,
    line: usize,
    text: String,
}

/// A fenced block marked `toml KIND`.
#[derive(Debug)]
struct SettingsBlock {
    kind: String,
    /// Its lines, counted from 1, with the fences.
    lines: std::ops::Range<usize>,
    text: String,
}

impl Outline {
    fn of(markdown: &str) -> Self {
        let line_of = |offset: usize| 1 + markdown[..offset].matches('\n').count();
        let mut outline = Self::default();
        let mut block: Option<SettingsBlock> = None;
        let mut heading: Option<Heading> = None;
        for (event, range) in Parser::new(markdown).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    heading = Some(Heading {
                        level: match level {
                            HeadingLevel::H1 => 1,
                            HeadingLevel::H2 => 2,
                            _ => 3,
                        },
                        line: line_of(range.start),
                        text: String::new(),
                    });
                }
                Event::End(TagEnd::Heading(_)) => outline.headings.extend(heading.take()),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    if let Some(kind) = info.trim().strip_prefix("toml ") {
                        let source = markdown[range.clone()].trim_end();
                        let first = line_of(range.start);
                        block = Some(SettingsBlock {
                            kind: kind.trim().to_owned(),
                            lines: first..first + source.lines().count(),
                            text: String::new(),
                        });
                    }
                }
                Event::End(TagEnd::CodeBlock) => outline.blocks.extend(block.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.text.push_str(&text);
                    } else if let Some(block) = &mut block {
                        block.text.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        outline
    }
}

/// Divides the heading of a part, `TITLE (5 points)`.
fn points(heading: &str) -> Option<(String, u32)> {
    let (title, points) = heading.strip_suffix(')')?.rsplit_once('(')?;
    let number = points
        .strip_suffix(" points")
        .or_else(|| points.strip_suffix(" point"))?;
    Some((title.trim().to_owned(), number.trim().parse().ok()?))
}

#[cfg(test)]
mod tests;
