//! Timelines of real traces: `tests/hand_over.trace` is a part of the trace of the
//! lesson `io_wait_event` in a kernel 6.12, with `lesson begins N0` added.

use snapbox::{assert_data_eq, file};

use super::*;
use crate::lesson::kernel_log::KernelLog;

const TRACE: &str = include_str!("tests/hand_over.trace");

/// The kernel's log of the same run.
const LOG: &str = "[    6.169030] kmodlab: ready\n\
    [    9.446014] io_wait_event: wake thread execution i value =  3\n";

fn timeline(trace: Option<&str>, dump: Option<&str>, log: &str) -> Timeline {
    Timeline::of(&TimelineInput {
        name: "io_wait_event (rust)",
        lesson: "io_wait_event",
        verdict: "passed",
        commands: &["modinfo io_wait_event.ko", "insmod io_wait_event.ko"],
        programs: &[],
        trace,
        dump,
        injected_delays: &[],
        log: &KernelLog::read(log.as_bytes()),
    })
}

/// Returns the same events as a stopping kernel dumps them: in a shorter format, with
/// times since another moment.
fn dumped() -> String {
    let mut dump = String::new();
    for line in TRACE.lines().filter(|line| !line.starts_with('#')) {
        let (task, rest) = line.split_once(" [").unwrap_or_default();
        let (cpu, rest) = rest.split_once("] ").unwrap_or_default();
        let (flags, rest) = rest.split_once(' ').unwrap_or_default();
        let (stamp, event) = rest.trim_start().split_once(": ").unwrap_or_default();
        let stamp: u64 = stamp.replace('.', "").parse().unwrap_or(0);
        let task = task.trim();
        let (cpu, at) = (cpu.trim_start_matches("00"), stamp - 6_000_000);
        dump.push_str(&format!("{task}  {cpu}{flags} {at}us : {event}\n"));
    }
    dump
}

#[test]
fn two_threads_hand_over() {
    let text = timeline(Some(TRACE), None, LOG).text(TextStyle {
        width: Some(80),
        timestamps: false,
    });
    assert_data_eq!(text, file!["tests/hand_over.txt"].raw());
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let timeline = timeline(Some(TRACE), None, LOG);
    for width in [60, 70, 200] {
        let style = TextStyle {
            width: Some(width),
            timestamps: true,
        };
        for line in timeline.text(style).lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}

#[test]
fn tasks_are_of_the_kind_that_they_are() {
    let timeline = timeline(Some(TRACE), None, LOG);
    let kind = |pid: u32| timeline.kind(pid);
    assert_eq!(kind(66), TaskKind::Thread);
    assert_eq!(kind(67), TaskKind::Thread);
    assert_eq!(kind(65), TaskKind::Program);
    assert_eq!(kind(62), TaskKind::Shell);
    for pid in [0, 1, 2, 9, 14, 35, 12345] {
        assert_eq!(kind(pid), TaskKind::Kernel, "{pid}");
    }
    assert_eq!(timeline.task(67), "io_wait_event w 67");
}

#[test]
fn a_slice_has_the_time_of_the_wakeup() {
    let timeline = timeline(Some(TRACE), None, LOG);
    let run = timeline.slices.iter().rfind(|slice| slice.pid == 67);
    let expected = CpuSlice {
        pid: 67,
        cpu: 0,
        from: 9_446_442,
        to: 9_446_868,
        woken: Some(9_446_337),
        end_state: EndState::Asleep,
    };
    assert_eq!(run, Some(&expected));
    // A CPU runs one task at a time.
    for cpu in 0..timeline.cpus {
        let runs: Vec<&CpuSlice> = timeline
            .slices
            .iter()
            .filter(|slice| slice.cpu == cpu)
            .collect();
        assert!(runs.windows(2).all(|runs| runs[0].to <= runs[1].from));
    }
}

#[test]
fn a_dump_gives_the_same_timeline_but_for_its_clock() {
    let traced = timeline(Some(TRACE), None, LOG);
    // A module may print messages without its name.
    let others = "[    9.499000] one\n[    9.499100] two\n";
    let log = format!("{LOG}{others}[    9.500000] BUG: x\n[    9.500100] of it\n");
    let dumped = timeline(None, Some(&dumped()), &log);
    assert!(dumped.missing.is_empty(), "{:?}", dumped.missing);
    // The log's clock is read some microseconds before the trace's.
    let ahead = traced.begin - dumped.begin;
    assert_eq!(ahead, 93);
    assert_eq!(dumped.slices.len(), traced.slices.len());
    for (traced, dumped) in traced.slices.iter().zip(&dumped.slices) {
        assert_eq!((traced.pid, traced.from), (dumped.pid, dumped.from + ahead));
    }
    // The messages after the dump are in the timeline too.
    let last = dumped.events.last();
    assert_eq!(
        last.map(|event| (&event.kind, event.cpu)),
        Some((
            &EventKind::Message("BUG: x (and 1 more line)".to_owned()),
            None
        ))
    );
    let before: Vec<&EventKind> = dumped
        .events
        .iter()
        .rev()
        .map(|event| &event.kind)
        .collect();
    let message = |text: &str| EventKind::Message(text.to_owned());
    assert_eq!(before[1..3], [&message("two"), &message("one")]);
}

#[test]
fn without_a_trace_there_are_the_messages() {
    let timeline = timeline(None, None, LOG);
    assert_eq!(timeline.missing.len(), 1);
    assert_eq!(timeline.slices, []);
    let text = timeline.text(TextStyle::default());
    assert!(
        text.contains("the guest ended before it could send"),
        "{text}"
    );
    assert!(text.contains("3.276984"), "{text}");
    assert!(
        text.contains("wake thread execution i value =  3"),
        "{text}"
    );
    assert!(!timeline.page().is_empty());
}

#[test]
fn lost_events_are_counted() {
    let cut = TRACE.replace("85/85", "85/1000");
    let missing = timeline(Some(&cut), None, LOG).missing;
    assert_eq!(
        missing,
        [
            "The first 915 events are missing: the trace buffer was full, and later events overwrote them."
        ]
    );
}

#[test]
fn every_cut_of_a_trace_is_drawn() {
    for end in (0..TRACE.len()).step_by(97) {
        let timeline = timeline(Some(&TRACE[..end]), None, LOG);
        assert!(timeline.text(TextStyle::default()).ends_with('\n'));
        assert!(timeline.page().ends_with("</html>\n"));
        assert!(timeline.perfetto().is_ok());
    }
    let rubbish = timeline(Some("\u{fffd}\n-1 [000]"), Some("x"), "");
    assert!(rubbish.page().ends_with("</html>\n"));
}

#[test]
fn the_page_shows_the_hand_over() {
    let page = timeline(Some(TRACE), None, LOG).page();
    // An element per line, so that a change shows as a change of few lines.
    let lines = page.replace("><", ">\n<").replace(">\n</", "></");
    assert_data_eq!(lines, file!["tests/hand_over.html"].raw());
}

#[test]
fn the_page_needs_nothing_else() {
    let page = timeline(Some(TRACE), None, LOG).page();
    for forbidden in ["http:", "https:", "src=", "href=", "@import", "url(h"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    // The arrow from the waker to the woken task.
    assert!(page.contains("io_wait_event w 66 wakes io_wait_event w 67, which runs 105 µs later"));
    let count = |what: &str| page.matches(what).count();
    for tag in ["svg", "text", "title", "p", "div", "script"] {
        let opened = count(&format!("<{tag} ")) + count(&format!("<{tag}>"));
        assert_eq!(opened, count(&format!("</{tag}>")), "{tag}");
    }
}

#[test]
fn a_message_cannot_become_part_of_the_page() {
    let evil = TRACE.replace("value =  3", "</text><script>alert(1)</script>\u{1b}[31m");
    let page = timeline(Some(&evil), None, LOG).page();
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;/text&gt;&lt;script&gt;alert(1)"));
    assert!(!page.contains('\u{1b}'));
}

/// The rules are those of the "Trace Event Format" and of Perfetto, <https://perfetto.dev/docs/getting-started/other-formats>.
#[test]
fn perfetto_events_follow_the_format() -> anyhow::Result<()> {
    use anyhow::Context as _;
    use std::collections::BTreeMap;

    let json = timeline(Some(TRACE), None, LOG).perfetto()?;
    let file: serde_json::Value = serde_json::from_str(&json)?;
    let events = file["traceEvents"].as_array().context("no events")?;
    let mut slices: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    let mut names = Vec::new();
    let mut flows: BTreeMap<u64, Vec<(String, u64)>> = BTreeMap::new();
    for event in events {
        let text = |key: &str| event[key].as_str().context(format!("no {key}: {event}"));
        let number = |key: &str| event[key].as_u64().context(format!("no {key}: {event}"));
        let phase = text("ph")?;
        text("name")?;
        number("pid")?;
        match phase {
            "M" => {
                let known = ["process_name", "process_sort_index", "thread_name"];
                assert!(known.contains(&text("name")?), "{event}");
                if let Some(name) = event["args"]["name"].as_str() {
                    names.push(name.to_owned());
                }
            }
            "X" => {
                let row = slices.entry((number("pid")?, number("tid")?)).or_default();
                row.push((number("ts")?, number("ts")? + number("dur")?));
            }
            "i" => assert_eq!(text("s")?, "t", "{event}"),
            "s" | "f" => {
                assert_eq!(text("bp")?, "e");
                let at = (phase.to_owned(), number("ts")?);
                flows.entry(number("id")?).or_default().push(at);
            }
            _ => panic!("{event}"),
        }
        if phase != "M" {
            number("ts")?;
            number("tid")?;
        }
    }
    // On one row, slices are disjoint or nested.
    for row in slices.values_mut() {
        row.sort_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
        let mut open: Vec<u64> = Vec::new();
        for (from, to) in row {
            open.retain(|end| end > from);
            assert!(open.iter().all(|end| *to <= *end), "{from} {to}");
            open.push(*to);
        }
    }
    // Each flow begins once and ends once, in this order.
    assert!(!flows.is_empty());
    for (id, flow) in flows {
        let [(begin, from), (end, to)] = &flow[..] else {
            panic!("{id}: {flow:?}");
        };
        assert_eq!((begin.as_str(), end.as_str()), ("s", "f"));
        assert!(from <= to);
    }
    for name in ["CPU 0", "CPU 1", "insmod", "io_wait_event w"] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
    Ok(())
}
