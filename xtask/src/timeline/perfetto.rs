//! A timeline as trace events in JSON. Perfetto (<https://ui.perfetto.dev>) and
//! Chrome's `chrome://tracing` open it.
//!
//! The format is Chrome's "Trace Event Format": complete events (`X`) that lie
//! within each other or apart, instant events (`i`), flows (`s`, `f`) from a
//! wake-up to the run that follows it, and names (`M`). Times are microseconds
//! on the clock of the kernel's log.

use serde::Serialize;
use serde_json::{Value, json};

use super::model::{EndState, EventKind, Timeline, seconds};

/// PID of the process that stands for the CPUs; each CPU is a thread.
const CPUS: u32 = 1;
/// PID of the process that stands for the lesson; each task is a thread.
const TASKS: u32 = 2;
/// PID of the process that stands for the lesson's text; its commands are one
/// thread.
const TEXT: u32 = 3;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PerfettoFile {
    display_time_unit: &'static str,
    other_data: Value,
    trace_events: Vec<Value>,
}

impl Timeline {
    /// Returns the timeline as JSON.
    ///
    /// # Errors
    ///
    /// None in practice: the file is a tree of strings and numbers.
    pub fn perfetto(&self) -> serde_json::Result<String> {
        serde_json::to_string(&PerfettoFile {
            display_time_unit: "ns",
            other_data: json!({
                "test case": self.name,
                "verdict": self.verdict,
                "lesson_begin_seconds": seconds(self.begin),
                "missing": self.missing,
            }),
            trace_events: self.trace_events(),
        })
    }

    fn trace_events(&self) -> Vec<Value> {
        let mut events = self.names();
        for slice in &self.slices {
            let task = self.task(slice.pid);
            let duration = slice.to - slice.from;
            let then = match slice.end_state {
                EndState::Ready => "waits for a CPU",
                EndState::Asleep => "sleeps",
                EndState::Dead => "has exited",
                EndState::Running => "runs when the trace ends",
            };
            let complete = |name: &str, pid, tid, from: u64, duration: u64, args: Value| {
                json!({
                    "ph": "X", "name": name, "cat": "sched", "pid": pid, "tid": tid,
                    "ts": from, "dur": duration, "args": args,
                })
            };
            events.push(complete(
                &task,
                CPUS,
                id(slice.cpu),
                slice.from,
                duration,
                json!({}),
            ));
            if self.lesson_task(slice.pid) {
                let args = json!({ "CPU": slice.cpu, "then": then });
                let name = format!("runs on CPU {}", slice.cpu);
                events.push(complete(
                    &name, TASKS, slice.pid, slice.from, duration, args,
                ));
                if let Some(woken) = slice.woken.filter(|woken| *woken < slice.from) {
                    let from = woken.max(self.begin);
                    let waited = slice.from.saturating_sub(from);
                    let args = json!({});
                    events.push(complete(
                        "waits for a CPU",
                        TASKS,
                        slice.pid,
                        from,
                        waited,
                        args,
                    ));
                }
            }
        }
        for (number, event) in self.events.iter().enumerate() {
            let instant = |name: &str, tid: u32| {
                json!({
                    "ph": "i", "s": "t", "name": name, "cat": "message",
                    "pid": TASKS, "tid": tid, "ts": event.at,
                })
            };
            match &event.kind {
                EventKind::Message(text) => {
                    let tid = event.pid.filter(|by| self.lesson_task(*by)).unwrap_or(0);
                    events.push(instant(text, tid));
                }
                EventKind::Wakeup { pid, runs_at, .. } => {
                    if let (Some(by), Some(runs_at)) = (event.pid, runs_at)
                        && self.lesson_task(by)
                        && self.lesson_task(*pid)
                    {
                        let flow = |phase: &str, tid: u32, at: u64| {
                            json!({
                                "ph": phase, "id": number, "name": "wakes", "cat": "wake-up",
                                "pid": TASKS, "tid": tid, "ts": at, "bp": "e",
                            })
                        };
                        events.push(flow("s", by, event.at));
                        events.push(flow("f", *pid, *runs_at));
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

    /// Returns true if the task belongs to the lesson.
    fn lesson_task(&self, pid: u32) -> bool {
        self.kind(pid) != super::TaskKind::Kernel
    }

    /// Returns the names of all rows.
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

/// Returns the TID that stands for a CPU; TIDs begin at 1.
fn id(cpu: usize) -> u32 {
    u32::try_from(cpu).unwrap_or(u32::MAX - 1) + 1
}
