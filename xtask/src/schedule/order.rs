//! The order of a baseline run's tasks that no delay changes.

use std::collections::HashMap;

use super::baseline::BaselineArrival;
use super::conflicts::INIT;

/// Tasks that wait for others, as far as the calls of the kernel's functions show it. A delay of a task
/// also delays those that wait for it, so it cannot reverse their order.
pub(super) struct Order<'a> {
    /// The beginning of each task.
    begins: HashMap<&'a str, u64>,
    /// The ends of the tasks that load the module. The shell waits for them.
    loads: HashMap<&'a str, u64>,
    /// The times at which a task wakes a task that may be a new one.
    wakes: HashMap<&'a str, Vec<u64>>,
    /// The times at which a task completes something, and the addresses of that.
    completes: HashMap<&'a str, Vec<(u64, u64)>>,
    /// The times from which on a task has waited for a completion, and the addresses of that.
    waits: HashMap<&'a str, Vec<(u64, u64)>>,
}

impl<'a> Order<'a> {
    pub fn of(arrivals: &[&'a BaselineArrival]) -> Self {
        let mut order = Self {
            begins: HashMap::new(),
            loads: HashMap::new(),
            wakes: HashMap::new(),
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
            if function.contains("wake_up_process") {
                order.wakes.entry(task).or_default().push(time);
            } else if function.contains("wait_for_completion") {
                order.waits.entry(task).or_default().push(call);
            } else if function.contains("complete") {
                order.completes.entry(task).or_default().push(call);
            }
        }
        order
    }

    /// Reports whether the task of the second arrival has waited for that of the first.
    pub fn waits(&self, first: &BaselineArrival, second: &BaselineArrival) -> bool {
        let (from, to) = (first.clock_nanoseconds, second.clock_nanoseconds);
        let of = |calls: &HashMap<&str, Vec<(u64, u64)>>, task: &str| {
            calls.get(task).cloned().unwrap_or_default()
        };
        let begin = self.begins.get(&*second.task).copied().unwrap_or(0);
        if self.loads.get(&*first.task).is_some_and(|end| *end < begin) {
            return true;
        }
        let wakes = self.wakes.get(&*first.task).into_iter().flatten();
        // The last wake-up before the second task's beginning has started it.
        let started = wakes.filter(|wake| **wake < begin).max();
        if started.is_some_and(|started| from <= *started) {
            return true;
        }
        let completed = of(&self.completes, &first.task);
        let waited = of(&self.waits, &second.task);
        completed.iter().any(|(time, object)| {
            let after = |wait: &&(u64, u64)| wait.1 == *object && wait.0 < to;
            from <= *time && *time < to && waited.iter().any(|wait| after(&wait))
        })
    }
}
