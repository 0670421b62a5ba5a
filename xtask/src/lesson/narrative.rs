//! The course of a run for a person: each command, its output and what the kernel logged.

use super::kernel_log::KernelLog;
use super::record::GuestRecord;
use super::transcript::Transcript;

/// Maximum number of lines.
const MAX_LINES: usize = 60;

/// Beginnings of the messages of the agent and of the guest's reset.
const NOT_OF_THE_RUN: [&str; 2] = ["kmodlab: ", "sysrq: Resetting"];

/// Returns the course of a run. The kernel's messages follow the output of the command during
/// which, or after which, they were logged.
pub fn narrative(transcript: &Transcript, record: &GuestRecord, log: &KernelLog) -> Vec<String> {
    let ahead = match (log.lesson_time(), record.ready) {
        (Some(log), Some(guest)) => log - guest,
        _ => 0.0,
    };
    let mut lines = Vec::new();
    let mut begins = record.steps.iter().skip(1).map(|step| step.begin);
    for (step, recorded) in transcript.steps.iter().zip(&record.steps) {
        let mut command = step.command.lines();
        lines.extend(command.next().map(|first| format!("$ {first}")));
        lines.extend(command.map(|more| format!("> {more}")));
        lines.extend(recorded.shown_lines());
        let end = begins.next().unwrap_or(f64::INFINITY);
        let logged = log.between(recorded.begin + ahead, end + ahead);
        let of_the_run = logged.into_iter().filter(|line| {
            let (_, text) = line.split_once("] ").unwrap_or(("", line));
            !NOT_OF_THE_RUN.iter().any(|begin| text.starts_with(begin))
        });
        lines.extend(of_the_run);
    }
    let left_out = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if left_out > 0 {
        lines.push(format!("... and {left_out} more lines"));
    }
    lines
}
