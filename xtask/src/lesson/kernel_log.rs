//! The kernel's log of a run.

mod levels;
mod reports;

use kmodlab_protocol::{INIT_REACHED, READY};

use super::stacks;
use super::subject::{Subject, subject};
use super::timestamp;
use crate::text::{excerpt, printable_start};
use reports::kind;

pub use levels::{LevelFilter, WARNING, is_quiet, is_refusal, without_levels};
pub use reports::{INTERRUPTED, KernelReport, ReportKind, begins_report};

/// The lines of a guest's serial console.
#[derive(Debug, Clone, Default)]
pub struct KernelLog {
    lines: Vec<LogLine>,
    /// Index of the line that marks the beginning of the lesson.
    lesson: Option<usize>,
}

#[derive(Debug, Clone)]
struct LogLine {
    /// The whole line.
    text: String,
    /// The kernel's timestamp, in seconds since boot.
    at: Option<f64>,
    /// Offset of the kernel's message in `text`.
    message: usize,
    /// The level, if the kernel or a module printed the line, as opposed to a program.
    level: Option<u8>,
    /// Whether it looks like the beginning of a report, and a module printed it.
    imitates_report: bool,
}

/// Maximum number of lines of a report.
const MAX_LINES: usize = 80;

impl KernelLog {
    /// Reads the output of the serial console. The lesson begins at the agent's first line
    /// [`READY`].
    pub fn read(bytes: &[u8]) -> Self {
        let lines: Vec<LogLine> = bytes
            .split(|byte| *byte == b'\n')
            .map(|line| LogLine::new(printable_start(line)))
            .filter(|line| !line.text.is_empty())
            .collect();
        let lesson = lines.iter().position(|line| line.message() == READY);
        Self { lines, lesson }
    }

    /// Returns whether the log has no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns whether the lesson began.
    pub fn lesson_began(&self) -> bool {
        self.lesson.is_some()
    }

    /// Returns whether the guest's process 1 ran.
    pub fn init_reached(&self) -> bool {
        let reached = |line: &LogLine| line.message() == INIT_REACHED;
        self.lines.iter().any(reached)
    }

    /// Returns the timestamp of the line that marks the beginning of the lesson.
    pub fn lesson_time(&self) -> Option<f64> {
        self.lines[self.lesson?].at
    }

    /// Returns the last timestamp, in seconds since boot.
    pub fn last_time(&self) -> Option<f64> {
        self.lines.iter().rev().find_map(|line| line.at)
    }

    /// Returns the last `count` lines of the lesson; if no lesson began, of the whole log.
    pub fn last(&self, count: usize) -> Vec<String> {
        let lines = self.relevant();
        texts(&lines[lines.len().saturating_sub(count)..])
    }

    /// Returns the stacks that the kernel printed when the lesson's time was over; `None` if it
    /// printed none.
    pub fn stacks(&self) -> Option<Vec<String>> {
        let lines = self.since_lesson();
        let begin = lines
            .iter()
            .position(|line| line.message() == stacks::ALL_CPUS)?;
        let stacks = stacks::relevant(&texts(&lines[begin..]));
        Some(without_middle(stacks))
    }

    /// Returns the lesson's lines between two times, in seconds since boot.
    pub fn between(&self, from: f64, to: f64) -> Vec<String> {
        let during = |line: &&LogLine| line.at.is_some_and(|at| from <= at && at <= to);
        self.since_lesson()
            .iter()
            .filter(during)
            .map(|line| line.text.clone())
            .collect()
    }

    /// Returns the lesson's first and last lines.
    pub fn ends(&self) -> Vec<String> {
        excerpt(texts(self.since_lesson()).join("\n").as_bytes())
    }

    /// Returns the lesson's lines: each timestamp, in seconds since boot, and its message.
    pub fn timed_messages(&self) -> impl Iterator<Item = (Option<f64>, &str)> {
        let lines = self.since_lesson().iter();
        lines.map(|line| (line.at, line.message()))
    }

    /// Returns the lesson's messages, without their timestamps: up to that of the interrupt by which xtask
    /// ends a guest that hangs.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        let messages = self.since_lesson().iter().map(LogLine::message);
        messages.take_while(|message| *message != INTERRUPTED)
    }

    /// Returns the line after which lockdep checks nothing more: a report before the
    /// lesson, because lockdep turns itself off after its first report, or lockdep's
    /// message that it turns itself off, for example when it runs out of memory.
    pub fn lockdep_off(&self) -> Option<&str> {
        let before = self.lesson.unwrap_or(self.lines.len());
        let is_report = |line: &LogLine| {
            line.report_kind().is_some() && subject(line.message()) == Subject::Lockdep
        };
        let turns_off = |message: &str| {
            message.starts_with("turning off the locking correctness validator")
                || message.starts_with("Disabling lock debugging due to kernel taint")
        };
        let mut earlier = self.lines.iter().take(before);
        let reported = earlier.find(|line| is_report(line));
        let mut messages = self.lines.iter().map(LogLine::message);
        reported
            .map(LogLine::message)
            .or_else(|| messages.find(|message| turns_off(message)))
    }

    fn since_lesson(&self) -> &[LogLine] {
        self.lesson.map_or(&[], |lesson| &self.lines[lesson + 1..])
    }

    /// Returns the lesson's lines; if no lesson began, all lines.
    fn relevant(&self) -> &[LogLine] {
        match self.lesson {
            Some(_) => self.since_lesson(),
            None => &self.lines,
        }
    }

    /// Returns the kernel's last message if that is the one of a guest that was halted or switched
    /// off. A guest has no power switch, so its CPUs wait for ever.
    pub fn halted(&self) -> Option<&str> {
        let message = self.since_lesson().last()?.message();
        let is_halt = message.starts_with("reboot: ") && message.contains("System halted");
        is_halt.then_some(message)
    }
}

impl LogLine {
    fn new(mut text: String) -> Self {
        let level = levels::take(&mut text);
        // A program's own output to the serial console may precede the timestamp.
        let timestamp = text
            .match_indices('[')
            .find_map(|(open, _)| Some((timestamp::split_kernel(&text[open..])?, open)));
        let (at, message) = match timestamp {
            Some(((at, rest), _)) => (Some(at), text.len() - rest.trim_start().len()),
            None => (None, 0),
        };
        Self {
            text,
            at,
            message,
            level,
            imitates_report: false,
        }
    }

    /// Returns the kind of the report that the line begins, if it does.
    fn report_kind(&self) -> Option<ReportKind> {
        kind(self.message()).filter(|_| !self.imitates_report)
    }

    fn message(&self) -> &str {
        &self.text[self.message..]
    }
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

/// Replaces the middle of a long report by the number of its lines.
fn without_middle(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MAX_LINES {
        let tail = lines.split_off(lines.len() - MAX_LINES / 4);
        let dropped = lines.len() - MAX_LINES * 3 / 4;
        lines.truncate(MAX_LINES * 3 / 4);
        lines.push(format!("... {dropped} more lines ..."));
        lines.extend(tail);
    }
    lines
}

#[cfg(test)]
mod tests;
