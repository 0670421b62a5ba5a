//! Timelines of what real guests have told: `tests/hand_over.trace` is part of
//! what 6.12 traced of the lesson `io_wait_event`, with `lesson begins N0` in it.

use super::*;
use crate::lesson::kernel_log::KernelLog;

const TRACE: &str = include_str!("tests/hand_over.trace");

/// The log of a kernel that has traced that.
const LOG: &str = "[    6.169030] kmodlab: lesson begins N0\n\
    [    9.446014] io_wait_event: wake thread execution i value =  3\n";

fn timeline(trace: Option<&str>, dump: Option<&str>, log: &str) -> Timeline {
    Timeline::of(&TimelineInput {
        name: "io_wait_event (rust)",
        lesson: "io_wait_event",
        verdict: "passed",
        nonce: "N0",
        commands: &["modinfo io_wait_event.ko", "insmod io_wait_event.ko"],
        trace,
        dump,
        injected_delays: &[],
        log: &KernelLog::read("N0", log.as_bytes()),
    })
}

/// The same events as a kernel that stops tells them: since when the clock was
/// set, in a shorter format.
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
    let expected = "\
io_wait_event (rust): passed
Seconds since the lesson began, which was at 6.169113 of the kernel's log.

A insmod   B io_wait_event w 66   C io_wait_event w 67
█ runs   ▒ could run, has no CPU   · sleeps   ▶ wakes

   seconds CPU
  0.133084            $ modinfo io_wait_event.ko
  0.169607            $ insmod io_wait_event.ko
  0.180909  0  █      A runs
  0.187469  0  █      A: loading out-of-tree module taints kernel.
  0.197164  0  █      A loads the module io_wait_event
  0.197271  0  █      A: inside kthread init function
  0.197654  0  ·      A sleeps
  0.198215  1  · ·    kthreadd makes B, io_wait_event w 66
  0.198293  1  · ▒    kthreadd wakes B
  0.198443  0  · █    B runs
  0.198544  0  ▒◀█    B wakes A
  0.198664  0  █ ·    B sleeps, A runs
  0.198704  0  █▶▒    A wakes B
  0.198793  0  ▒ █    A loses the CPU, B runs
  0.198917  0  ▒ █    B: wake thread execution i value =  0
  0.199223  0  █ ·    B sleeps, A runs
  0.199334  0  █ ·    A: successfully created wake thread
  0.199743  0  · ·    A sleeps
  0.200278  1  · · ·  kthreadd makes C, io_wait_event w 67
  0.200356  1  · · ▒  kthreadd wakes C
  0.200966  0  · · █  C runs
  0.201073  0  ▒◀──█  C wakes A
  0.201202  0  █ · ·  C sleeps, A runs
  0.201242  0  █──▶▒  A wakes C
  0.201331  0  ▒ · █  A loses the CPU, C runs
  0.201425  0  █ · ·  C sleeps, A runs
  0.201536  0  █ · ·  A: successfully created wait thread
  0.207492  0    · ·  A is gone
  ┊              ┊ ┊  (3.069 s)
  3.276588  1    ▒ ·  an interrupt wakes B
  3.276868  0    █ ·  B runs
  3.276994  0    █ ·  B: wake thread execution i value =  3
  3.277224  0    █▶▒  B wakes C
  3.277329  0    ▒ █  B loses the CPU, C runs
  3.277455  0    ▒ █  C: wait thread execution i value = 4
  3.277755  0    █ ·  C sleeps, B runs
  3.277871  0    · ·  B sleeps
  3.277871            the end; B still sleeps; C still sleeps
";
    assert_eq!(text, expected);
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
fn a_run_tells_since_when_it_could() {
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
    // No CPU runs two at once.
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
fn what_a_stopped_kernel_tells_is_the_same_but_for_its_clock() {
    let told = timeline(Some(TRACE), None, LOG);
    let log = format!("{LOG}[    9.500000] BUG: x\n[    9.500100] of it\n");
    let dumped = timeline(None, Some(&dumped()), &log);
    assert!(dumped.missing.is_empty(), "{:?}", dumped.missing);
    // The log's clock is read some microseconds before the trace's.
    let ahead = told.begin - dumped.begin;
    assert_eq!(ahead, 83);
    assert_eq!(dumped.slices.len(), told.slices.len());
    for (told, dumped) in told.slices.iter().zip(&dumped.slices) {
        assert_eq!((told.pid, told.from), (dumped.pid, dumped.from + ahead));
    }
    // What came when the trace was told is there too, as far as it is known.
    let last = dumped.events.last();
    assert_eq!(
        last.map(|event| (&event.kind, event.cpu)),
        Some((
            &EventKind::Message("BUG: x (and 1 more line)".to_owned()),
            None
        ))
    );
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
fn what_was_overwritten_is_told() {
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
fn the_page_needs_nothing_else() {
    let page = timeline(Some(TRACE), None, LOG).page();
    for forbidden in ["http:", "https:", "src=", "href=", "@import", "url(h"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    // From the waker to the woken, with what came of it.
    assert!(page.contains("io_wait_event w 66 wakes io_wait_event w 67, which runs 105 µs later"));
    let count = |what: &str| page.matches(what).count();
    for tag in ["svg", "text", "title", "p", "div", "script"] {
        let opened = count(&format!("<{tag} ")) + count(&format!("<{tag}>"));
        assert_eq!(opened, count(&format!("</{tag}>")), "{tag}");
    }
}

#[test]
fn what_is_said_cannot_become_part_of_the_page() {
    let evil = TRACE.replace("value =  3", "</text><script>alert(1)</script>\u{1b}[31m");
    let page = timeline(Some(&evil), None, LOG).page();
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;/text&gt;&lt;script&gt;alert(1)"));
    assert!(!page.contains('\u{1b}'));
}

/// What the format asks of its events: see "Trace Event Format", and how
/// Perfetto reads it, <https://perfetto.dev/docs/getting-started/other-formats>.
#[test]
fn perfettos_events_are_what_their_format_asks_for() -> anyhow::Result<()> {
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
    // On one row, slices lie apart or one within another.
    for row in slices.values_mut() {
        row.sort_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
        let mut open: Vec<u64> = Vec::new();
        for (from, to) in row {
            open.retain(|end| end > from);
            assert!(open.iter().all(|end| *to <= *end), "{from} {to}");
            open.push(*to);
        }
    }
    // Each flow begins once and ends once, not before.
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
