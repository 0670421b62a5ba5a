//! The part of the kernel's log that belongs to a command.

use super::{Case, MARGIN};

/// The kernel's message when the agent resets a guest whose run is over.
const RESET: &str = "sysrq: Resetting";

/// Maximum number of the log's lines that are kept with a mismatch.
const MAX_LOG_LINES: usize = 400;

impl Case<'_> {
    /// Returns the kernel's log between two times of the guest's clock.
    pub(super) fn log_during(&self, begin: f64, end: f64) -> Vec<String> {
        let ahead = self.log_ahead();
        let mut lines = self
            .log
            .between(begin + ahead - MARGIN, end + ahead + MARGIN);
        if self.record.finished() {
            lines.retain(|line| !line.ends_with(RESET));
        }
        lines
    }

    /// Returns the seconds by which the clock of the kernel's log is ahead of the guest's, which
    /// started a little later or earlier: the agent wrote to the log and read its clock at the
    /// same time.
    pub(super) fn log_ahead(&self) -> f64 {
        match (self.log.lesson_time(), self.record.ready) {
            (Some(log), Some(guest)) => log - guest,
            _ => 0.0,
        }
    }
}

/// Returns the last [`MAX_LOG_LINES`] lines.
pub(super) fn last(mut lines: Vec<String>) -> Vec<String> {
    let surplus = lines.len().saturating_sub(MAX_LOG_LINES);
    lines.drain(..surplus);
    lines
}
