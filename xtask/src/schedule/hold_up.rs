//! What `perturb` tells the host: a line for each task that it held up.

use super::places::Place;

/// A task that was kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldUp {
    /// Where.
    pub place: Place,
    /// When, in nanoseconds on the clock of the kernel's log.
    pub at: u64,
    /// For how many nanoseconds.
    pub nanoseconds: u64,
    /// The task's name and number: `insmod/123`.
    pub task: String,
}

/// Reads the lines `held PLACE at TIME for NANOSECONDS TASK`. What is no such
/// line is none of the module's: whatever a lesson writes there is no harm.
pub(super) fn read(told: &[u8], places: &[Place]) -> Vec<HoldUp> {
    String::from_utf8_lossy(told)
        .lines()
        .filter_map(|line| one(line, places))
        .collect()
}

fn one(line: &str, places: &[Place]) -> Option<HoldUp> {
    let rest = line.strip_prefix("held ")?;
    let (place, rest) = rest.split_once(" at ")?;
    let (at, rest) = rest.split_once(" for ")?;
    let (nanoseconds, task) = rest.split_once(' ')?;
    Some(HoldUp {
        place: places.get(place.parse::<usize>().ok()?)?.clone(),
        at: at.parse().ok()?,
        nanoseconds: nanoseconds.parse().ok()?,
        task: task.to_owned(),
    })
}

/// Reads the lines `met PLACE TASK`: the place's number, and the name of the task
/// that was there first.
pub(super) fn met(told: &[u8]) -> Vec<(usize, String)> {
    String::from_utf8_lossy(told)
        .lines()
        .filter_map(|line| {
            let (place, task) = line.strip_prefix("met ")?.split_once(' ')?;
            let (name, _) = task.rsplit_once('/')?;
            Some((place.parse().ok()?, name.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::places::Kind;
    use super::*;

    #[test]
    fn what_is_told_is_read_and_rubbish_is_not() {
        let place = Place {
            function: "f".to_owned(),
            offset: 7,
            section: 1,
            at: 7,
            kind: Kind::Call,
        };
        let told = b"refused 0\nheld 0 at 12 for 34 a task/5\nheld 1 at 1 for 1 x\n\
                     held 0 at x for 1 y\nheld\n\xff\xff\nmet 3 a/b/5\nmet x y/1\nmet 1\nmet 0 c/6\n";
        let held = read(told, std::slice::from_ref(&place));
        assert_eq!(
            held,
            [HoldUp {
                place,
                at: 12,
                nanoseconds: 34,
                task: "a task/5".to_owned()
            }]
        );
        assert_eq!(met(told), [(3, "a/b".to_owned()), (0, "c".to_owned())]);
    }
}
