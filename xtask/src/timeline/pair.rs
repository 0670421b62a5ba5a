//! Two runs of one test case beside each other: a failing run, and the same without one delay.
//!
//! Both runs are the same up to that delay, and their clocks too, so one axis serves both.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::breaks;
use super::model::{EndState, EventKind, Lane, Task, Timeline, TimelineEvent};
use crate::schedule::{ExactDelay, InjectedDelay};
use crate::symbols::SourceLocation;

/// Most rows before the place where the runs part.
const MAX_COMMON: usize = 4;

/// Most rows from there on.
const MAX_APART: usize = 14;

/// Number of those that are the last ones, if there are more.
const LAST_APART: usize = 6;

/// Distance of the twin's PIDs from its own, in a timeline of both runs.
const TWIN_PIDS: u32 = 1 << 24;

/// Two runs, and the time from which they differ.
#[derive(Debug, Clone)]
pub struct RunPair {
    failing: TimelineMarks,
    passing: TimelineMarks,
    /// The time from which the runs differ, in microseconds of the log's clock.
    parts_at: u64,
}

/// A run's timeline, and the lines of source that its tasks reached.
#[derive(Debug, Clone)]
pub struct TimelineMarks {
    /// The timeline.
    pub timeline: Timeline,
    /// The lines.
    pub marks: Vec<SourceMark>,
}

/// An arrival of a task at a probe point.
#[derive(Debug, Clone)]
pub struct SourceMark {
    /// The time, in nanoseconds of the log's clock.
    pub clock_nanoseconds: u64,
    /// The task's name and number: `insmod/123`.
    pub task: String,
    /// The line of the lesson's own source, if it is in one.
    pub location: Option<SourceLocation>,
    /// The delay there, if there was one.
    pub delay: Option<InjectedDelay>,
}

/// A row of the two runs. In a row without `passing` before both part, the runs are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRow {
    /// The event of the failing run.
    pub failing: Option<PairEvent>,
    /// The event of the passing run.
    pub passing: Option<PairEvent>,
}

/// An event of one of the runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairEvent {
    /// The time since the runs part, in microseconds.
    pub micros: i64,
    /// The event in a few words.
    pub text: String,
}

impl SourceMark {
    /// Reports whether a task was delayed here by this delay.
    pub fn is_delay_of(&self, exact: &ExactDelay) -> bool {
        self.delay.as_ref().is_some_and(|delay| exact.is(delay))
    }

    fn micros(&self) -> u64 {
        self.clock_nanoseconds / 1000
    }

    /// Returns the task's name and its number; `None` for an interrupt.
    fn name_and_pid(&self) -> Option<(&str, u32)> {
        let (name, number) = self.task.rsplit_once('/')?;
        Some((name, number.parse().ok()?))
    }

    fn text(&self, timeline: &Timeline, names: &TaskNames<'_>) -> String {
        let task = match self.name_and_pid() {
            Some((name, pid)) => names.of(task_name(timeline, name, pid), pid),
            None => self.task.split('/').next().unwrap_or_default().to_owned(),
        };
        match (&self.delay, &self.location) {
            (Some(delay), location) => {
                #[expect(clippy::cast_precision_loss, reason = "a delay is some milliseconds")]
                let milliseconds = delay.duration_nanoseconds as f64 / 1e6;
                let place = location
                    .as_ref()
                    .map_or_else(String::new, |location| format!(", line {}", location.line));
                let what = match delay.until {
                    Some(_) => "store held",
                    None => "delayed",
                };
                format!("{task}: {what} {milliseconds:.3} ms{place}")
            }
            (None, Some(location)) => {
                let SourceLocation { line, source, .. } = location;
                format!("{task}: {line} | {}", source.trim())
            }
            (None, None) => String::new(),
        }
    }
}

/// The names of tasks in a report, with the number where several tasks with the same name are in the lesson's
/// module.
struct TaskNames<'a> {
    ambiguous: BTreeSet<&'a str>,
}

/// Returns the name that a task has in the timeline, if it is there: `perturb` has one name for all workers of the
/// kernel.
fn task_name<'a>(timeline: &'a Timeline, name: &'a str, pid: u32) -> &'a str {
    let task = timeline.tasks.get(&pid);
    task.map_or(name, |task| &task.name)
}

impl<'a> TaskNames<'a> {
    fn new(runs: [&'a TimelineMarks; 2]) -> Self {
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        let mut ambiguous = BTreeSet::new();
        let tasks = runs.into_iter().flat_map(|run| {
            let tasks = run.marks.iter().filter_map(SourceMark::name_and_pid);
            tasks.map(|(name, pid)| (task_name(&run.timeline, name, pid), pid))
        });
        for (name, pid) in tasks {
            if *known.entry(name).or_insert(pid) != pid {
                ambiguous.insert(name);
            }
        }
        Self { ambiguous }
    }

    /// Returns the name of a task: `writer`, or `writer/41` if another one has this name too.
    fn of(&self, name: &str, pid: u32) -> String {
        match self.ambiguous.contains(name) {
            true => format!("{name}/{pid}"),
            false => name.to_owned(),
        }
    }
}

impl RunPair {
    /// Puts two runs beside each other, which differ from the mark on that `parts` finds.
    pub fn new(
        failing: TimelineMarks,
        passing: TimelineMarks,
        parts: impl Fn(&SourceMark) -> bool,
    ) -> Self {
        let mark = failing.marks.iter().find(|mark| parts(mark));
        let parts_at = mark.map_or(failing.timeline.begin, SourceMark::micros);
        Self {
            failing,
            passing,
            parts_at,
        }
    }

    /// Returns the rows around the place where the runs part.
    pub fn rows(&self) -> Vec<PairRow> {
        let [failing, passing] = [&self.failing, &self.passing].map(|run| self.events(run));
        let is_common = |event: &&PairEvent| event.micros < 0;
        let common = failing.iter().filter(is_common);
        let skipped = common.clone().count().saturating_sub(MAX_COMMON);
        let mut rows: Vec<PairRow> = common
            .skip(skipped)
            .map(|event| PairRow {
                failing: Some(event.clone()),
                passing: None,
            })
            .collect();
        // To the end of the command in which the runs part.
        let apart = |events: Vec<PairEvent>| {
            let events = events.into_iter();
            let events = events.skip_while(|event| event.micros < 0);
            events.take_while(|event| !event.text.starts_with("$ "))
        };
        let [failing, passing] =
            [failing, passing].map(|events| without_middle(apart(events).collect()));
        let (mut failing, mut passing) = (failing.into_iter(), passing.into_iter());
        loop {
            let row = PairRow {
                failing: failing.next(),
                passing: passing.next(),
            };
            if row.failing.is_none() && row.passing.is_none() {
                break;
            }
            rows.push(row);
        }
        rows
    }

    /// Returns the events of a run in the order of time.
    fn events(&self, run: &TimelineMarks) -> Vec<PairEvent> {
        let TimelineMarks { timeline, marks } = run;
        let breaks = breaks(timeline);
        let is_shown = |event: &&TimelineEvent| {
            let cpu = event.cpu.unwrap_or(usize::MAX);
            !matches!(event.kind, EventKind::Switch { .. }) || !breaks.contains(&(cpu, event.at))
        };
        let events = timeline.events.iter().filter(is_shown);
        let names = TaskNames::new([&self.failing, &self.passing]);
        let events =
            events.filter_map(|event| Some((event.at, sentence(timeline, &names, event)?)));
        let marks = marks
            .iter()
            .map(|mark| (mark.micros(), mark.text(timeline, &names)));
        let mut all: Vec<(u64, String)> = events.chain(marks).collect();
        all.retain(|(_, text)| !text.is_empty());
        all.sort_by_key(|(at, _)| *at);
        all.into_iter()
            .map(|(at, text)| PairEvent {
                micros: at.cast_signed() - self.parts_at.cast_signed(),
                text,
            })
            .collect()
    }

    /// Returns a timeline with the tasks and CPUs of both runs.
    pub fn both(&self) -> Timeline {
        let twin = &self.passing.timeline;
        let mut both = self.failing.timeline.clone();
        let (lanes, cpus) = (both.lanes.len(), both.cpus);
        let pid = |pid: u32| if pid == 0 { 0 } else { pid + TWIN_PIDS };
        both.name = format!("{}, beside its passing twin", both.name);
        both.missing.insert(
            0,
            format!(
                "Two runs on one axis: the run that fails, and its passing twin, without one \
                 delay. The twin's tasks are `twin: NAME`, and its CPUs are those from {cpus} on. \
                 The runs part at {:.6} s.",
                both.seconds(self.parts_at)
            ),
        );
        both.end = both.end.max(twin.end);
        both.cpus += twin.cpus;
        both.lanes.extend(twin.lanes.iter().map(|lane| Lane {
            name: format!("twin: {}", lane.name),
            kind: lane.kind,
        }));
        both.tasks.extend(twin.tasks.iter().map(|(number, task)| {
            let task = Task {
                name: format!("twin: {}", task.name),
                lane: task.lane + lanes,
            };
            (pid(*number), task)
        }));
        both.slices
            .extend(twin.slices.iter().cloned().map(|mut slice| {
                slice.pid = pid(slice.pid);
                slice.cpu += cpus;
                slice
            }));
        both.slices.sort_by_key(|slice| (slice.from, slice.cpu));
        let events = twin.events.iter().cloned().filter_map(|mut event| {
            match &mut event.kind {
                // One row has the commands of both.
                EventKind::Step(_) | EventKind::StepEnd => return None,
                EventKind::Wakeup { pid: other, .. }
                | EventKind::Fork(other)
                | EventKind::KthreadStop(other)
                | EventKind::Switch { next: other, .. } => *other = pid(*other),
                EventKind::Message(_) | EventKind::ModuleLoad(_) | EventKind::ModuleFree(_) => {}
            }
            event.pid = event.pid.map(pid);
            event.cpu = event.cpu.map(|cpu| cpu + cpus);
            Some(event)
        });
        both.events.extend(events);
        both.events.sort_by_key(|event| event.at);
        both
    }
}

/// Returns at most [`MAX_APART`] events: the first ones, and the last ones, among which are the end of a long delay
/// and the failure.
fn without_middle(mut events: Vec<PairEvent>) -> Vec<PairEvent> {
    if events.len() > MAX_APART {
        let to = events.len() - LAST_APART;
        let from = MAX_APART - LAST_APART - 1;
        let note = PairEvent {
            micros: events[from].micros,
            text: format!("({} more events)", to - from),
        };
        events.splice(from..to, [note]);
    }
    events
}

/// Returns an event of tasks that the lesson is about, in a few words.
fn sentence(timeline: &Timeline, names: &TaskNames<'_>, event: &TimelineEvent) -> Option<String> {
    let matters = |pid: u32| timeline.kind(pid).matters();
    let name = |pid: u32| match timeline.tasks.get(&pid) {
        Some(task) => names.of(&task.name, pid),
        None => "the idle task".to_owned(),
    };
    let actor = event
        .pid
        .filter(|pid| *pid != 0)
        .map_or_else(|| "an interrupt".to_owned(), name);
    match &event.kind {
        EventKind::Step(command) => Some(format!("$ {}", command.lines().next().unwrap_or(""))),
        EventKind::Message(text) if text.starts_with("perturb: ") => None,
        EventKind::Message(text) => Some(format!("log: {}", timeline.without_name(text))),
        EventKind::Wakeup { pid, .. } if matters(*pid) => {
            Some(format!("{actor} wakes {}", name(*pid)))
        }
        EventKind::KthreadStop(pid) if matters(*pid) => {
            Some(format!("{actor} asks {} to stop", name(*pid)))
        }
        EventKind::Fork(pid) if matters(*pid) => Some(format!("{actor} creates {}", name(*pid))),
        EventKind::ModuleFree(module) => Some(format!("{actor} frees the memory of {module}")),
        EventKind::Switch { end_state, next } => {
            let previous = event.pid.filter(|pid| matters(*pid)).map(|pid| {
                let verb = match end_state {
                    EndState::Ready => "loses the CPU",
                    EndState::Asleep => "sleeps",
                    EndState::Dead => "exits",
                    EndState::Running => "runs on",
                };
                format!("{} {verb}", name(pid))
            });
            let next = matters(*next).then(|| format!("{} runs", name(*next)));
            let clauses: Vec<String> = previous.into_iter().chain(next).collect();
            (!clauses.is_empty()).then(|| clauses.join(", "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_events_the_last_ones_are_shown_too() {
        let event = |number: i64| PairEvent {
            micros: number,
            text: number.to_string(),
        };
        let texts = |count: i64| -> Vec<String> {
            let events = without_middle((0..count).map(event).collect());
            events.into_iter().map(|event| event.text).collect()
        };
        assert_eq!(texts(14).last().map(String::as_str), Some("13"));
        let texts = texts(30);
        assert_eq!(texts.len(), MAX_APART);
        assert_eq!(texts[6..9], ["6", "(17 more events)", "24"]);
        assert_eq!(texts[13], "29");
    }

    #[test]
    fn tasks_have_a_number_where_several_with_one_name_are_in_the_module() {
        let mark = |task: &str| SourceMark {
            clock_nanoseconds: 0,
            task: task.to_owned(),
            location: None,
            delay: None,
        };
        let run = |tasks: &[&str]| TimelineMarks {
            timeline: Timeline::default(),
            marks: tasks.iter().map(|task| mark(task)).collect(),
        };
        let failing = run(&["worker/41", "insmod/40", "softirq/cpu0"]);
        let passing = run(&["worker/42", "softirq/cpu1"]);
        let names = TaskNames::new([&failing, &passing]);
        assert_eq!(names.of("worker", 41), "worker/41");
        assert_eq!(names.of("insmod", 40), "insmod");
        assert_eq!(names.of("softirq", 1), "softirq");
    }
}
