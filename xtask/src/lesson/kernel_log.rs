//! The kernel's log of a run, and what in it no lesson may cause.

use super::compare::printable;
use super::subject::{Subject, subject};
use super::timestamp;
use super::trim::trim_report;

/// The lines of the serial console.
#[derive(Debug, Clone, Default)]
pub struct KernelLog {
    lines: Vec<LogLine>,
    /// The line that says that the lesson begins.
    lesson: Option<usize>,
}

#[derive(Debug, Clone)]
struct LogLine {
    /// All of it.
    text: String,
    /// The kernel's time, if it has a stamp.
    at: Option<f64>,
    /// Where in `text` the kernel's message begins.
    message: usize,
}

/// What kind of report the kernel made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// The kernel stops: a panic, an oops, a BUG.
    Fatal,
    /// Something waits or runs for too long.
    Hang,
    /// Anything else: a warning, a lock taken in the wrong order, a leak.
    Complaint,
}

/// A report of the kernel's about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelReport {
    /// What kind it is; fatal if the kernel stopped after any other.
    pub kind: ReportKind,
    /// Its line that says what it is, without its stamp.
    pub headline: String,
    /// The kernel's time on its first line, in seconds since boot.
    pub at: Option<f64>,
    /// Its lines, with their stamps, shortened in the middle if very many.
    pub lines: Vec<String>,
}

impl KernelReport {
    /// Is it the line that says how many leaks a scan has found?
    pub fn counts_leaks(&self) -> bool {
        subject(&self.headline) == Subject::Kmemleak && self.headline.contains(LEAKS)
    }
}

/// What a kernel says that the host has interrupted, for no CPU takes interrupts any
/// more (`xtask/src/vm/pulse.rs`).
pub const INTERRUPTED: &str = "Kernel panic - not syncing: NMI: Not continuing";

/// How a report's first line begins, and what kind it is. The first that fits
/// counts. Only a line's beginning does: `pr_info!` puts the module's name
/// there, so a module that talks about a `BUG:` has none.
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
        ("watchdog: BUG: soft lockup", Hang),
        ("watchdog: Watchdog detected hard LOCKUP", Hang),
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
        // SLUB's, of an object: `BUG kmalloc-64 (Tainted: G O): Poison overwritten`
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
    ]
};

/// Of the line that says how many leaks a scan has found.
const LEAKS: &str = "new suspected memory leaks";

/// Lines that come right before a report's first line and belong to it.
const RULERS: &[&str] = &["------------[ cut here ]", "=====", "*****"];

/// Lines that no report goes on with.
const NOT_OF_A_REPORT: &[&str] = &[
    "------------[ cut here ]",
    "=====",
    "ACPI: PM: Preparing",
    "reboot: ",
    "sysrq: Resetting",
];

/// The lines of one report come one right after the other: these are seconds.
const PAUSE: f64 = 0.1;

/// A report is shown with at most this many lines.
const MOST_LINES: usize = 80;

impl KernelLog {
    /// Reads the bytes of the serial line. The lesson begins where a line
    /// says so with the run's nonce; without it, it never did.
    pub fn read(nonce: &str, bytes: &[u8]) -> Self {
        let begin = format!("kmodlab: lesson begins {nonce}");
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<LogLine> = text
            .split('\n')
            .map(|line| LogLine::new(printable(line)))
            .filter(|line| !line.text.is_empty())
            .collect();
        let lesson = lines.iter().position(|line| line.message() == begin);
        Self { lines, lesson }
    }

    /// Did the kernel print anything?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Did the guest say that the lesson begins?
    pub fn lesson_began(&self) -> bool {
        self.lesson.is_some()
    }

    /// Did the guest's own first program run?
    pub fn init_reached(&self) -> bool {
        let reached = |line: &LogLine| line.message() == "kmodlab: init reached";
        self.lines.iter().any(reached)
    }

    /// The kernel's time on the line that says that the lesson begins.
    pub fn lesson_time(&self) -> Option<f64> {
        self.lines[self.lesson?].at
    }

    /// The last time that the log tells, in seconds since boot.
    pub fn last_time(&self) -> Option<f64> {
        self.lines.iter().rev().find_map(|line| line.at)
    }

    /// The last `count` lines; of those since the lesson began, if it did.
    pub fn last(&self, count: usize) -> Vec<String> {
        let lines = match self.lesson {
            Some(_) => self.since_lesson(),
            None => &self.lines,
        };
        texts(&lines[lines.len().saturating_sub(count)..])
    }

    /// The lesson's lines between two times, in seconds since boot.
    pub fn between(&self, from: f64, to: f64) -> Vec<String> {
        let during = |line: &&LogLine| line.at.is_some_and(|at| from <= at && at <= to);
        self.since_lesson()
            .iter()
            .filter(during)
            .map(|line| line.text.clone())
            .collect()
    }

    /// The lesson's lines: the kernel's time in seconds since boot, if there is
    /// one, and what comes behind it.
    pub fn stamped(&self) -> impl Iterator<Item = (Option<f64>, &str)> {
        let lines = self.since_lesson().iter();
        lines.map(|line| (line.at, line.message()))
    }

    /// The lesson's lines without their times.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.since_lesson().iter().map(LogLine::message)
    }

    /// Lockdep reports one thing and then turns itself off, and does so when it
    /// runs out of memory: the line that says that it no longer looks, though
    /// nothing of the lesson's was reported.
    pub fn lockdep_off(&self) -> Option<&str> {
        let before = self.lesson.unwrap_or(self.lines.len());
        let messages = || self.lines.iter().map(LogLine::message);
        messages()
            .take(before)
            .find(|message| kind(message).is_some() && subject(message) == Subject::Lockdep)
            .or_else(|| {
                messages().find(|message| {
                    message.starts_with("turning off the locking correctness validator")
                        || message.starts_with("Disabling lock debugging due to kernel taint")
                })
            })
    }

    fn since_lesson(&self) -> &[LogLine] {
        self.lesson.map_or(&[], |lesson| &self.lines[lesson + 1..])
    }

    /// The first report since the lesson began, if there is any; or, where no
    /// lesson began, the first of all.
    pub fn report(&self) -> Option<KernelReport> {
        let lines = match self.lesson {
            Some(_) => self.since_lesson(),
            None => &self.lines,
        };
        let kinds = || lines.iter().map(|line| kind(line.message()));
        let (at, kind) = kinds()
            .enumerate()
            .find_map(|(at, kind)| Some((at, kind?)))?;
        // A warning that the kernel dies of is a panic. One of the hang
        // detectors stops the kernel by a panic, and it stays a hang.
        let fatal = match kind {
            ReportKind::Complaint => kinds().position(|kind| kind == Some(ReportKind::Fatal)),
            ReportKind::Fatal | ReportKind::Hang => None,
        };
        let stopped = lines[at..]
            .iter()
            .any(|line| line.message().starts_with("Kernel panic"));
        let from = match at.checked_sub(1) {
            Some(above) if is_ruler(lines[above].message()) => above,
            _ => at,
        };
        let to = if stopped || fatal.is_some() || kind != ReportKind::Complaint {
            lines.len()
        } else {
            end_of_complaint(lines, at)
        };
        Some(KernelReport {
            kind: fatal.map_or(kind, |_| ReportKind::Fatal),
            headline: headline(&lines[fatal.unwrap_or(at)..]),
            at: lines[at].at,
            lines: shorten(trim_report(texts(&lines[from..to]))),
        })
    }
}

impl LogLine {
    fn new(text: String) -> Self {
        // Whatever a program wrote to the serial line itself comes first.
        let stamped = text
            .match_indices('[')
            .find_map(|(open, _)| Some((timestamp::split_kernel(&text[open..])?, open)));
        let (at, message) = match stamped {
            Some(((at, rest), _)) => (Some(at), text.len() - rest.trim_start().len()),
            None => (None, 0),
        };
        Self { text, at, message }
    }

    fn message(&self) -> &str {
        &self.text[self.message..]
    }
}

/// What the first of these lines says; a Rust panic says it on two.
fn headline(lines: &[LogLine]) -> String {
    let line = lines.first().map_or("", LogLine::message);
    match (line.strip_suffix(':'), lines.get(1)) {
        (Some(line), Some(next)) if line.starts_with("rust_kernel: panicked at ") => {
            format!("{line}: {}", next.message())
        }
        _ => line.to_owned(),
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
        "kmemleak: " => message.contains(LEAKS) || message.ends_with("detector disabled"),
        "BUG " => message.contains("ainted") && message.contains("): "),
        "list_add " | "list_del " => message.contains("corruption"),
        _ => true,
    };
    is_report.then_some(kind)
}

/// Where the report that begins at `at` ends: after its end mark, else before
/// the next report or the guest's end, else where the kernel paused.
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
        if paused
            || NOT_OF_A_REPORT
                .iter()
                .any(|begin| message.starts_with(begin))
        {
            return index;
        }
        last = line.at.or(last);
    }
    lines.len()
}

/// A report that is very long, without its middle.
fn shorten(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST_LINES {
        let tail = lines.split_off(lines.len() - MOST_LINES / 4);
        let dropped = lines.len() - MOST_LINES * 3 / 4;
        lines.truncate(MOST_LINES * 3 / 4);
        lines.push(format!("... {dropped} lines more ..."));
        lines.extend(tail);
    }
    lines
}

#[cfg(test)]
mod tests;
