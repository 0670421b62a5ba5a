//! The report of `perturb`: one line for each task that it delayed, or for each
//! probe point that a task reached.

use super::probe_points::ProbePoint;

/// A delay of one task at a probe point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedDelay {
    /// The point where the task was delayed.
    pub point: ProbePoint,
    /// The beginning, in nanoseconds on the clock of the kernel's log.
    pub clock_nanoseconds: u64,
    /// The length, in nanoseconds.
    pub duration_nanoseconds: u64,
    /// The task's name and number: `insmod/123`.
    pub task: String,
}

/// Reads the lines `held POINT at CLOCK for DURATION TASK`, with both times in
/// nanoseconds. Other lines are ignored: a lesson may write anything to the
/// module's port.
pub(super) fn delays(output: &[u8], points: &[ProbePoint]) -> Vec<InjectedDelay> {
    String::from_utf8_lossy(output)
        .lines()
        .filter_map(|line| delay(line, points))
        .collect()
}

fn delay(line: &str, points: &[ProbePoint]) -> Option<InjectedDelay> {
    let rest = line.strip_prefix("held ")?;
    let (point, rest) = rest.split_once(" at ")?;
    let (clock, rest) = rest.split_once(" for ")?;
    let (duration, task) = rest.split_once(' ')?;
    Some(InjectedDelay {
        point: points.get(point.parse::<usize>().ok()?)?.clone(),
        clock_nanoseconds: clock.parse().ok()?,
        duration_nanoseconds: duration.parse().ok()?,
        task: task.to_owned(),
    })
}

/// Reads the lines `met POINT TASK`: the number of a probe point, and the name of
/// the first task that reached it.
pub(super) fn reached(output: &[u8]) -> Vec<(usize, String)> {
    String::from_utf8_lossy(output)
        .lines()
        .filter_map(|line| {
            let (point, task) = line.strip_prefix("met ")?.split_once(' ')?;
            let (name, _number) = task.rsplit_once('/')?;
            Some((point.parse().ok()?, name.to_owned()))
        })
        .collect()
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
            kind: ProbeKind::Call,
        };
        let output = b"refused 0\nheld 0 at 12 for 34 a task/5\nheld 1 at 1 for 1 x\n\
                     held 0 at x for 1 y\nheld\n\xff\xff\nmet 3 a/b/5\nmet x y/1\nmet 1\nmet 0 c/6\n";
        assert_eq!(
            delays(output, std::slice::from_ref(&point)),
            [InjectedDelay {
                point,
                clock_nanoseconds: 12,
                duration_nanoseconds: 34,
                task: "a task/5".to_owned()
            }]
        );
        assert_eq!(
            reached(output),
            [(3, "a/b".to_owned()), (0, "c".to_owned())]
        );
    }
}
