//! A timeline as trace events in JSON, which Perfetto's page
//! (<https://ui.perfetto.dev>) and Chrome's `chrome://tracing` open.
//!
//! The format is Chrome's "Trace Event Format": complete events (`X`) that lie
//! within each other or apart, instant events (`i`), flows (`s`, `f`) from a
//! wake-up to the run that follows it, and names (`M`). Times are microseconds
//! on the clock of the kernel's log.

use serde::Serialize;
use serde_json::{Value, json};

use super::model::{Happening, Left, Timeline, seconds};

/// The process that stands for the CPUs; a thread each.
const CPUS: u32 = 1;
/// The process that stands for the lesson's tasks; a thread each.
const TASKS: u32 = 2;
/// The process that stands for the lesson's text; one thread.
const TEXT: u32 = 3;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    display_time_unit: &'static str,
    other_data: Value,
    trace_events: Vec<Value>,
}

impl Timeline {
    /// The timeline as JSON.
    pub fn perfetto(&self) -> serde_json::Result<String> {
        serde_json::to_string(&File {
            display_time_unit: "ns",
            other_data: json!({
                "play": self.name,
                "verdict": self.verdict,
                "lesson began, seconds of the kernel's log": seconds(self.begin),
                "missing": self.missing,
            }),
            trace_events: self.trace_events(),
        })
    }

    fn trace_events(&self) -> Vec<Value> {
        let mut events = self.names();
        for run in &self.runs {
            let task = self.task(run.pid);
            let duration = run.to - run.from;
            let then = match run.left {
                Left::Ready => "would run on",
                Left::Asleep => "sleeps",
                Left::Dead => "is gone",
                Left::Running => "is not known",
            };
            let slice = |name: &str, pid, tid, from: u64, duration: u64, args: Value| {
                json!({
                    "ph": "X", "name": name, "cat": "sched", "pid": pid, "tid": tid,
                    "ts": from, "dur": duration, "args": args,
                })
            };
            events.push(slice(
                &task,
                CPUS,
                id(run.cpu),
                run.from,
                duration,
                json!({}),
            ));
            if self.lesson_task(run.pid) {
                let args = json!({ "CPU": run.cpu, "then": then });
                let name = format!("runs on CPU {}", run.cpu);
                events.push(slice(&name, TASKS, run.pid, run.from, duration, args));
                if let Some(woken) = run.woken.filter(|woken| *woken < run.from) {
                    let from = woken.max(self.begin);
                    let waited = run.from.saturating_sub(from);
                    let args = json!({});
                    events.push(slice("could run", TASKS, run.pid, from, waited, args));
                }
            }
        }
        for (number, moment) in self.moments.iter().enumerate() {
            let instant = |name: &str, tid: u32| {
                json!({
                    "ph": "i", "s": "t", "name": name, "cat": "message",
                    "pid": TASKS, "tid": tid, "ts": moment.at,
                })
            };
            match &moment.what {
                Happening::Message(text) => {
                    let tid = moment.by.filter(|by| self.lesson_task(*by)).unwrap_or(0);
                    events.push(instant(text, tid));
                }
                Happening::Wakes { pid, runs, .. } => {
                    if let (Some(by), Some(runs)) = (moment.by, runs)
                        && self.lesson_task(by)
                        && self.lesson_task(*pid)
                    {
                        let flow = |phase: &str, tid: u32, at: u64| {
                            json!({
                                "ph": phase, "id": number, "name": "wakes", "cat": "wake-up",
                                "pid": TASKS, "tid": tid, "ts": at, "bp": "e",
                            })
                        };
                        events.push(flow("s", by, moment.at));
                        events.push(flow("f", *pid, *runs));
                    }
                }
                _ => {}
            }
        }
        events.extend(self.steps().map(|(from, to, command)| {
            json!({
                "ph": "X", "name": command, "cat": "step", "pid": TEXT, "tid": 1,
                "ts": from, "dur": to - from, "args": {},
            })
        }));
        events
    }

    /// The lesson's commands: from when, until when, and what.
    pub(super) fn steps(&self) -> impl Iterator<Item = (u64, u64, &str)> {
        let marks = self.moments.iter().enumerate();
        marks.filter_map(|(index, moment)| match &moment.what {
            Happening::Step(command) => {
                let later = &self.moments[index + 1..];
                let end = later
                    .iter()
                    .find(|moment| matches!(moment.what, Happening::StepEnd | Happening::Step(_)));
                let end = end.map_or(self.end, |end| end.at);
                Some((moment.at, end, command.as_str()))
            }
            _ => None,
        })
    }

    /// Is the task the lesson's?
    fn lesson_task(&self, pid: u32) -> bool {
        self.kind(pid) != super::Kind::Kernel
    }

    /// The names of all rows.
    fn names(&self) -> Vec<Value> {
        let mut names = Vec::new();
        let mut process = |pid: u32, name: &str| {
            names.push(json!({
                "ph": "M", "name": "process_name", "pid": pid, "args": { "name": name },
            }));
            names.push(json!({
                "ph": "M", "name": "process_sort_index", "pid": pid, "args": { "sort_index": pid },
            }));
        };
        process(TEXT, "the lesson's text");
        process(TASKS, &self.name);
        process(CPUS, "CPUs");
        let mut thread = |pid: u32, tid: u32, name: &str| {
            names.push(json!({
                "ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": { "name": name },
            }));
        };
        for cpu in 0..self.cpus {
            thread(CPUS, id(cpu), &format!("CPU {cpu}"));
        }
        for (pid, task) in &self.tasks {
            if self.lesson_task(*pid) {
                thread(TASKS, *pid, &task.name);
            }
        }
        thread(TASKS, 0, "the kernel's log");
        thread(TEXT, 1, "commands");
        names
    }
}

/// A CPU's number as that of a thread; they begin at 1.
fn id(cpu: usize) -> u32 {
    u32::try_from(cpu).unwrap_or(u32::MAX - 1) + 1
}
