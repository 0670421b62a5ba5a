//! Separates a kernel's trace from its log.
//!
//! A kernel that stops while it records a trace may write the trace to its log
//! (`ftrace_dump_on_oops`, set by the agent).

use super::kernel_log::without_levels;

/// Removes the trace that a stopped kernel wrote to its log: from the headline to the ruler
/// behind the last line. Returns the trace's lines without timestamps; `None` if there is none.
///
/// A kernel that stops twice writes a second trace with the newer events: all are returned.
pub fn take_dump(log: &mut Vec<u8>) -> Option<String> {
    let mut dump = None;
    let mut kept = Vec::with_capacity(log.len());
    let mut part = LogPart::Log;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let text = without_levels(line);
        let text = String::from_utf8_lossy(&text);
        // A line of the serial port's ends in `\r\n`.
        let text = text.trim_end_matches(['\n', '\r']);
        let message = super::timestamp::split_kernel(text)
            .map(|(_, rest)| rest.strip_prefix(' ').unwrap_or(rest));
        part = match (part, message) {
            (LogPart::Log, Some(HEADLINE)) => {
                dump.get_or_insert_with(String::new);
                LogPart::Head
            }
            (LogPart::Head, Some(RULER)) => LogPart::Dump,
            (LogPart::Head, Some(EMPTY)) | (LogPart::Dump, Some(RULER)) => LogPart::Last,
            // Not a dump after all, or one whose end was lost.
            (LogPart::Head | LogPart::Last, _) => LogPart::Log,
            (part, _) => part,
        };
        match (part, message, &mut dump) {
            (LogPart::Head | LogPart::Last, ..) | (LogPart::Dump, Some(RULER), _) => {}
            (LogPart::Dump, Some(message), Some(dump)) if is_event(message) => {
                dump.push_str(message);
                dump.push('\n');
            }
            // Another CPU may go on for a while, and log something.
            _ => kept.extend_from_slice(line),
        }
    }
    if dump.is_some() {
        *log = kept;
    }
    dump
}

/// Returns whether a message is a line of a trace: `  <idle>-0         0d..2. 66916us : sched_switch: …`, or
/// `CPU:1 [LOST 12 EVENTS]`.
fn is_event(message: &str) -> bool {
    if message.starts_with("CPU:") && message.ends_with(" EVENTS]") {
        return true;
    }
    message.match_indices(": ").any(|(at, _)| {
        let before = message[..at].trim_end_matches([' ', '+', '!', '#', '*', '@', '$']);
        before.ends_with("us")
    })
}

/// The first line of a dump (kernel/trace/trace.c, `ftrace_dump_one`).
const HEADLINE: &str = "Dumping ftrace buffer:";

/// The line before and behind the events.
const RULER: &str = "---------------------------------";

/// The line in place of the events if there are none.
const EMPTY: &str = "   (ftrace buffer empty)";

/// The part of the log that a line belongs to.
#[derive(Clone, Copy)]
enum LogPart {
    Log,
    /// The headline of a dump.
    Head,
    Dump,
    /// The last line of a dump.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "[    6.260000] BUG: kernel NULL pointer dereference\r\n";
    const AFTER: &str = "[    6.380000] ---[ end trace 0000000000000000 ]---\r\n";

    #[test]
    fn a_log_without_dump_stays() {
        let text = format!("{BEFORE}[    6.270000] x: {HEADLINE}\r\n{AFTER}");
        let mut log = text.clone().into_bytes();
        assert_eq!(take_dump(&mut log), None);
        assert_eq!(log, text.as_bytes());
    }

    #[test]
    fn dumps_are_taken_out() {
        let line = "  <idle>-0         0d..2. 66916us : sched_switch: x";
        let text = format!(
            "{BEFORE}[    6.263038] {HEADLINE}\r\n[    6.263255] {RULER}\r\n\
             [    6.263700] CPU:1 [LOST 12 EVENTS]\r\n\
             [    6.263863] {line}\r\n[    6.264000]    x-9   1.... 5us : y: z\r\n\
             {BEFORE}\
             [    6.264863] {RULER}\r\n{AFTER}\
             [    6.389301] {HEADLINE}\r\n[    6.389531] {EMPTY}\r\n{AFTER}"
        );
        let mut log = text.into_bytes();
        let dump = take_dump(&mut log);
        let lost = "CPU:1 [LOST 12 EVENTS]";
        let events = format!("{lost}\n{line}\n   x-9   1.... 5us : y: z\n");
        assert_eq!(dump, Some(events));
        assert_eq!(log, format!("{BEFORE}{BEFORE}{AFTER}{AFTER}").as_bytes());
    }

    #[test]
    fn a_dump_may_end_anywhere() {
        let text = format!(
            "{BEFORE}[    1.000000] {HEADLINE}\r\n[    1.000000] {RULER}\r\n[    1.000000] x-1 0d..2. 1us+: y: z\r\n[  "
        );
        for end in BEFORE.len()..text.len() {
            let mut log = text.as_bytes()[..end].to_vec();
            take_dump(&mut log);
            assert!(log.starts_with(BEFORE.as_bytes()));
        }
        let mut log = text.into_bytes();
        assert_eq!(
            take_dump(&mut log),
            Some("x-1 0d..2. 1us+: y: z\n".to_owned())
        );
    }
}
