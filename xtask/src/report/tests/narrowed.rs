//! Tests of the report of a narrowed schedule.

use snapbox::{assert_data_eq, file};

use super::*;
use crate::run::{
    DelayPlace, Narrowed, NarrowedDelay, NarrowedRace, NarrowingResult, Pair, SourceLine,
};
use crate::schedule::{ExactDelay, ExactSchedule};
use crate::timeline::{
    EventKind, Lane, RunPair, SourceMark, Task, TaskKind, Timeline, TimelineEvent, TimelineMarks,
};

fn delay(task: &str, arrival: u32, nanoseconds: u64) -> ExactDelay {
    ExactDelay {
        task: task.to_owned(),
        function: "_RNvCs1_1x4work".to_owned(),
        offset: 9,
        until: None,
        arrival,
        nanoseconds,
    }
}

fn location(line: u32) -> SourceLocation {
    SourceLocation {
        line,
        ..source_location()
    }
}

/// Returns a run of `insmod` and a thread that it wakes, in which `insmod` is delayed or not.
fn side(nanoseconds: u64) -> TimelineMarks {
    let later = nanoseconds / 1000;
    let injected = crate::schedule::InjectedDelay {
        duration_nanoseconds: nanoseconds,
        task: "insmod/70".to_owned(),
        ..super::races::delay(9)
    };
    let task = |name: &str, lane| Task {
        name: name.to_owned(),
        lane,
    };
    let lane = |name: &str, kind| Lane {
        name: name.to_owned(),
        kind,
    };
    let event = |at, pid, kind| TimelineEvent {
        at,
        cpu: Some(0),
        pid: Some(pid),
        kind,
    };
    let wakes = EventKind::Wakeup {
        pid: 71,
        runs_at: None,
    };
    let message = format!("x: {later} draws");
    TimelineMarks {
        timeline: Timeline {
            name: "x (rust), seed 2".to_owned(),
            lesson: "x".to_owned(),
            cpus: 2,
            begin: 5_000_000,
            tasks: [(70, task("insmod", 0)), (71, task("worker", 1))].into(),
            lanes: vec![
                lane("insmod", TaskKind::Program),
                lane("worker", TaskKind::Thread),
            ],
            events: vec![
                event(5_000_000, 1, EventKind::Step("insmod x.ko".to_owned())),
                event(5_999_000, 70, wakes),
                event(6_000_100 + later, 70, EventKind::Message(message)),
                event(6_000_900, 1, EventKind::Step("rmmod x".to_owned())),
            ],
            ..Timeline::default()
        },
        marks: vec![
            SourceMark {
                clock_nanoseconds: 6_000_000_000,
                task: "insmod/70".to_owned(),
                location: Some(location(7)),
                delay: (nanoseconds > 0).then_some(injected),
            },
            SourceMark {
                clock_nanoseconds: 6_000_050_000,
                task: "worker/71".to_owned(),
                location: Some(location(8)),
                delay: None,
            },
        ],
    }
}

fn pair() -> RunPair {
    RunPair::new(side(100_000), side(0), |mark| mark.delay.is_some())
}

/// Returns a result of each kind.
pub(super) fn results() -> [NarrowedRace; 5] {
    let narrowed_delay =
        |task: &str, arrival, line_before: Option<u32>, line: Option<u32>| NarrowedDelay {
            delay: delay(task, arrival, 50_000),
            duration_nanoseconds: 96_000,
            place: DelayPlace {
                line: line.map(location),
                line_before: line_before.map(|number| SourceLine {
                    number,
                    text: "    before();".to_owned(),
                }),
                within: arrival == 3,
                ..DelayPlace::default()
            },
        };
    let in_kernel = |called: Option<u32>| {
        let mut delay = narrowed_delay("unlocker", 1, None, Some(7));
        delay.place.in_kernel = true;
        delay.place.called = called;
        delay
    };
    let narrowed = Narrowed {
        schedule: ExactSchedule {
            start_nanoseconds: 1_000_000,
            delays: vec![delay("insmod", 1, 50_000)],
        },
        delays: vec![narrowed_delay("insmod", 1, Some(5), Some(7))],
        deciding: Some(0),
        complete: true,
        pair: Some(Pair {
            twin: ExactSchedule {
                start_nanoseconds: 1_000_000,
                delays: vec![delay("insmod", 1, 0)],
            },
            observed: true,
            timelines: pair(),
        }),
    };
    let two = Narrowed {
        delays: vec![
            narrowed_delay("work er", 22, None, Some(8)),
            narrowed_delay("insmod", 13, None, None),
            narrowed_delay("softirq", 3, Some(5), Some(7)),
            in_kernel(Some(5)),
            in_kernel(None),
        ],
        deciding: None,
        complete: false,
        pair: None,
        ..narrowed.clone()
    };
    let store = |arrival, line, passed| {
        let mut delay = narrowed_delay("insmod", arrival, Some(line - 1), Some(line));
        delay.delay.until = Some(31);
        delay.place.passed = Some(location(passed));
        delay
    };
    let stores = Narrowed {
        schedule: ExactSchedule {
            start_nanoseconds: 0,
            delays: vec![store(1, 7, 8).delay],
        },
        delays: vec![store(1, 7, 8), store(2, 8, 8)],
        pair: None,
        ..narrowed.clone()
    };
    [
        NarrowingResult::Narrowed(Box::new(narrowed)),
        NarrowingResult::Narrowed(Box::new(stores)),
        NarrowingResult::Narrowed(Box::new(two)),
        NarrowingResult::WithoutDelays,
        NarrowingResult::Impossible("of this reason".to_owned()),
    ]
    .map(|result| NarrowedRace {
        argument: "x".to_owned(),
        lesson: "x".to_owned(),
        language: Language::Rust,
        seed: 2,
        runs: 12,
        result,
    })
}

#[test]
fn it_shows_a_sentence_the_lines_and_the_pair() {
    let mut out = Vec::new();
    for race in &results() {
        let written = super::super::narrowed::print(&mut out, race, " --kernel 6.12");
        assert!(written.is_ok());
    }
    assert_data_eq!(out, file!["narrowed.txt"].raw());
}

#[test]
fn a_timeline_of_both_runs_has_the_tasks_and_cpus_of_both() {
    let both = pair().both();
    assert_eq!(both.cpus, 4);
    assert_eq!(both.tasks.len(), 4);
    let lane = |pid: u32| both.lane(pid).map(|lane| both.lanes[lane].name.clone());
    let wakes: Vec<(Option<String>, Option<String>)> = both
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Wakeup { pid, .. } => Some((lane(event.pid?), lane(pid))),
            _ => None,
        })
        .collect();
    let names = |[a, b]: [&str; 2]| (Some(a.to_owned()), Some(b.to_owned()));
    let expected = [["insmod", "worker"], ["twin: insmod", "twin: worker"]];
    assert_eq!(wakes, expected.map(names));
    let steps = both.events.iter();
    let steps = steps.filter(|event| matches!(event.kind, EventKind::Step(_)));
    assert_eq!(steps.count(), 2);
    assert!(both.missing[0].contains("The runs part at 1.000000 s."));
}
