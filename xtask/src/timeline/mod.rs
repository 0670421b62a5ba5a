//! Timelines: which task ran on which CPU when, who woke whom, and what the
//! module said, on one axis of the guest's time.
//!
//! ```text
//! what the kernel traced -> Trace -> Timeline -> text, a page, a trace for Perfetto
//! ```

mod build;
mod columns;
mod html;
mod lanes;
mod model;
mod parse;
mod perfetto;
mod text;

use crate::lesson::kernel_log::KernelLog;
use crate::schedule::InjectedDelay;

pub use model::{Happening, Kind, Lane, Left, Moment, Run, Task, Timeline};
pub use text::Style;

/// What a guest told of its run.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The play's name.
    pub name: &'a str,
    /// The lesson's name.
    pub lesson: &'a str,
    /// What it came to, in a few words.
    pub verdict: &'a str,
    /// The word that marks the guest's notes.
    pub nonce: &'a str,
    /// The lesson's commands.
    pub commands: &'a [&'a str],
    /// The contents of `/sys/kernel/tracing/trace`, told after the lesson.
    pub trace: Option<&'a str>,
    /// What a kernel that stopped wrote into its log of its trace.
    pub dump: Option<&'a str>,
    /// Who was held up by a schedule.
    pub held_up: &'a [InjectedDelay],
    /// The kernel's log.
    pub log: &'a KernelLog,
}

#[cfg(test)]
mod tests;
