//! The kernel's log of a run, and the reports in it that fail a lesson.

use kmodlab_protocol::{INIT_REACHED, READY};

use super::stacks;
use super::subject::{Subject, subject};
use super::timestamp;
use super::trim::trim_report;
use crate::text::{demangled, excerpt, printable_start};

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
}

/// The severity of a kernel report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// A panic, an oops or a BUG, which stops the kernel.
    Fatal,
    /// A task that waits or runs for too long.
    Hang,
    /// Any other report: a warning, a wrong lock order, a leak.
    Complaint,
}

/// A complaint in the kernel's log.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelReport {
    /// The severity; fatal if the kernel stopped after a complaint.
    pub kind: ReportKind,
    /// The line that names the problem, without its timestamp.
    pub headline: String,
    /// The timestamp of the first line, in seconds since boot.
    pub at: Option<f64>,
    /// The lines with their timestamps, trimmed; the middle of a long report is left out.
    pub lines: Vec<String>,
}

impl KernelReport {
    /// Returns whether this report is kmemleak's count of the leaks of a scan.
    pub fn counts_leaks(&self) -> bool {
        subject(&self.headline) == Subject::Kmemleak && self.headline.contains(LEAKS)
    }
}

/// The panic message of a kernel that the host stopped with an NMI because all CPUs have
/// interrupts disabled.
pub const INTERRUPTED: &str = "Kernel panic - not syncing: NMI: Not continuing";

/// Beginnings of a report's first line, with its kind. The first match counts. A message
/// of a module cannot match, because `pr_info!` puts the module's name first.
const REPORTS: &[(&str, ReportKind)] = {
    use ReportKind::{Complaint, Fatal, Hang};
    &[
        (INTERRUPTED, Hang),
        ("Kernel panic - not syncing", Fatal),
        ("kernel BUG at ", Fatal),
        ("Oops", Fatal),
        ("BUG: kernel NULL pointer dereference", Fatal),
        ("BUG: unable to handle", Fatal),
        ("BUG: stack guard page was hit", Fatal),
        ("general protection fault", Fatal),
        ("invalid opcode: ", Fatal),
        ("divide error: ", Fatal),
        ("int3: ", Fatal),
        ("stack segment: ", Fatal),
        ("watchdog: ", Hang),
        ("BUG: soft lockup", Hang),
        ("BUG: workqueue lockup", Hang),
        ("rcu: INFO: ", Hang),
        ("INFO: rcu_", Hang),
        ("INFO: task ", Hang),
        ("BUG: ", Complaint),
        ("WARNING: ", Complaint),
        ("INFO: possible ", Complaint),
        ("INFO: trying to register non-static key", Complaint),
        ("[ BUG: ", Complaint),
        // SLUB reports an object: `BUG kmalloc-64 (Tainted: G O): Poison overwritten`
        ("BUG ", Complaint),
        ("ODEBUG: ", Complaint),
        ("DEBUG_LOCKS_WARN_ON(", Complaint),
        ("UBSAN: ", Complaint),
        ("KASAN: ", Complaint),
        ("KFENCE: ", Complaint),
        ("kmemleak: ", Complaint),
        ("list_add ", Complaint),
        ("list_del ", Complaint),
        ("refcount_t: ", Complaint),
        ("rust_kernel: panicked at ", Fatal),
        (OUT_OF_MEMORY, Complaint),
    ]
};

/// The kernel's message when it ends a process for lack of memory: the last of a report.
const OUT_OF_MEMORY: &str = "Out of memory: Killed process ";

/// The kernel's first message of that report, after the name of the task that needed memory
/// (`dump_header` in mm/oom_kill.c).
const INVOKED_OOM_KILLER: &str = " invoked oom-killer: ";

/// Part of kmemleak's message after a scan.
const LEAKS: &str = "new suspected memory leaks";

/// Lines directly before a report's first line that belong to the report.
const RULERS: &[&str] = &["------------[ cut here ]", "=====", "*****"];

/// Lines that end a report.
const ENDS_REPORT: &[&str] = &[
    "------------[ cut here ]",
    "=====",
    "ACPI: PM: Preparing",
    "reboot: ",
    "sysrq: Resetting",
];

/// A pause that ends a report, in seconds.
const PAUSE: f64 = 0.1;

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

    /// Returns the lesson's messages, without their timestamps.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.since_lesson().iter().map(LogLine::message)
    }

    /// Returns the line after which lockdep checks nothing more: a report before the
    /// lesson, because lockdep turns itself off after its first report, or lockdep's
    /// message that it turns itself off, for example when it runs out of memory.
    pub fn lockdep_off(&self) -> Option<&str> {
        let before = self.lesson.unwrap_or(self.lines.len());
        let is_report =
            |message: &str| kind(message).is_some() && subject(message) == Subject::Lockdep;
        let turns_off = |message: &str| {
            message.starts_with("turning off the locking correctness validator")
                || message.starts_with("Disabling lock debugging due to kernel taint")
        };
        let messages = || self.lines.iter().map(LogLine::message);
        let mut earlier = messages().take(before);
        earlier
            .find(|message| is_report(message))
            .or_else(|| messages().find(|message| turns_off(message)))
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

    /// Returns the kernel's first report that it ended a process for lack of memory.
    pub fn out_of_memory(&self) -> Option<KernelReport> {
        let lines = self.relevant();
        let at = lines
            .iter()
            .position(|line| line.message().starts_with(OUT_OF_MEMORY))?;
        Some(KernelReport {
            kind: ReportKind::Complaint,
            headline: headline(&lines[at..]),
            at: lines[at].at,
            lines: without_middle(trim_report(texts(&lines[first_line(lines, at)..=at]))),
        })
    }

    /// Returns the first kernel report of the lesson; if no lesson began, of the whole log.
    pub fn report(&self) -> Option<KernelReport> {
        let lines = self.relevant();
        let kinds = || lines.iter().map(|line| kind(line.message()));
        let (at, kind) = kinds()
            .enumerate()
            .find_map(|(at, kind)| Some((at, kind?)))?;
        // A complaint before a panic is fatal. A hang detector panics too, but its report
        // stays a hang.
        let fatal = match kind {
            ReportKind::Complaint => kinds().position(|kind| kind == Some(ReportKind::Fatal)),
            ReportKind::Fatal | ReportKind::Hang => None,
        };
        let stopped = lines[at..]
            .iter()
            .any(|line| line.message().starts_with("Kernel panic"));
        let from = first_line(lines, at);
        let to = if stopped || fatal.is_some() || kind != ReportKind::Complaint {
            lines.len()
        } else {
            end_of_complaint(lines, at)
        };
        let kind = fatal.map_or(kind, |_| ReportKind::Fatal);
        let texts = texts(&lines[from..to]);
        Some(KernelReport {
            kind,
            headline: headline(&lines[fatal.unwrap_or(at)..]),
            at: lines[at].at,
            lines: without_middle(match kind {
                ReportKind::Hang => stacks::relevant(&texts),
                ReportKind::Fatal | ReportKind::Complaint => trim_report(texts),
            }),
        })
    }
}

/// Returns the index of the first line of the report whose headline is at index `at`.
fn first_line(lines: &[LogLine], at: usize) -> usize {
    if lines[at].message().starts_with(OUT_OF_MEMORY) {
        let begins = |line: &LogLine| line.message().contains(INVOKED_OOM_KILLER);
        return lines[..at].iter().rposition(begins).unwrap_or(at);
    }
    match at.checked_sub(1) {
        Some(above) if is_ruler(lines[above].message()) => above,
        _ => at,
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
        }
    }

    fn message(&self) -> &str {
        &self.text[self.message..]
    }
}

/// Returns the first message, with the names of Rust functions as in their sources; for a Rust
/// panic, the first two messages.
fn headline(lines: &[LogLine]) -> String {
    let line = lines.first().map_or("", LogLine::message);
    match (line.strip_suffix(':'), lines.get(1)) {
        (Some(line), Some(next)) if line.starts_with("rust_kernel: panicked at ") => {
            format!("{line}: {}", next.message())
        }
        _ => demangled(line),
    }
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

fn is_ruler(message: &str) -> bool {
    RULERS.iter().any(|ruler| message.starts_with(ruler))
}

fn kind(message: &str) -> Option<ReportKind> {
    let (prefix, kind) = *REPORTS
        .iter()
        .find(|(prefix, _)| message.starts_with(prefix))?;
    let is_report = match prefix {
        "INFO: task " => message.contains(" blocked for more than "),
        "rcu: INFO: " | "INFO: rcu_" => message.contains("stall"),
        // In Linux 7.3, `CPU0: Watchdog detected hard LOCKUP on cpu 1`.
        "watchdog: " => {
            message.contains("BUG: soft lockup")
                || message.contains("Watchdog detected hard LOCKUP")
        }
        "kmemleak: " => message.contains(LEAKS) || message.ends_with("detector disabled"),
        "BUG " => message.contains("ainted") && message.contains("): "),
        "list_add " | "list_del " => message.contains("corruption"),
        _ => true,
    };
    is_report.then_some(kind)
}

/// Returns the end of the report that begins at index `at`: after its end mark, before
/// the next report or the guest's end, or at a pause.
fn end_of_complaint(lines: &[LogLine], at: usize) -> usize {
    let mut last = lines[at].at;
    for (index, line) in lines.iter().enumerate().skip(at + 1) {
        let message = line.message();
        if message.starts_with("---[ end trace") {
            return index + 1;
        }
        let begins = |line: &LogLine| kind(line.message()).is_some();
        if message.starts_with("=====") && !lines.get(index + 1).is_some_and(begins) {
            return index + 1;
        }
        let paused = line
            .at
            .zip(last)
            .is_some_and(|(now, last)| now - last > PAUSE);
        if paused || ENDS_REPORT.iter().any(|begin| message.starts_with(begin)) {
            return index;
        }
        last = line.at.or(last);
    }
    lines.len()
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

mod levels;

pub use levels::{LevelFilter, WARNING, is_quiet, is_refusal, without_levels};

#[cfg(test)]
mod tests;
