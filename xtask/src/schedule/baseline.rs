//! The report of a baseline run: which task reaches which probe point when, and which memory it
//! uses there.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::delay::task_name;
use super::probe_points::ProbePoint;

/// Number of arrivals that `perturb` reports for each point and name of a task (`MET` in
/// modules/tools/perturb/perturb.rs).
const REPORTED_ARRIVALS: u32 = 16;

/// An arrival of a task at a probe point in a baseline run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineArrival {
    /// The point.
    pub point: ProbePoint,
    /// The number of the arrival at the point, from 1, among those of all tasks of its name.
    pub arrival: u32,
    /// The time, in nanoseconds on the clock of the kernel's log.
    pub clock_nanoseconds: u64,
    /// The address of the point's operand, or 0.
    pub address: u64,
    /// Whether the task itself is there, and not an interrupt or a timer.
    pub in_task: bool,
    /// The task's name and number: `insmod/123`; of an interrupt its kind and CPU: `softirq/cpu0`.
    pub task: String,
}

impl BaselineArrival {
    /// Returns the task's name.
    pub fn task_name(&self) -> &str {
        task_name(&self.task)
    }
}

/// The removal of the module in a baseline run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The time when its exit function has returned, in nanoseconds on the clock of the kernel's log.
    pub clock_nanoseconds: u64,
    /// The name and number of the task that removes it.
    pub task: String,
}

/// The report of a baseline run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaselineReport {
    /// The arrivals, of each point and name of a task only the first few. Those of one run are in order of
    /// time; a module with many probe points has several runs.
    pub arrivals: Vec<BaselineArrival>,
    /// The removals of the module.
    pub removals: Vec<Removal>,
}

impl BaselineReport {
    /// Reads the `output` of `perturb`, which has these probe points. Other lines are ignored: a lesson
    /// may write anything to the module's port.
    pub fn read(output: &[u8], points: &[ProbePoint]) -> Self {
        let output = String::from_utf8_lossy(output);
        Self {
            arrivals: output
                .lines()
                .filter_map(|line| met(line, points))
                .collect(),
            removals: output.lines().filter_map(gone).collect(),
        }
    }

    /// Returns the numbers of arrivals at the points, in descending order; `None`, which comes first,
    /// for a point of which not all were reported.
    pub fn counts(&self) -> Vec<Option<u32>> {
        let mut counts: BTreeMap<(usize, u64), Option<u32>> = BTreeMap::new();
        for BaselineArrival { point, arrival, .. } in &self.arrivals {
            let count = counts.entry(point.address()).or_insert(Some(0));
            *count = count
                .filter(|_| *arrival < REPORTED_ARRIVALS)
                .map(|count| count + 1);
        }
        let mut counts: Vec<Option<u32>> = counts.into_values().collect();
        counts.sort_by_key(|count| count.map(Reverse));
        counts
    }

    /// Adds the report of a run with other probe points.
    pub fn extend(&mut self, other: Self) {
        self.arrivals.extend(other.arrivals);
        self.removals.extend(other.removals);
    }
}

/// Reads `met POINT arrival N at CLOCK of ADDRESS in CONTEXT TASK`.
fn met(line: &str, points: &[ProbePoint]) -> Option<BaselineArrival> {
    let (point, rest) = line.strip_prefix("met ")?.split_once(" arrival ")?;
    let (arrival, rest) = rest.split_once(" at ")?;
    let (clock, rest) = rest.split_once(" of ")?;
    let (address, rest) = rest.split_once(" in ")?;
    let (context, task) = rest.split_once(' ')?;
    task.rsplit_once('/')?;
    Some(BaselineArrival {
        point: points.get(point.parse::<usize>().ok()?)?.clone(),
        arrival: arrival.parse().ok()?,
        clock_nanoseconds: clock.parse().ok()?,
        address: u64::from_str_radix(address, 16).ok()?,
        in_task: context == "task",
        task: task.to_owned(),
    })
}

/// Reads `gone at CLOCK TASK`.
fn gone(line: &str) -> Option<Removal> {
    let (clock, task) = line.strip_prefix("gone at ")?.split_once(' ')?;
    Some(Removal {
        clock_nanoseconds: clock.parse().ok()?,
        task: task.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe_points::ProbeKind;
    use super::*;

    #[test]
    fn lines_of_a_baseline_run_are_read_and_others_are_ignored() {
        let point = ProbePoint {
            function: "f".to_owned(),
            offset: 7,
            section: 1,
            section_offset: 7,
            in_kernel: false,
            kind: ProbeKind::Access,
            operand: None,
            calls: None,
        };
        let output = b"began after 56\nmet 0 arrival 2 at 12 of ffff8880 in irq softirq/cpu1\n\
                     met 1 arrival 2 at 12 of 0 in task x/1\nmet 0 arrival 1 at 1 of 0 in task x\n\
                     gone at 78 rmmod/9\ngone at x rmmod/9\n\xff\n";
        let report = BaselineReport::read(output, std::slice::from_ref(&point));
        let arrival = BaselineArrival {
            point,
            arrival: 2,
            clock_nanoseconds: 12,
            address: 0xffff_8880,
            in_task: false,
            task: "softirq/cpu1".to_owned(),
        };
        assert_eq!(arrival.task_name(), "softirq");
        assert_eq!(report.arrivals, std::slice::from_ref(&arrival));
        assert_eq!(report.counts(), [Some(1)]);
        let mut other = arrival.clone();
        (other.point.section_offset, other.arrival) = (8, 16);
        let report = BaselineReport {
            arrivals: vec![arrival.clone(), other, arrival],
            ..report
        };
        assert_eq!(report.counts(), [None, Some(2)]);
        let removal = Removal {
            clock_nanoseconds: 78,
            task: "rmmod/9".to_owned(),
        };
        assert_eq!(report.removals, [removal]);
    }
}
