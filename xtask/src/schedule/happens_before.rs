//! The order of a baseline run's arrivals that no delay changes.

use std::collections::HashMap;

use super::baseline::BaselineArrival;
use super::conflicts::INIT;

/// Parts of the names of the kernel's functions that start a task, a work item or a timer.
const STARTS: [&str; 6] = [
    "wake_up_process",
    "queue_work",
    "delayed_work",
    "add_timer",
    "mod_timer",
    "hrtimer_start",
];

/// Tasks that wait for others, as far as the calls of the kernel's functions show it. A delay of a task
/// also delays those that wait for it, so it cannot reverse their order.
pub(super) struct HappensBefore<'a> {
    /// The beginning of each task.
    begins: HashMap<&'a str, u64>,
    /// The last arrivals of the tasks that load the module. The shell waits for these tasks.
    loads: HashMap<&'a str, u64>,
    /// The times at which a task starts another one, a work item or a timer.
    starts: HashMap<&'a str, Vec<u64>>,
    /// The times at which a task calls `complete`, with the addresses of the completions.
    completes: HashMap<&'a str, Vec<(u64, u64)>>,
    /// The times from which on a task has waited for a completion, with the completions' addresses.
    waits: HashMap<&'a str, Vec<(u64, u64)>>,
}

impl<'a> HappensBefore<'a> {
    pub(super) fn of(arrivals: &[&'a BaselineArrival]) -> Self {
        let mut order = Self {
            begins: HashMap::new(),
            loads: HashMap::new(),
            starts: HashMap::new(),
            completes: HashMap::new(),
            waits: HashMap::new(),
        };
        for arrival in arrivals {
            let (task, time) = (&*arrival.task, arrival.clock_nanoseconds);
            order.begins.entry(task).or_insert(time);
            if arrival.point.function == INIT || order.loads.contains_key(task) {
                order.loads.insert(task, time);
            }
            let Some(function) = &arrival.point.calls else {
                continue;
            };
            let call = (time, arrival.address);
            if STARTS.iter().any(|start| function.contains(start)) {
                order.starts.entry(task).or_default().push(time);
            } else if function.contains("wait_for_completion") {
                order.waits.entry(task).or_default().push(call);
            } else if function.contains("complete") {
                order.completes.entry(task).or_default().push(call);
            }
        }
        order
    }

    /// Reports whether the second arrival is after the first in every run, because its task has waited
    /// for the first one's.
    pub(super) fn orders(&self, first: &BaselineArrival, second: &BaselineArrival) -> bool {
        let (from, to) = (first.clock_nanoseconds, second.clock_nanoseconds);
        let begin = self.begins.get(&*second.task).copied().unwrap_or(0);
        // A timer does not wait for the shell.
        let loaded = self.loads.get(&*first.task).filter(|_| second.in_task);
        if loaded.is_some_and(|end| *end < begin) {
            return true;
        }
        let starts = self.starts.get(&*first.task).into_iter().flatten();
        // The last one before the second task's beginning has started it.
        let started = starts.filter(|start| **start < begin).max();
        if started.is_some_and(|started| from <= *started) {
            return true;
        }
        let mut completed = self.completes.get(&*first.task).into_iter().flatten();
        completed.any(|(time, completion)| {
            let mut waits = self.waits.get(&*second.task).into_iter().flatten();
            (from..to).contains(time) && waits.any(|(begin, of)| of == completion && *begin < to)
        })
    }
}
