//! A guest whose kernel is traced while it plays: which task runs on which CPU,
//! who wakes whom, and what the kernel logs.
//!
//! To record costs the guest some microseconds an event. What is recorded is
//! told after the lesson, and only if that is asked for; whether it is can be
//! seen by no program in the guest before, and it takes the same instructions
//! to find out. So a run that told nothing can be repeated by one that does.

use crate::initramfs::GuestFile;

/// Whether the kernel is traced, and what becomes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracing {
    /// Nothing is traced.
    #[default]
    Off,
    /// The kernel is traced, and nothing is told of it.
    Recorded,
    /// The kernel is traced, and the trace is told: on the shell's channel after
    /// the lesson, or by the kernel in its log where it stops.
    Told,
}

/// What is written into this file stands in the trace.
pub(super) const MARKER: &str = "/sys/kernel/tracing/trace_marker";

/// Is run after a lesson, and when a lesson's time is over.
const TELL: &str = r#"echo 0 >"$tracing/tracing_on"
if [ "$tell" = 1 ]; then
	note trace
	cat "$tracing/trace" >>"$console"
fi
"#;

impl Tracing {
    /// Is the trace wanted?
    pub fn is_told(self) -> bool {
        self == Tracing::Told
    }

    /// What a guest's shell does for it right before a lesson (see
    /// `initramfs/kmodlab/supervise`).
    ///
    /// Where the kernel stops, it writes its buffer to its log: 0.8 ms of its time a
    /// line. (To read a 0 takes another number of instructions than to read a 1. So
    /// both are told, and only the last counts.)
    pub fn order(self) -> String {
        if self == Tracing::Off {
            return String::new();
        }
        let tell = u8::from(self.is_told());
        format!(
            r#"# The kernel is traced from here on.
tell={tell}
for value in {other} "$tell"; do
	echo "$value" >/proc/sys/kernel/ftrace_dump_on_oops
done
echo 1 >"$tracing/tracing_on"
"#,
            other = 1 - tell
        )
    }

    /// The file with what it does after a lesson; the same whether the trace is told
    /// or not.
    pub fn file(self) -> Option<GuestFile> {
        (self != Tracing::Off).then(|| GuestFile::own("after", TELL))
    }
}

/// Takes what a kernel that stopped told of its trace out of its log: from the
/// line that says that it follows to the ruler behind it. Returns its lines,
/// without their stamps, and leaves the log as if it had told nothing.
///
/// A log may hold several, for a kernel that stops twice tells what is new: all
/// are returned. None where there is none.
pub fn take_dump(log: &mut Vec<u8>) -> Option<String> {
    let mut dump = None;
    let mut kept = Vec::with_capacity(log.len());
    let mut within = Within::Log;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        // A line of the serial port's ends in `\r\n`.
        let text = text.trim_end_matches(['\n', '\r']);
        let message = super::timestamp::split_kernel(text)
            .map(|(_, rest)| rest.strip_prefix(' ').unwrap_or(rest));
        within = match (within, message) {
            (Within::Log, Some(HEADLINE)) => {
                dump.get_or_insert_with(String::new);
                Within::Head
            }
            (Within::Head, Some(RULER)) => Within::Dump,
            (Within::Head, Some(EMPTY)) | (Within::Dump, Some(RULER)) => Within::Last,
            // Not a dump after all, or one whose end was lost.
            (Within::Head | Within::Last, _) => Within::Log,
            (within, _) => within,
        };
        match (within, message, &mut dump) {
            (Within::Head | Within::Last, ..) | (Within::Dump, Some(RULER), _) => {}
            (Within::Dump, Some(message), Some(dump)) if is_event(message) => {
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

/// Is it a line of a dump: `  <idle>-0         0d..2. 66916us : sched_switch: …`?
fn is_event(message: &str) -> bool {
    message.match_indices(": ").any(|(at, _)| {
        let before = message[..at].trim_end_matches([' ', '+', '!', '#', '*', '@', '$']);
        before.ends_with("us")
    })
}

/// How a dump begins (kernel/trace/trace.c, `ftrace_dump_one`).
const HEADLINE: &str = "Dumping ftrace buffer:";

/// What stands before and behind its lines.
const RULER: &str = "---------------------------------";

/// What stands there if there are none.
const EMPTY: &str = "   (ftrace buffer empty)";

/// Where in the log a line is.
#[derive(Clone, Copy)]
enum Within {
    Log,
    /// At the line that says that a dump follows.
    Head,
    Dump,
    /// At the dump's last line.
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
             [    6.263863] {line}\r\n[    6.264000]    x-9   1.... 5us : y: z\r\n\
             {BEFORE}\
             [    6.264863] {RULER}\r\n{AFTER}\
             [    6.389301] {HEADLINE}\r\n[    6.389531] {EMPTY}\r\n{AFTER}"
        );
        let mut log = text.into_bytes();
        let dump = take_dump(&mut log);
        assert_eq!(dump, Some(format!("{line}\n   x-9   1.... 5us : y: z\n")));
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

    #[test]
    fn a_guest_is_given_the_same_whether_its_trace_is_told_but_for_two_digits() {
        let differ = |a: &str, b: &str| a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count();
        let (told, recorded) = (Tracing::Told.order(), Tracing::Recorded.order());
        assert_eq!((told.len(), differ(&told, &recorded)), (recorded.len(), 2));
        assert_eq!(Tracing::Told.file(), Tracing::Recorded.file());
        assert_eq!(
            (Tracing::Off.order(), Tracing::Off.file()),
            (String::new(), None)
        );
    }
}
