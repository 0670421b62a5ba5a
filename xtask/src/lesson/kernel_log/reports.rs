//! The reports in the kernel's log that fail a lesson.

use super::{KernelLog, LogLine, texts, without_middle};
use crate::lesson::stacks;
use crate::lesson::subject::{Subject, subject};
use crate::lesson::trim::trim_report;
use crate::text::demangled;

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
    /// If a hang followed a complaint: the headline of the complaint.
    pub after: Option<String>,
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

/// Beginnings of a report's first line, with its kind. The first match counts. `pr_info!` puts the module's name
/// before a message; a module in C may print such a line itself ([`KernelLog::without_imitations`]).
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

/// The ruler before a warning of the kernel's (`CUT_HERE` in include/asm-generic/bug.h).
const CUT_HERE: &str = "------------[ cut here ]";

/// Most lines of text between this ruler and the warning's headline.
const MAX_WARNING_TEXT: usize = 8;

/// Lines directly before a report's first line that belong to the report.
const RULERS: &[&str] = &[CUT_HERE, "=====", "*****"];

/// Lines that end a report.
pub(super) const ENDS_REPORT: &[&str] = &[
    CUT_HERE,
    "=====",
    "ACPI: PM: Preparing",
    "reboot: ",
    "sysrq: Resetting",
];

/// A pause that ends a report, in seconds.
pub(super) const PAUSE: f64 = 0.1;

/// Beginnings of the lines of which a report of the kernel has one near its headline.
const DETAILS: [&str; 4] = ["CPU: ", "Call Trace", "task:", "Modules linked in"];

/// Most lines from the headline to these.
const MAX_BEFORE_DETAILS: usize = 12;

impl KernelLog {
    /// Returns the log in which a line that looks like the beginning of a report, and that a module printed, is an
    /// ordinary message: `pr_info("WARNING: low battery\n")`. `None` if there is no such line. A report with the
    /// details that the kernel prints is not asked about.
    pub fn without_imitations(&self, is_modules: impl Fn(&str) -> bool) -> Option<Self> {
        let is_report = |at: usize| {
            let end = self.lines.len().min(at + MAX_BEFORE_DETAILS);
            self.lines[at + 1..end].iter().any(|line| {
                let message = line.message();
                DETAILS.iter().any(|begin| message.starts_with(begin))
            })
        };
        let imitates = |(at, line): (usize, &LogLine)| {
            // The host stops a guest that prints this, whoever did.
            let is_panic = line.message().starts_with("Kernel panic");
            let may_be = line.level.is_some() && line.report_kind().is_some() && !is_panic;
            may_be && !is_report(at) && is_modules(line.message())
        };
        let lines: Vec<bool> = self.lines.iter().enumerate().map(imitates).collect();
        lines.contains(&true).then(|| {
            let mut log = self.clone();
            for (line, imitates) in log.lines.iter_mut().zip(lines) {
                line.imitates_report = imitates;
            }
            log
        })
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
            after: None,
            at: lines[at].at,
            lines: without_middle(trim_report(texts(&lines[first_line(lines, at)..=at]))),
        })
    }

    /// Returns the first kernel report of the lesson; if no lesson began, of the whole log.
    pub fn report(&self) -> Option<KernelReport> {
        let lines = self.relevant();
        let kinds = || lines.iter().map(LogLine::report_kind);
        let (at, kind) = kinds()
            .enumerate()
            .find_map(|(at, kind)| Some((at, kind?)))?;
        let is_panic = |line: &LogLine| line.message().starts_with("Kernel panic");
        let stopped = lines[at..].iter().any(is_panic);
        // If the kernel stops after a complaint, the kind is that of the report that stopped it. A hang's
        // detector panics too, but its report stays a hang.
        let stops = |kind: ReportKind| match kind {
            ReportKind::Fatal => true,
            ReportKind::Hang => stopped,
            ReportKind::Complaint => false,
        };
        let later = match kind {
            ReportKind::Complaint => kinds()
                .enumerate()
                .skip(at)
                .find_map(|(at, kind)| Some((at, kind.filter(|kind| stops(*kind))?))),
            ReportKind::Fatal | ReportKind::Hang => None,
        };
        let from = first_line(lines, at);
        let end = match later {
            None if kind == ReportKind::Complaint && !stopped => end_of_complaint(lines, at),
            _ => lines.len(),
        };
        let shown = match (kind, later) {
            (ReportKind::Hang, _) => stacks::relevant(&texts(&lines[from..])),
            (_, Some((hang, ReportKind::Hang))) => stacks::relevant(&texts(&lines[hang..])),
            _ => trim_report(texts(&lines[from..end])),
        };
        let (headline_at, kind) = later.unwrap_or((at, kind));
        Some(KernelReport {
            kind,
            headline: headline(&lines[headline_at..]),
            after: matches!(later, Some((_, ReportKind::Hang))).then(|| headline(&lines[at..])),
            at: lines[at].at,
            lines: without_middle(shown),
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
        _ if lines[at].message().starts_with("WARNING: ") => {
            // The text of a `WARN` is between the ruler and the headline (`__warn_printk` in kernel/panic.c).
            let from = at.saturating_sub(MAX_WARNING_TEXT);
            let is_cut = |line: &LogLine| line.message().starts_with(CUT_HERE);
            let cut = lines[from..at].iter().rposition(is_cut);
            cut.map_or(at, |cut| from + cut)
        }
        _ => at,
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

fn is_ruler(message: &str) -> bool {
    RULERS.iter().any(|ruler| message.starts_with(ruler))
}

/// Reports whether a message may be the first line of a report of the kernel's.
pub fn begins_report(message: &str) -> bool {
    is_ruler(message) || kind(message).is_some()
}

pub(super) fn kind(message: &str) -> Option<ReportKind> {
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

/// Reports whether the line at `index` begins the warning by which SLUB prints the stack at the end of its own
/// report, which has the stacks of earlier calls only (`object_err` in mm/slub.c).
fn is_slubs_stack(first: &LogLine, lines: &[LogLine], index: usize) -> bool {
    let is_warning = |line: &LogLine| {
        let message = line.message();
        message.starts_with("WARNING: ") && message.contains(" at mm/slub.c:")
    };
    first.message().starts_with("BUG ")
        && lines[index].message().starts_with(CUT_HERE)
        && lines.get(index + 1).is_some_and(is_warning)
}

/// Returns the end of the report that begins at index `at`: after its end mark, before
/// the next report or the guest's end, or at a pause.
fn end_of_complaint(lines: &[LogLine], at: usize) -> usize {
    let mut last = lines[at].at;
    for (index, line) in lines.iter().enumerate().skip(at + 1) {
        let message = line.message();
        if is_slubs_stack(&lines[at], lines, index) {
            continue;
        }
        if message.starts_with("---[ end trace") {
            return index + 1;
        }
        let begins = |line: &LogLine| line.report_kind().is_some();
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
