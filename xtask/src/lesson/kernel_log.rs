//! The kernel's log of a run, and what in it no lesson may cause.

use super::compare::printable;
use super::noise::without_noise;
use super::stamp;

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
pub struct Report {
    /// What kind it is; fatal if the kernel stopped after any other.
    pub kind: ReportKind,
    /// Its line that says what it is, without its stamp.
    pub headline: String,
    /// The kernel's time on its first line, in seconds since boot.
    pub at: Option<f64>,
    /// Its lines, with their stamps, shortened in the middle if very many.
    pub lines: Vec<String>,
}

/// How a report's first line begins, and what kind it is. The first that fits
/// counts. Only a line's beginning does: `pr_info!` puts the module's name
/// there, so a module that talks about a `BUG:` has none.
const REPORTS: &[(&str, ReportKind)] = {
    use ReportKind::{Complaint, Fatal, Hang};
    &[
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

/// Lines that come right before a report's first line and belong to it.
const RULERS: &[&str] = &["------------[ cut here ]", "=====", "*****"];

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

    fn since_lesson(&self) -> &[LogLine] {
        self.lesson.map_or(&[], |lesson| &self.lines[lesson + 1..])
    }

    /// The first report since the lesson began, if there is any; or, where no
    /// lesson began, the first of all.
    pub fn report(&self) -> Option<Report> {
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
        Some(Report {
            kind: fatal.map_or(kind, |_| ReportKind::Fatal),
            headline: headline(&lines[fatal.unwrap_or(at)..]),
            at: lines[at].at,
            lines: shorten(without_noise(texts(&lines[from..to]))),
        })
    }
}

impl LogLine {
    fn new(text: String) -> Self {
        // Whatever a program wrote to the serial line itself comes first.
        let stamped = text
            .match_indices('[')
            .find_map(|(open, _)| Some((stamp::kernel(&text[open..])?, open)));
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
        "kmemleak: " => message.contains("new suspected memory leaks"),
        "list_add " | "list_del " => message.contains("corruption"),
        _ => true,
    };
    is_report.then_some(kind)
}

/// Where the report that begins at `at` ends: after its end mark, else where
/// the guest ends, else after so many lines.
fn end_of_complaint(lines: &[LogLine], at: usize) -> usize {
    let find = |begin: &str| {
        let mut after = lines[at..].iter();
        after.position(|line| line.message().starts_with(begin))
    };
    let guest = ["ACPI: PM: Preparing", "reboot: "].into_iter();
    let length = find("---[ end trace")
        .map(|end| end + 1)
        .or_else(|| guest.filter_map(find).min())
        .unwrap_or(MOST_LINES / 2);
    lines.len().min(at + length)
}

/// The first and the last of many lines.
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
