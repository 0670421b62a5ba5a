//! The report of `perturb`: one line for each task that it delayed, or for each
//! probe point that a task reached.

use super::probe_points::ProbePoint;

/// A delay of one task at a probe point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedDelay {
    /// The point where the task was delayed.
    pub point: ProbePoint,
    /// If the task's store at the point was held back: the point before which it became visible, after the
    /// task had stayed there.
    pub until: Option<ProbePoint>,
    /// The number of the task's arrival at the point, from 1, among those of all tasks of its name;
    /// 0 if `perturb` had no room to count.
    pub arrival: u32,
    /// The beginning, in nanoseconds on the clock of the kernel's log.
    pub clock_nanoseconds: u64,
    /// The length, in nanoseconds; the requested length if the guest stopped during the delay.
    pub duration_nanoseconds: u64,
    /// The length that the schedule asks for, in nanoseconds: the guest may need longer to wake the
    /// task.
    pub requested_nanoseconds: u64,
    /// The task's name and number: `insmod/123`; of an interrupt its kind and CPU: `softirq/cpu0`.
    pub task: String,
}

impl InjectedDelay {
    /// Returns the task's name.
    pub fn task_name(&self) -> &str {
        task_name(&self.task)
    }

    /// Reports whether another line is about the same delay.
    fn is_same(&self, other: &Self) -> bool {
        let key = |delay: &Self| (delay.point.address(), delay.clock_nanoseconds);
        (key(self), &self.task) == (key(other), &other.task)
    }
}

/// The names that `perturb` gives to interrupts (modules/tools/perturb/task.c), with what they are.
const INTERRUPTS: [(&str, &str); 2] = [("softirq", "a softirq"), ("hardirq", "an interrupt")];

/// Returns what a delayed interrupt is, by its name; `None` for the name of a task.
pub fn interrupt(name: &str) -> Option<&'static str> {
    let mut interrupts = INTERRUPTS.into_iter();
    interrupts.find_map(|(own, what)| (own == name).then_some(what))
}

/// Returns the name in a task's name and number: `insmod/123`.
pub(super) fn task_name(task: &str) -> &str {
    task.rsplit_once('/').map_or(task, |(name, _)| name)
}

/// An arrival of a task at a probe point, where it was not delayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The point.
    pub point: ProbePoint,
    /// The time, in nanoseconds on the clock of the kernel's log.
    pub clock_nanoseconds: u64,
    /// The task's name and number: `insmod/123`.
    pub task: String,
}

/// The report of `perturb` about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DelayReport {
    /// The delay of the lesson's beginning, in nanoseconds.
    pub start_nanoseconds: u64,
    /// The delays of tasks, in the order of their ends.
    pub delays: Vec<InjectedDelay>,
    /// The arrivals without a delay, if the schedule observes them.
    pub arrivals: Vec<Arrival>,
}

impl DelayReport {
    /// Reads the `output` of `perturb`, which has these probe points.
    pub fn read(output: &[u8], points: &[ProbePoint]) -> Self {
        Self {
            start_nanoseconds: start(output).unwrap_or(0),
            delays: delays(output, points),
            arrivals: arrivals(output, points),
        }
    }
}

/// Reads the lines `held POINT arrival N at CLOCK for DURATION of REQUESTED TASK` and `kept POINT until POINT
/// arrival ...`, with the times in nanoseconds, and `holds POINT arrival N at CLOCK of REQUESTED TASK` of delays
/// during which the guest stopped: these count with the requested length. Other lines are ignored: a lesson may
/// write anything to the module's port.
fn delays(output: &[u8], points: &[ProbePoint]) -> Vec<InjectedDelay> {
    let output = String::from_utf8_lossy(output);
    let mut begun: Vec<InjectedDelay> = Vec::new();
    let mut delays: Vec<InjectedDelay> = Vec::new();
    for line in output.lines() {
        if let Some(delay) = begun_delay(line, points) {
            begun.push(delay);
        } else if let Some(delay) = delay(line, points) {
            begun.retain(|begun| !begun.is_same(&delay));
            delays.push(delay);
        }
    }
    delays.extend(begun);
    delays
}

/// Reads `holds POINT arrival N at CLOCK of REQUESTED TASK`.
fn begun_delay(line: &str, points: &[ProbePoint]) -> Option<InjectedDelay> {
    let (point, rest) = line.strip_prefix("holds ")?.split_once(" arrival ")?;
    let (arrival, rest) = rest.split_once(" at ")?;
    let (clock, rest) = rest.split_once(" of ")?;
    let (requested, task) = rest.split_once(' ')?;
    let nanoseconds = requested.parse().ok()?;
    Some(InjectedDelay {
        point: points.get(point.parse::<usize>().ok()?)?.clone(),
        until: None,
        arrival: arrival.parse().ok()?,
        clock_nanoseconds: clock.parse().ok()?,
        duration_nanoseconds: nanoseconds,
        requested_nanoseconds: nanoseconds,
        task: task.to_owned(),
    })
}

fn delay(line: &str, points: &[ProbePoint]) -> Option<InjectedDelay> {
    let find = |point: &str| points.get(point.parse::<usize>().ok()?).cloned();
    let (point, until, rest) = match line.strip_prefix("kept ") {
        Some(rest) => {
            let (point, rest) = rest.split_once(" until ")?;
            let (until, rest) = rest.split_once(" arrival ")?;
            (point, Some(find(until)?), rest)
        }
        None => {
            let (point, rest) = line.strip_prefix("held ")?.split_once(" arrival ")?;
            (point, None, rest)
        }
    };
    let (arrival, rest) = rest.split_once(" at ")?;
    let (clock, rest) = rest.split_once(" for ")?;
    let (duration, rest) = rest.split_once(" of ")?;
    let (requested, task) = rest.split_once(' ')?;
    Some(InjectedDelay {
        point: find(point)?,
        until,
        arrival: arrival.parse().ok()?,
        clock_nanoseconds: clock.parse().ok()?,
        duration_nanoseconds: duration.parse().ok()?,
        requested_nanoseconds: requested.parse().ok()?,
        task: task.to_owned(),
    })
}

/// Reads the lines `came POINT arrival N at CLOCK TASK`.
fn arrivals(output: &[u8], points: &[ProbePoint]) -> Vec<Arrival> {
    let arrival = |line: &str| {
        let (point, rest) = line.strip_prefix("came ")?.split_once(" arrival ")?;
        let (_, rest) = rest.split_once(" at ")?;
        let (clock, task) = rest.split_once(' ')?;
        Some(Arrival {
            point: points.get(point.parse::<usize>().ok()?)?.clone(),
            clock_nanoseconds: clock.parse().ok()?,
            task: task.to_owned(),
        })
    };
    let output = String::from_utf8_lossy(output);
    output.lines().filter_map(arrival).collect()
}

/// Reads the line `began after NANOSECONDS`: the delay of the lesson's beginning.
fn start(output: &[u8]) -> Option<u64> {
    let output = String::from_utf8_lossy(output);
    let mut lines = output.lines();
    lines.find_map(|line| line.strip_prefix("began after ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::probe_points::ProbeKind;
    use super::*;

    #[test]
    fn lines_of_perturb_are_read_and_others_are_ignored() {
        let point = ProbePoint {
            function: "f".to_owned(),
            offset: 7,
            section: 1,
            section_offset: 7,
            in_kernel: false,
            kind: ProbeKind::Call,
            operand: None,
            calls: None,
        };
        let output = b"began after 56\nrefused 0\nheld 0 arrival 3 at 12 for 34 of 30 a task/5\n\
                     held 1 arrival 3 at 12 for 34 of 30 x\nheld 0 arrival 1 at x for 1 of 1 y\n\
                     came 0 arrival 4 at 78 a/7\ncame 9 arrival 4 at 78 a/7\nbegan after 9\n\
                     held\n\xff\xff\n";
        let points = std::slice::from_ref(&point);
        let delay = InjectedDelay {
            point: point.clone(),
            until: None,
            arrival: 3,
            clock_nanoseconds: 12,
            duration_nanoseconds: 34,
            requested_nanoseconds: 30,
            task: "a task/5".to_owned(),
        };
        assert_eq!(delay.task_name(), "a task");
        let output_of_store = b"kept 0 until 0 arrival 3 at 12 for 34 of 30 a task/5\n\
                              kept 0 until 9 arrival 3 at 12 for 34 of 30 a/5\nkept 0 until 0\n";
        let held = InjectedDelay {
            until: Some(point.clone()),
            ..delay.clone()
        };
        assert_eq!(delays(output_of_store, points), [held]);
        assert_eq!(delays(output, points), std::slice::from_ref(&delay));
        let output_of_two =
            b"holds 0 arrival 3 at 12 of 30 a task/5\nholds 0 arrival 4 at 20 of 9 a task/5\n\
                              holds 1 arrival 4 at 20 of 9 a task/5\nholds 0 arrival 4 at 20 of\n\
                              held 0 arrival 3 at 12 for 34 of 30 a task/5\n";
        let unfinished = InjectedDelay {
            arrival: 4,
            clock_nanoseconds: 20,
            duration_nanoseconds: 9,
            requested_nanoseconds: 9,
            ..delay.clone()
        };
        assert_eq!(delays(output_of_two, points), [delay, unfinished]);
        let arrival = Arrival {
            point: point.clone(),
            clock_nanoseconds: 78,
            task: "a/7".to_owned(),
        };
        assert_eq!(arrivals(output, points), [arrival]);
        assert_eq!(start(output), Some(56));
    }
}
