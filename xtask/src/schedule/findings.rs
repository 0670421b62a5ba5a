//! What tells the schedules that fail from those that pass.

use std::collections::HashSet;

use super::hold_up::HoldUp;
use super::places::Place;

/// A run of a schedule, as this looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What its schedule follows from.
    pub seed: u32,
    /// Did it fail?
    pub failed: bool,
    /// Who was held up.
    pub held_up: &'a [HoldUp],
    /// What the kernel logged, without the times.
    pub messages: &'a [String],
}

/// What is known of some runs of which some fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// How many fail.
    pub failed: usize,
    /// How many pass.
    pub passed: usize,
    /// The seed of the first that fails.
    pub first: u32,
    /// The places where the most of those that fail were held up, and few of the
    /// others; the most telling first.
    pub places: Vec<Telling>,
    /// Where the first that fails leaves the way of those that pass.
    pub parting: Option<Parting>,
}

/// A place, and in how many runs somebody was held up there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The place.
    pub place: Place,
    /// Of those that fail.
    pub failed: usize,
    /// Of those that pass.
    pub passed: usize,
    /// A task that was, in the first that fails: its name and number.
    pub task: Option<String>,
    /// The longest time there in the first that fails, in nanoseconds.
    pub nanoseconds: Option<u64>,
}

/// Where two logs part: of the first run that fails, and of the one that passes
/// whose log goes with it the longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    /// The seed of the run that passes.
    pub passing: u32,
    /// The last line that both have.
    pub last: Option<String>,
    /// The line after that of the run that fails, if it has any.
    pub failing_next: Option<String>,
    /// The line after that of the run that passes.
    pub passing_next: Option<String>,
}

/// So many places are told.
const MOST: usize = 3;

impl Findings {
    /// Looks at the runs of one play; none if none has failed.
    pub fn of(runs: &[Run<'_>]) -> Option<Self> {
        let (failed, passed): (Vec<&Run<'_>>, Vec<_>) = runs.iter().partition(|run| run.failed);
        let first = failed.iter().min_by_key(|run| run.seed)?;
        Some(Self {
            failed: failed.len(),
            passed: passed.len(),
            first: first.seed,
            places: telling(&failed, &passed, first),
            parting: parting(first, &passed),
        })
    }
}

fn telling(failed: &[&Run<'_>], passed: &[&Run<'_>], first: &Run<'_>) -> Vec<Telling> {
    let mut seen = HashSet::new();
    let places = failed.iter().flat_map(|run| run.held_up);
    let mut telling: Vec<Telling> = places
        .filter(|held| seen.insert(held.place.address()))
        .map(|HoldUp { place, .. }| {
            let there = |run: &Run<'_>| run.held_up.iter().any(|held| held.place == *place);
            let count = |runs: &[&Run<'_>]| runs.iter().filter(|run| there(run)).count();
            let longest = first.held_up.iter().filter(|held| held.place == *place);
            let longest = longest.max_by_key(|held| held.nanoseconds);
            Telling {
                failed: count(failed),
                passed: count(passed),
                task: longest.map(|held| held.task.clone()),
                nanoseconds: longest.map(|held| held.nanoseconds),
                place: place.clone(),
            }
        })
        .collect();
    // The share of those that fail, less the share of those that pass.
    let share = |count: usize, of: usize| 1000 * count / of.max(1);
    telling.sort_by_key(|telling| {
        let apart = share(telling.passed, passed.len()).cast_signed()
            - share(telling.failed, failed.len()).cast_signed();
        (apart, telling.place.address())
    });
    telling.retain(|telling| {
        2 * telling.failed >= failed.len()
            && share(telling.failed, failed.len()) > share(telling.passed, passed.len())
    });
    telling.truncate(MOST);
    telling
}

fn parting(first: &Run<'_>, passed: &[&Run<'_>]) -> Option<Parting> {
    let together = |run: &Run<'_>| {
        let pairs = run.messages.iter().zip(first.messages);
        pairs
            .take_while(|(passing, failing)| passing == failing)
            .count()
    };
    // Of several the first: `max_by_key` takes the last.
    let nearest = passed.iter().rev().max_by_key(|run| together(run))?;
    let count = together(nearest);
    let line = |run: &Run<'_>, index: usize| run.messages.get(index).cloned();
    let (failing_next, passing_next) = (line(first, count), line(nearest, count));
    Some(Parting {
        passing: nearest.seed,
        last: count.checked_sub(1).and_then(|index| line(first, index)),
        failing_next,
        passing_next,
    })
}

#[cfg(test)]
mod tests {
    use super::super::places::Kind;
    use super::*;

    fn held(offset: u32, nanoseconds: u64) -> HoldUp {
        HoldUp {
            place: Place {
                function: "f".to_owned(),
                offset,
                section: 1,
                at: u64::from(offset),
                kind: Kind::Access,
            },
            at: 0,
            nanoseconds,
            task: "t/1".to_owned(),
        }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_place_that_all_failures_share_and_the_line_where_they_part_are_told() {
        let runs = [
            (1, false, vec![held(1, 5)], lines(&["a", "b", "c"])),
            (2, true, vec![held(1, 5), held(7, 9)], lines(&["a", "x"])),
            (3, false, vec![], lines(&["b"])),
            (4, true, vec![held(7, 3)], lines(&["a", "b", "y"])),
        ];
        let runs: Vec<Run<'_>> = runs
            .iter()
            .map(|(seed, failed, held_up, messages)| Run {
                seed: *seed,
                failed: *failed,
                held_up,
                messages,
            })
            .collect();
        let Some(findings) = Findings::of(&runs) else {
            panic!("two have failed");
        };
        assert_eq!(
            (findings.failed, findings.passed, findings.first),
            (2, 2, 2)
        );
        let places: Vec<(u32, usize, usize)> = findings
            .places
            .iter()
            .map(|telling| (telling.place.offset, telling.failed, telling.passed))
            .collect();
        assert_eq!(places, [(7, 2, 0)]);
        assert_eq!(findings.places[0].nanoseconds, Some(9));
        let parting = findings.parting.as_ref();
        assert_eq!(parting.map(|parting| parting.passing), Some(1));
        assert_eq!(parting.and_then(|p| p.last.as_deref()), Some("a"));
        assert_eq!(parting.and_then(|p| p.failing_next.as_deref()), Some("x"));
        assert_eq!(parting.and_then(|p| p.passing_next.as_deref()), Some("b"));
    }

    #[test]
    fn runs_that_all_pass_tell_nothing() {
        let run = Run {
            seed: 1,
            failed: false,
            held_up: &[],
            messages: &[],
        };
        assert_eq!(Findings::of(&[run]), None);
    }
}
