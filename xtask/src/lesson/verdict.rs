//! Verdicts: the results of runs.

use std::fmt;

use kmodlab_protocol::OUTPUT_LIMIT;

use super::subject::subject;
use crate::vm::Channel;
use crate::vm::output_meter::{EVENTS, limit};

/// The result of a run, with the details that a report prints.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The output is as expected, and nothing is left behind.
    Pass,
    /// A command's output or exit status differs from the text.
    Mismatch {
        /// The first such command.
        first: Box<Mismatch>,
        /// Number of such commands after the first.
        further: usize,
    },
    /// The kernel logged a complaint and went on.
    KernelReport {
        /// The line that names the problem.
        headline: String,
        /// The lines of the kernel report.
        report: Vec<String>,
        /// The step that was under way.
        during: Option<TextLocation>,
    },
    /// The kernel stopped with a panic, an oops or a BUG.
    Panic {
        /// The line that names the cause.
        headline: String,
        /// The log from that line on.
        report: Vec<String>,
        /// The step that was under way.
        during: Option<TextLocation>,
    },
    /// A task waited or ran for too long.
    Hang {
        /// The observation that the verdict is based on, in a few words.
        symptom: String,
        /// The kernel report, or the last lines of the log.
        report: Vec<String>,
        /// The step that was under way.
        during: Option<TextLocation>,
        /// The time since the step began, on the guest's clock.
        seconds: Option<f64>,
    },
    /// Something wrote without end, and was stopped.
    OutputLimit {
        /// The place where there was too much output.
        source: OutputSource,
        /// The beginning and the end of the output.
        excerpt: Vec<String>,
        /// The step that was under way.
        during: Option<TextLocation>,
    },
    /// Something is present after the run that was absent before it.
    LeftOver {
        /// One clause for each such thing.
        left: Vec<String>,
    },
    /// The shell ended before the last command.
    ShellLost {
        /// The shell's exit status; 128 plus the signal's number after a signal.
        status: i32,
        /// The step that was under way.
        during: Option<TextLocation>,
    },
    /// The guest ended in the lesson without a kernel report.
    GuestLost {
        /// A description of how far the guest came.
        what: String,
        /// The step that was under way.
        during: Option<TextLocation>,
        /// The log's last lines.
        log: Vec<String>,
    },
    /// The lesson's text cannot be tested, so no guest ran.
    BadText {
        /// The line of the text, if the mistake is in one.
        line: Option<usize>,
        /// The mistake; its first line is a summary.
        what: String,
    },
    /// A compiler refused the lesson's module or a program for its guest, so no guest ran.
    DoesNotCompile {
        /// The error with the compiler's output; its first line is a summary.
        what: String,
    },
    /// QEMU or the host failed, so the run shows nothing about the lesson.
    Infrastructure {
        /// A description of the failure; its first line is a summary.
        what: String,
    },
    /// The test case was not run.
    Skipped {
        /// The reason.
        why: String,
    },
}

/// A place where a run may write too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputSource {
    /// The standard output and error of the commands.
    Commands,
    /// The kernel's log.
    KernelLog,
    /// The channel of the agent's messages.
    Agent,
    /// The debug console, to which `perturb` writes.
    DebugConsole,
    /// The standard error of QEMU.
    Qemu,
    /// The events of QEMU, such as those of its device pvpanic.
    Events,
}

impl fmt::Display for OutputSource {
    /// Writes a clause that says what was too long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, limit) = match self {
            OutputSource::Commands => ("the commands printed", OUTPUT_LIMIT),
            OutputSource::KernelLog => ("the kernel logged", limit(Channel::Log)),
            OutputSource::Agent => ("the guest reported", limit(Channel::Agent)),
            OutputSource::DebugConsole => ("the guest wrote to port 0xe9", limit(Channel::Debug)),
            OutputSource::Qemu => ("the guest made QEMU print", limit(Channel::QemuErrors)),
            OutputSource::Events => {
                return write!(f, "the guest caused more than {EVENTS} events of QEMU");
            }
        };
        write!(f, "{what} more than {} MiB", limit >> 20)
    }
}

/// The position of a step in a lesson's README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLocation {
    /// The line where the command begins, counted from 1; 0 for a command that is in no text.
    pub line: usize,
    /// The command.
    pub command: String,
    /// The earlier commands, for a person who repeats the run by hand.
    pub before: Vec<String>,
}

/// A command whose output or exit status differs from the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The command and its position.
    pub location: TextLocation,
    /// The expected lines; of many, those around the differences.
    pub expected: Vec<String>,
    /// The printed lines, likewise; a line that matches is replaced by its expected line.
    pub printed: Vec<String>,
    /// The expected and the actual exit status.
    pub status: (u8, u8),
    /// The lines of the kernel's log from the time of the command.
    pub log: Vec<String>,
}

impl Verdict {
    /// The names of the verdicts of runs in a guest.
    pub const NAMES_OF_RUNS: [&str; 9] = [
        "pass",
        "mismatch",
        "kernel-report",
        "panic",
        "hang",
        "output-limit",
        "left-over",
        "shell-lost",
        "guest-lost",
    ];

    /// Returns the verdict's name for programs. These names do not change.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Mismatch { .. } => "mismatch",
            Verdict::KernelReport { .. } => "kernel-report",
            Verdict::Panic { .. } => "panic",
            Verdict::Hang { .. } => "hang",
            Verdict::OutputLimit { .. } => "output-limit",
            Verdict::LeftOver { .. } => "left-over",
            Verdict::ShellLost { .. } => "shell-lost",
            Verdict::GuestLost { .. } => "guest-lost",
            Verdict::BadText { .. } => "bad-text",
            Verdict::DoesNotCompile { .. } => "does-not-compile",
            Verdict::Infrastructure { .. } => "infrastructure",
            Verdict::Skipped { .. } => "skipped",
        }
    }

    /// Returns the subject of a kernel report for programs, such as `lockdep`. These names
    /// do not change.
    pub fn subject(&self) -> Option<&'static str> {
        match self {
            Verdict::KernelReport { headline, .. } => Some(subject(headline).name()),
            _ => None,
        }
    }

    /// Returns a number that is greater for a graver failure of the same test case, in the order
    /// in which a run is judged.
    pub fn gravity(&self) -> u8 {
        match self {
            Verdict::Panic { .. } => 8,
            Verdict::Hang { .. } => 7,
            Verdict::OutputLimit { .. } => 6,
            Verdict::ShellLost { .. } => 5,
            Verdict::GuestLost { .. } => 4,
            Verdict::KernelReport { .. } => 3,
            Verdict::Mismatch { .. } => 2,
            Verdict::LeftOver { .. } => 1,
            Verdict::Pass
            | Verdict::BadText { .. }
            | Verdict::DoesNotCompile { .. }
            | Verdict::Infrastructure { .. }
            | Verdict::Skipped { .. } => 0,
        }
    }

    /// Returns whether the test case passed.
    pub fn passed(&self) -> bool {
        matches!(self, Verdict::Pass)
    }

    /// Returns whether the test case was not run.
    pub fn skipped(&self) -> bool {
        matches!(self, Verdict::Skipped { .. })
    }

    /// Returns whether the verdict follows from the lesson's files alone, so that no guest ran.
    pub fn is_without_guest(&self) -> bool {
        matches!(
            self,
            Verdict::BadText { .. } | Verdict::DoesNotCompile { .. } | Verdict::Skipped { .. }
        )
    }

    /// Returns the line of the lesson's text that the verdict is about, if the command is from a
    /// text.
    pub fn text_line(&self) -> Option<usize> {
        match self {
            Verdict::BadText { line, .. } => *line,
            verdict => verdict
                .location()
                .map(|location| location.line)
                .filter(|line| *line > 0),
        }
    }

    /// Returns the file and line of the lesson's source that a compiler refused.
    pub fn source_line(&self) -> Option<(&str, u32)> {
        let Verdict::DoesNotCompile { what } = self else {
            return None;
        };
        let is_separator = |letter: char| letter.is_whitespace();
        what.split(is_separator).find_map(|word| {
            let mut parts = word.split(':');
            let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
            let own = file.rsplit_once('.').map(|(_, own)| own);
            let is_source = own.is_some_and(|own| ["rs", "c", "h", "S"].contains(&own));
            (is_source && !file.starts_with('/')).then_some((file, line))
        })
    }

    /// Returns the quoted lines of the kernel's log: a kernel report, or the last lines.
    pub fn report_mut(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Verdict::KernelReport { report, .. }
            | Verdict::Panic { report, .. }
            | Verdict::Hang { report, .. } => Some(report),
            Verdict::GuestLost { log, .. } => Some(log),
            Verdict::OutputLimit {
                source: OutputSource::KernelLog,
                excerpt,
                ..
            } => Some(excerpt),
            _ => None,
        }
    }

    /// Returns the quoted lines of a kernel report.
    pub fn kernel_report(&self) -> Option<&[String]> {
        match self {
            Verdict::KernelReport { report, .. }
            | Verdict::Panic { report, .. }
            | Verdict::Hang { report, .. } => Some(report),
            _ => None,
        }
    }

    /// Returns the step that failed or was under way.
    pub fn location(&self) -> Option<&TextLocation> {
        match self {
            Verdict::Mismatch { first, .. } => Some(&first.location),
            Verdict::KernelReport { during, .. }
            | Verdict::Panic { during, .. }
            | Verdict::Hang { during, .. }
            | Verdict::OutputLimit { during, .. }
            | Verdict::ShellLost { during, .. }
            | Verdict::GuestLost { during, .. } => during.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    /// Writes the verdict in a few words, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => write!(f, "passed"),
            Verdict::Mismatch { first, .. } if first.expected == first.printed => {
                let (expected, actual) = first.status;
                match first.location.line {
                    0 => write!(f, "a command ended with status {actual}"),
                    _ => write!(
                        f,
                        "ended with status {actual} where the text says {expected}"
                    ),
                }
            }
            Verdict::Mismatch { first, .. } if first.location.line == 0 => {
                write!(f, "a command failed")
            }
            Verdict::Mismatch { .. } => write!(f, "printed something else than the text says"),
            Verdict::KernelReport { headline, .. } => write!(f, "the kernel reported: {headline}"),
            Verdict::Panic { headline, .. } => write!(f, "the kernel crashed: {headline}"),
            Verdict::Hang {
                symptom, seconds, ..
            } => {
                write!(f, "hung: {symptom}")?;
                seconds.map_or(Ok(()), |seconds| {
                    let decimals = usize::from(seconds < 1.0);
                    write!(f, ", after {seconds:.decimals$} s of the guest's time")
                })
            }
            Verdict::OutputLimit { source, .. } => write!(f, "output limit exceeded: {source}"),
            Verdict::LeftOver { left } => match &left[..] {
                [only] => write!(f, "left something behind: {only}"),
                _ => write!(f, "left {} things behind", left.len()),
            },
            Verdict::ShellLost { status, .. } => match status {
                129..=192 => write!(f, "the shell was killed by signal {}", status - 128),
                _ => write!(
                    f,
                    "the shell ended with status {status} before its last command"
                ),
            },
            Verdict::GuestLost { what, .. } => write!(f, "the guest was lost: {what}"),
            Verdict::BadText { what, .. } => {
                let first = what.lines().next().unwrap_or("");
                write!(f, "the text cannot be tested: {first}")
            }
            Verdict::DoesNotCompile { what } => match first_error(what) {
                Some(error) => write!(f, "a source does not compile: {error}"),
                None => {
                    let first = what.lines().next().unwrap_or("");
                    write!(f, "the module cannot be built: {first}")
                }
            },
            Verdict::Infrastructure { what } => {
                write!(f, "not judged: {}", what.lines().next().unwrap_or(""))
            }
            Verdict::Skipped { why } => write!(f, "skipped: {why}"),
        }
    }
}

/// Returns the first line of a compiler's output that has an error.
pub fn first_error(output: &str) -> Option<&str> {
    output
        .lines()
        .find(|line| line.starts_with("error[") || line.contains("error: "))
        .or_else(|| output.lines().find(|line| line.starts_with("ERROR: ")))
}
