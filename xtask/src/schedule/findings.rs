//! Properties that the failing schedules of a test case share.

use std::collections::HashSet;

use super::delay::InjectedDelay;
use super::probe_points::ProbePoint;

/// A run of one schedule, as the search for causes needs it.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleRun<'a> {
    /// The schedule's seed.
    pub seed: u32,
    /// Whether the run failed.
    pub failed: bool,
    /// The delays that `perturb` injected.
    pub delays: &'a [InjectedDelay],
    /// The kernel's messages, without their timestamps.
    pub messages: &'a [String],
}

/// Differences between the failing and the passing runs of one test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Number of failing runs.
    pub failed: usize,
    /// Number of passing runs.
    pub passed: usize,
    /// The lowest seed that fails.
    pub first_seed: u32,
    /// At most three probe points where failing runs had delays and
    /// passing runs rarely had; the most suspect point first.
    pub suspects: Vec<SuspectPoint>,
    /// Where the log of the first failing run leaves the log of a passing run;
    /// `None` if no run passed.
    pub divergence: Option<Divergence>,
}

/// A probe point, with the number of runs that had a delay there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspectPoint {
    /// The point.
    pub point: ProbePoint,
    /// Whether the store of the point was held back, and not a task delayed.
    pub is_store: bool,
    /// Number of failing runs with a delay at the point.
    pub failed: usize,
    /// Number of passing runs with a delay at the point.
    pub passed: usize,
    /// Name and number of the task that the first failing run delayed the longest
    /// here; `None` if that run had no delay here.
    pub task: Option<String>,
    /// The length of that delay, in nanoseconds.
    pub delay_nanoseconds: Option<u64>,
}

/// The first difference between two logs: that of the first failing run, and that
/// of the passing run whose log has the longest common beginning with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The seed of the passing run.
    pub passing_seed: u32,
    /// The last line of the common beginning.
    pub last_common: Option<String>,
    /// The next line of the failing run, if it logged any more.
    pub failing_next: Option<String>,
    /// The next line of the passing run, if it logged any more.
    pub passing_next: Option<String>,
}

/// Maximum number of suspect points that are reported.
const MAX_SUSPECTS: usize = 3;

impl Findings {
    /// Compares the runs of one test case; returns `None` if no run failed.
    pub fn of(runs: &[ScheduleRun<'_>]) -> Option<Self> {
        let (failed, passed): (Vec<&ScheduleRun<'_>>, Vec<_>) =
            runs.iter().partition(|run| run.failed);
        let first = failed.iter().min_by_key(|run| run.seed)?;
        Some(Self {
            failed: failed.len(),
            passed: passed.len(),
            first_seed: first.seed,
            suspects: suspects(&failed, &passed, first),
            divergence: divergence(first, &passed),
        })
    }
}

fn suspects(
    failed: &[&ScheduleRun<'_>],
    passed: &[&ScheduleRun<'_>],
    first: &ScheduleRun<'_>,
) -> Vec<SuspectPoint> {
    let is_at = |delay: &InjectedDelay, (point, is_store): (&ProbePoint, bool)| {
        delay.point.address() == point.address() && delay.until.is_some() == is_store
    };
    let count = |runs: &[&ScheduleRun<'_>], place: (&ProbePoint, bool)| {
        let delayed = |run: &&&ScheduleRun<'_>| run.delays.iter().any(|d| is_at(d, place));
        runs.iter().filter(delayed).count()
    };
    let mut known = HashSet::new();
    let delays = failed.iter().flat_map(|run| run.delays);
    let places = delays.map(|delay| (&delay.point, delay.until.is_some()));
    let mut suspects: Vec<SuspectPoint> = places
        .filter(|(point, is_store)| known.insert((point.address(), *is_store)))
        .map(|place| {
            let (point, is_store) = place;
            let delays = first.delays.iter().filter(|delay| is_at(delay, place));
            let longest = delays.max_by_key(|delay| delay.duration_nanoseconds);
            SuspectPoint {
                is_store,
                failed: count(failed, place),
                passed: count(passed, place),
                task: longest.map(|delay| delay.task.clone()),
                delay_nanoseconds: longest.map(|delay| delay.duration_nanoseconds),
                point: point.clone(),
            }
        })
        .collect();
    let per_mille = |count: usize, of: usize| 1000 * count / of.max(1);
    let shares = |suspect: &SuspectPoint| {
        (
            per_mille(suspect.failed, failed.len()),
            per_mille(suspect.passed, passed.len()),
        )
    };
    suspects.sort_by_key(|suspect| {
        let (failed, passed) = shares(suspect);
        let difference = passed.cast_signed() - failed.cast_signed();
        (difference, suspect.point.address(), suspect.is_store)
    });
    suspects.retain(|suspect| {
        let (in_failed, in_passed) = shares(suspect);
        2 * suspect.failed >= failed.len() && in_failed > in_passed
    });
    suspects.truncate(MAX_SUSPECTS);
    suspects
}

fn divergence(first: &ScheduleRun<'_>, passed: &[&ScheduleRun<'_>]) -> Option<Divergence> {
    let common_lines = |run: &ScheduleRun<'_>| {
        let pairs = run.messages.iter().zip(first.messages);
        pairs
            .take_while(|(passing, failing)| passing == failing)
            .count()
    };
    // `max_by_key` returns the last maximum; the first one is wanted.
    let nearest = passed.iter().rev().max_by_key(|run| common_lines(run))?;
    let count = common_lines(nearest);
    Some(Divergence {
        passing_seed: nearest.seed,
        last_common: first.messages[..count].last().cloned(),
        failing_next: first.messages.get(count).cloned(),
        passing_next: nearest.messages.get(count).cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe_points::ProbeKind;
    use super::*;

    fn delay(offset: u32, duration_nanoseconds: u64) -> InjectedDelay {
        InjectedDelay {
            point: ProbePoint {
                function: "f".to_owned(),
                offset,
                section: 1,
                section_offset: u64::from(offset),
                in_kernel: false,
                kind: ProbeKind::Access,
                operand: None,
                calls: None,
            },
            until: None,
            arrival: 1,
            clock_nanoseconds: 0,
            duration_nanoseconds,
            requested_nanoseconds: duration_nanoseconds,
            task: "t/1".to_owned(),
        }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_point_that_all_failing_runs_share_and_the_divergence_of_the_logs_are_found() {
        let runs = [
            (1, false, vec![delay(1, 5)], lines(&["a", "b", "c"])),
            (2, true, vec![delay(1, 5), delay(7, 9)], lines(&["a", "x"])),
            (3, false, vec![], lines(&["b"])),
            (4, true, vec![delay(7, 3)], lines(&["a", "b", "y"])),
        ];
        let runs: Vec<ScheduleRun<'_>> = runs
            .iter()
            .map(|(seed, failed, delays, messages)| ScheduleRun {
                seed: *seed,
                failed: *failed,
                delays,
                messages,
            })
            .collect();
        let Some(findings) = Findings::of(&runs) else {
            panic!("two runs failed");
        };
        assert_eq!(
            (findings.failed, findings.passed, findings.first_seed),
            (2, 2, 2)
        );
        let suspects: Vec<(u32, usize, usize)> = findings
            .suspects
            .iter()
            .map(|suspect| (suspect.point.offset, suspect.failed, suspect.passed))
            .collect();
        assert_eq!(suspects, [(7, 2, 0)]);
        assert_eq!(findings.suspects[0].delay_nanoseconds, Some(9));
        let expected = Divergence {
            passing_seed: 1,
            last_common: Some("a".to_owned()),
            failing_next: Some("x".to_owned()),
            passing_next: Some("b".to_owned()),
        };
        assert_eq!(findings.divergence, Some(expected));
    }

    #[test]
    fn runs_that_all_pass_have_no_findings() {
        let run = ScheduleRun {
            seed: 1,
            failed: false,
            delays: &[],
            messages: &[],
        };
        assert_eq!(Findings::of(&[run]), None);
    }
}
