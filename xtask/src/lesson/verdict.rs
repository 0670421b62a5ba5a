//! What a lesson's run came to.

use std::fmt;

use super::subject::subject;

/// A verdict, with all that its report needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The guest did what the text says, and left nothing behind.
    Pass,
    /// A command printed something else, or ended with another status.
    Mismatch {
        /// The first that did, in full.
        first: Box<Mismatch>,
        /// How many did after it.
        further: usize,
    },
    /// The kernel complained of something and went on.
    KernelReport {
        /// The line that says of what.
        headline: String,
        /// The report.
        report: Vec<String>,
        /// What was being played.
        during: Option<TextLocation>,
    },
    /// The kernel stopped: a panic, an oops, a BUG.
    Panic {
        /// The line that says why.
        headline: String,
        /// The log from there on.
        report: Vec<String>,
        /// What was being played.
        during: Option<TextLocation>,
    },
    /// Something waited or ran for too long.
    Hang {
        /// The sign that it hangs, in a few words.
        symptom: String,
        /// The kernel's report or its last words.
        report: Vec<String>,
        /// What was being played.
        during: Option<TextLocation>,
        /// For how long, on the guest's clock.
        seconds: Option<f64>,
    },
    /// The lesson left something behind.
    LeftOver {
        /// One sentence each.
        left: Vec<String>,
    },
    /// The shell that played the lesson ended before the lesson did.
    ShellLost {
        /// Its exit status: 128 and the signal's number if one killed it.
        status: i32,
        /// What was being played.
        during: Option<TextLocation>,
    },
    /// The guest ended without a word about why, or never came to the lesson.
    GuestLost {
        /// What it did not do.
        what: String,
        /// What was being played.
        during: Option<TextLocation>,
        /// The log's last lines.
        log: Vec<String>,
    },
    /// QEMU or the machine failed: nothing is known about the lesson.
    Infrastructure {
        /// What failed.
        what: String,
    },
    /// The lesson was not played.
    Skipped {
        /// Why.
        why: String,
    },
}

/// A step of a lesson, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLocation {
    /// The text's line.
    pub line: usize,
    /// The command.
    pub command: String,
    /// The commands before it: what to type to come here by hand.
    pub before: Vec<String>,
}

/// A command that did not do what the text says.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Which.
    pub location: TextLocation,
    /// The lines that the text has.
    pub expected: Vec<String>,
    /// The lines that were printed, in the text's words where they hold.
    pub printed: Vec<String>,
    /// The exit status that the text states, and the one it had.
    pub status: (u8, u8),
    /// What the kernel logged meanwhile.
    pub log: Vec<String>,
}

impl Verdict {
    /// The verdict's name, for programs. These names do not change.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Mismatch { .. } => "mismatch",
            Verdict::KernelReport { .. } => "kernel-report",
            Verdict::Panic { .. } => "panic",
            Verdict::Hang { .. } => "hang",
            Verdict::LeftOver { .. } => "left-over",
            Verdict::ShellLost { .. } => "shell-lost",
            Verdict::GuestLost { .. } => "guest-lost",
            Verdict::Infrastructure { .. } => "infrastructure",
            Verdict::Skipped { .. } => "skipped",
        }
    }

    /// What part of the kernel reports, for programs, where the kernel went on:
    /// `lockdep`, `kmemleak`. These names do not change.
    pub fn subject(&self) -> Option<&'static str> {
        match self {
            Verdict::KernelReport { headline, .. } => Some(subject(headline).name()),
            _ => None,
        }
    }

    /// Did the lesson pass?
    pub fn passed(&self) -> bool {
        matches!(self, Verdict::Pass)
    }

    /// Was it played at all?
    pub fn skipped(&self) -> bool {
        matches!(self, Verdict::Skipped { .. })
    }

    /// What it quotes of the kernel's log: a report, or the last lines.
    pub fn report_mut(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Verdict::KernelReport { report, .. }
            | Verdict::Panic { report, .. }
            | Verdict::Hang { report, .. } => Some(report),
            Verdict::GuestLost { log, .. } => Some(log),
            _ => None,
        }
    }

    /// The step at which it went wrong, where there is one.
    pub fn location(&self) -> Option<&TextLocation> {
        match self {
            Verdict::Mismatch { first, .. } => Some(&first.location),
            Verdict::KernelReport { during, .. }
            | Verdict::Panic { during, .. }
            | Verdict::Hang { during, .. }
            | Verdict::ShellLost { during, .. }
            | Verdict::GuestLost { during, .. } => during.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    /// The verdict in a few words, without an end mark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => write!(f, "passed"),
            Verdict::Mismatch { first, .. } if first.expected == first.printed => {
                let (wanted, was) = first.status;
                write!(f, "ended with status {was} where the text says {wanted}")
            }
            Verdict::Mismatch { .. } => write!(f, "printed something else than the text says"),
            Verdict::KernelReport { headline, .. } => write!(f, "the kernel reported: {headline}"),
            Verdict::Panic { headline, .. } => write!(f, "the kernel crashed: {headline}"),
            Verdict::Hang {
                symptom, seconds, ..
            } => {
                write!(f, "hung: {symptom}")?;
                seconds.map_or(Ok(()), |seconds| {
                    write!(f, ", after {seconds:.0} s of the guest's time")
                })
            }
            Verdict::LeftOver { left } => match &left[..] {
                [only] => write!(f, "left something behind: {only}"),
                _ => write!(f, "left {} things behind", left.len()),
            },
            Verdict::ShellLost { status, .. } => match status {
                129..=192 => write!(f, "the shell was killed by signal {}", status - 128),
                _ => write!(
                    f,
                    "the shell ended with status {status} before the lesson did"
                ),
            },
            Verdict::GuestLost { what, .. } => write!(f, "the guest was lost: {what}"),
            Verdict::Infrastructure { what } => {
                write!(f, "not judged: {}", what.lines().next().unwrap_or(""))
            }
            Verdict::Skipped { why } => write!(f, "skipped: {why}"),
        }
    }
}
