//! Timelines: which task ran on which CPU and when, who woke whom, and what the
//! module printed, on one axis of the guest's time.
//!
//! ```text
//! the kernel's trace -> Trace -> Timeline -> text, HTML page, JSON for Perfetto
//! ```

mod build;
mod columns;
mod html;
mod lanes;
mod layout;
mod model;
mod pair;
mod parse;
mod perfetto;
mod text;

use crate::lesson::kernel_log::KernelLog;
use crate::schedule::InjectedDelay;

pub use model::{CpuSlice, EndState, EventKind, Lane, Task, TaskKind, Timeline, TimelineEvent};
pub use pair::{PairEvent, PairRow, RunPair, SourceMark, TimelineMarks};
pub use text::TextStyle;

/// The records of a run from which a timeline is built.
#[derive(Debug, Clone, Copy)]
pub struct TimelineInput<'a> {
    /// The test case's name.
    pub name: &'a str,
    /// The lesson's name.
    pub lesson: &'a str,
    /// The verdict in a few words.
    pub verdict: &'a str,
    /// The lesson's commands.
    pub commands: &'a [&'a str],
    /// The names of the project's own programs, as the kernel has them.
    pub programs: &'a [String],
    /// The contents of `/sys/kernel/tracing/trace` after the lesson.
    pub trace: Option<&'a str>,
    /// The trace that a stopping kernel dumped into its log.
    pub dump: Option<&'a str>,
    /// The delays that a schedule injected.
    pub injected_delays: &'a [InjectedDelay],
    /// The kernel's log.
    pub log: &'a KernelLog,
}

#[cfg(test)]
mod tests;
