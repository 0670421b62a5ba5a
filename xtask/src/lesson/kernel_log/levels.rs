//! The levels of the log's lines, and the kernel's complaints that only their levels show.
//!
//! With `console_msg_format=syslog`, each line on the console begins with the sum of eight times
//! the facility and the level: `<4>[    2.813000] x: y` (`info_print_prefix` in
//! kernel/printk/printk.c). The kernel and its modules have the facility 0, and a line that a
//! program writes to `/dev/kmsg` has another.

use super::reports::{ENDS_REPORT, KernelReport, PAUSE, ReportKind};
use super::{KernelLog, LogLine, texts, without_middle};
use crate::lesson::timestamp;
use crate::lesson::trim::trim_report;

/// The level of a warning (include/linux/kern_levels.h). Lower levels are worse.
pub const WARNING: u8 = 4;

/// The bits of a prefix that are the level.
const LEVEL: u32 = 7;

/// Parts of messages at the level of a warning that do not complain about a module under test.
const HARMLESS: &[&str] = &[
    // Every module that is built outside the kernel's tree (kernel/module/main.c).
    ": loading out-of-tree module taints kernel.",
    // Every such module, on a kernel that checks signatures.
    ": module verification failed: signature and/or required key missing - tainting kernel",
    // The kernel's note that `pr_warn_ratelimited` of a module left messages out (lib/ratelimit.c).
    " callbacks suppressed",
    // A host that does not run the guest in time, in real time: kernel/time/clocksource.c,
    // kernel/time/hrtimer.c and kernel/events/core.c.
    "clocksource: ",
    "hrtimer: interrupt took ",
    "perf: interrupt took too long ",
];

/// Parts of the messages with which the kernel explains why it refuses a module or a value
/// (kernel/module/main.c, kernel/params.c). The command that asked for it fails.
const REFUSALS: &[&str] = &[
    "' invalid for parameter `",
    "' too large for parameter `",
    ": string parameter too long",
    ": string doesn't fit in ",
    ": can only take ",
    ": needs at least ",
    ": Unknown symbol ",
    ": exports duplicate symbol ",
    ": version magic '",
    ": module is already loaded",
];

/// Beginnings of complaints below the level of a warning.
const QUIET: &[&str] = &[
    // A file that ends early or never, for `next` does not move the position (fs/seq_file.c).
    "seq_file: buggy .next function ",
];

/// Removes the level from a line of the console, and returns it. A program's own output may
/// precede it.
pub(super) fn take(text: &mut String) -> Option<u8> {
    let (from, to, sum) = text.match_indices('<').find_map(|(open, _)| {
        let (digits, rest) = text[open + 1..].split_once('>')?;
        timestamp::split_kernel(rest)?;
        let sum: u32 = digits.parse().ok()?;
        Some((open, text.len() - rest.len(), sum))
    })?;
    text.replace_range(from..to, "");
    u8::try_from(sum & LEVEL).ok().filter(|_| sum <= LEVEL)
}

/// Returns the bytes of the console without the levels.
pub fn without_levels(log: &[u8]) -> Vec<u8> {
    let lines = log.split_inclusive(|byte| *byte == b'\n');
    let mut without = Vec::with_capacity(log.len());
    for line in lines {
        let end = line.iter().position(|byte| *byte == b'>');
        let is_level = |end: &usize| {
            let inner = line[..*end].strip_prefix(b"<");
            let is_number = |inner: &[u8]| inner.iter().all(u8::is_ascii_digit);
            inner.is_some_and(is_number) && line.get(end + 1) == Some(&b'[')
        };
        let from = end.filter(is_level).map_or(0, |end| end + 1);
        without.extend_from_slice(&line[from..]);
    }
    without
}

/// Takes the levels out of a console that is read in pieces.
#[derive(Debug, Default)]
pub struct LevelFilter {
    /// The bytes after the last end of a line.
    pending: Vec<u8>,
}

impl LevelFilter {
    /// Adds the next bytes, and returns those of the lines that are complete, without levels.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let complete = self.pending.iter().rposition(|byte| *byte == b'\n');
        let rest = self.pending.split_off(complete.map_or(0, |end| end + 1));
        without_levels(&std::mem::replace(&mut self.pending, rest))
    }
}

impl KernelLog {
    /// Returns the first complaint that only its level shows: the lesson's first message at the
    /// level of a warning or worse that is not harmless and for which `counts` returns true, which
    /// receives the message and its timestamp. Some complaints have a lower level.
    pub fn complaint(
        &self,
        mut counts: impl FnMut(&str, Option<f64>) -> bool,
    ) -> Option<KernelReport> {
        let lines = self.since_lesson();
        let at = lines.iter().position(|line| {
            let message = line.message();
            let is_harmless = || HARMLESS.iter().any(|part| message.contains(part));
            let is_loud = is_warning(line) && !is_harmless();
            (is_loud || line.level.is_some() && is_quiet(message)) && counts(message, line.at)
        })?;
        Some(KernelReport {
            kind: ReportKind::Complaint,
            headline: lines[at].message().to_owned(),
            after: None,
            at: lines[at].at,
            lines: without_middle(trim_report(texts(&lines[at..end(lines, at)]))),
        })
    }
}

/// Reports whether the kernel refused a module or a value with a message.
pub fn is_refusal(message: &str) -> bool {
    REFUSALS.iter().any(|part| message.contains(part))
}

/// Reports whether a message or its format is a complaint below the level of a warning.
pub fn is_quiet(message: &str) -> bool {
    QUIET.iter().any(|begin| message.starts_with(begin))
}

fn is_warning(line: &LogLine) -> bool {
    line.level.is_some_and(|level| level <= WARNING)
}

/// Returns the end of the complaint at index `at`: the lines at such levels right behind it belong
/// to it, such as a stack.
fn end(lines: &[LogLine], at: usize) -> usize {
    let pairs = lines[at..].windows(2);
    let others = pairs.take_while(|pair| {
        let pause = pair[1].at.zip(pair[0].at).map(|(now, last)| now - last);
        let message = pair[1].message();
        is_warning(&pair[1])
            && pause.is_none_or(|pause| pause <= PAUSE)
            && !ENDS_REPORT.iter().any(|begin| message.starts_with(begin))
    });
    at + 1 + others.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &str) -> KernelLog {
        KernelLog::read(format!("<13>[    2.700000] kmodlab: ready\r\n{lines}").as_bytes())
    }

    const DUPLICATE: &str = "\
<4>[    2.800000] x: loading out-of-tree module taints kernel.\r
<6>[    2.810000] x: hello\r
<4>[    2.820000] sysfs: cannot create duplicate filename '/kernel/x'\r
<4>[    2.820000] CPU: 0 UID: 0 PID: 40 Comm: insmod\r
<3>[    2.820000] kobject: kobject_add_internal failed for x\r
<6>[    2.830000] x: bye\r
<4>[    2.840000] x: late\r
";

    #[test]
    fn a_level_shows_a_complaint() {
        let report = log(DUPLICATE).complaint(|_, _| true);
        let Some(report) = report else { panic!() };
        assert_eq!(
            report.headline,
            "sysfs: cannot create duplicate filename '/kernel/x'"
        );
        assert_eq!(report.at, Some(2.82));
        assert_eq!(report.lines.len(), 3);
        let report = log(DUPLICATE).complaint(|message, _| message.starts_with("x: "));
        assert_eq!(report.map(|report| report.lines.len()), Some(1));
        assert_eq!(log(DUPLICATE).complaint(|_, _| false), None);
    }

    #[test]
    fn some_complaints_have_a_lower_level() {
        let line = "seq_file: buggy .next function x did not update position index";
        let found = log(&format!("<6>[    2.800000] {line}\n")).complaint(|_, _| true);
        assert_eq!(found.map(|report| report.headline), Some(line.to_owned()));
    }

    #[test]
    fn lines_of_programs_and_at_other_levels_are_no_complaints() {
        for line in [
            "<5>[    2.800000] a notice",
            "<12>[    2.800000] echo a warning > /dev/kmsg",
            "<4> no timestamp",
            "[    2.800000] no level",
            "<x>[    2.800000] no number",
        ] {
            assert_eq!(log(line).complaint(|_, _| true), None, "{line}");
        }
        assert!(
            log("rubbish<4>[    2.800000] x")
                .complaint(|_, _| true)
                .is_some()
        );
    }

    #[test]
    fn levels_are_not_shown() {
        let shown = "[    2.800000] x: loading out-of-tree module taints kernel.";
        assert_eq!(log(DUPLICATE).last(7)[0], shown);
        let bytes = b"<6>[    1.000000] x\r\n<6> y\r\n<>z\r\n<14>[";
        assert_eq!(
            without_levels(bytes),
            b"[    1.000000] x\r\n<6> y\r\n<>z\r\n["
        );
    }

    #[test]
    fn levels_are_taken_out_of_a_console_in_pieces() {
        let mut filter = LevelFilter::default();
        assert_eq!(filter.push(b"<6>[    1.0"), b"");
        assert_eq!(filter.push(b"00000] a\r\n<"), b"[    1.000000] a\r\n");
        assert_eq!(filter.push(b"4>[    2.000000] b\n"), b"[    2.000000] b\n");
    }
}
