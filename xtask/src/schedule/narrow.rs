//! Narrowing: which of a failing schedule's delays decide that it fails, and how short they may be.
//!
//! The delays are ordered by time, and a run is the same up to the first delay that is left out. So
//! a binary search finds the shortest beginning of the list that still fails; the last delay of that
//! beginning is needed, and the search goes on among those before it (QuickXplain, Junker, AAAI 2004,
//! with time as the order of preference). A needed delay of N costs `log2(N) + 1` runs, where delta
//! debugging (ddmin, Zeller and Hildebrandt, TSE 2002) costs about twice as many. Nothing is assumed
//! about the delays in between: each step keeps one schedule that failed in a run, and one that did
//! not. The last step is that of ddmin: each remaining delay is left out once.
//!
//! If a needed delay alone is not enough, the others often only make other tasks wait for as long as
//! this one takes; so it is tried longer, alone and with fewer of the others.

use std::collections::HashMap;

use super::exact::ExactSchedule;

/// The result of a run, compared with the failure to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// The same failure.
    Same,
    /// No failure.
    Passed,
    /// Another failure.
    Other,
}

/// The result of narrowing a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Narrowing {
    /// The delays that decide.
    Narrowed(NarrowedDelays),
    /// The run fails in the same way without any delay.
    WithoutDelays,
    /// The run does not fail in the same way when the delays are named one by one.
    NotRepeated,
}

/// A schedule whose delays are all needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarrowedDelays {
    /// The schedule, which fails in the same way.
    pub schedule: ExactSchedule,
    /// The index of the delay without which the run passes; of several, of the last in time.
    pub deciding: Option<usize>,
    /// Whether the search came to its end before the limit of runs.
    pub complete: bool,
}

/// Lengths that are tried, in nanoseconds.
const LENGTHS: [u64; 19] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
];

/// Length with which a needed delay is tried in place of others, in nanoseconds.
const LONGER: u64 = 20_000_000;

/// Runs that are kept for the search for the deciding delay.
const RESERVE: usize = 2;

/// Narrows a schedule, whose delays are in the order of time, with at most `limit` runs.
///
/// # Errors
///
/// Those of `run`.
pub fn narrow<E>(
    full: &ExactSchedule,
    limit: usize,
    run: &mut dyn FnMut(&ExactSchedule) -> Result<Trial, E>,
) -> Result<Narrowing, E> {
    let mut search = Search {
        run,
        known: HashMap::new(),
        left: limit.saturating_sub(RESERVE),
    };
    if !search.is_same(full)?.unwrap_or(false) {
        return Ok(Narrowing::NotRepeated);
    }
    if search.is_same(&search.with(full, &[]))?.unwrap_or(false) {
        return Ok(Narrowing::WithoutDelays);
    }
    let (mut schedule, found) = search.needed(full)?;
    let minimal = found && search.leave_out(&mut schedule)?;
    let complete = minimal && search.shorten(&mut schedule)?;
    search.left += RESERVE;
    let deciding = search.deciding(&schedule)?;
    Ok(Narrowing::Narrowed(NarrowedDelays {
        schedule,
        deciding,
        complete,
    }))
}

/// Returns the schedule with one delay of length 0, which is the same up to that delay.
pub fn without(schedule: &ExactSchedule, index: usize) -> ExactSchedule {
    let mut schedule = schedule.clone();
    if let Some(delay) = schedule.delays.get_mut(index) {
        delay.nanoseconds = 0;
    }
    schedule
}

fn lengthen_last(schedule: &mut ExactSchedule) {
    if let Some(delay) = schedule.delays.last_mut() {
        delay.nanoseconds = delay.nanoseconds.max(LONGER);
    }
}

struct Search<'a, E> {
    run: &'a mut dyn FnMut(&ExactSchedule) -> Result<Trial, E>,
    known: HashMap<ExactSchedule, Trial>,
    /// The number of runs that may follow.
    left: usize,
}

impl<E> Search<'_, E> {
    /// Runs a schedule unless its result is known; `None` if no run is left.
    fn trial(&mut self, schedule: &ExactSchedule) -> Result<Option<Trial>, E> {
        if let Some(known) = self.known.get(schedule) {
            return Ok(Some(*known));
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let trial = (self.run)(schedule)?;
        self.known.insert(schedule.clone(), trial);
        Ok(Some(trial))
    }

    fn is_same(&mut self, schedule: &ExactSchedule) -> Result<Option<bool>, E> {
        let trial = self.trial(schedule)?;
        Ok(trial.map(|trial| trial == Trial::Same))
    }

    /// Returns the schedule with the delays of these indices only.
    fn with(&self, full: &ExactSchedule, indices: &[usize]) -> ExactSchedule {
        let delays = indices.iter().filter_map(|index| full.delays.get(*index));
        ExactSchedule {
            delays: delays.cloned().collect(),
            ..*full
        }
    }

    /// Returns needed delays that fail together, and true; or those that are left when no run is,
    /// and false. The schedule without any delay does not fail.
    fn needed(&mut self, full: &ExactSchedule) -> Result<(ExactSchedule, bool), E> {
        // The delays of `candidates` and `needed` fail together, those of `needed` alone do not.
        let mut candidates = full.delays.len();
        let mut needed: Vec<usize> = Vec::new();
        loop {
            let with = |search: &Self, count: usize| {
                let indices: Vec<usize> = (0..count).chain(needed.iter().copied()).collect();
                search.with(full, &indices)
            };
            let (mut passing, mut failing) = (0, candidates);
            while failing - passing > 1 {
                let middle = passing.midpoint(failing);
                match self.is_same(&with(self, middle))? {
                    Some(true) => failing = middle,
                    Some(false) => passing = middle,
                    None => return Ok((with(self, failing), false)),
                }
            }
            candidates = failing - 1;
            needed.insert(0, candidates);
            let alone = self.with(full, &needed);
            let mut longer = self.with(full, &[candidates]);
            lengthen_last(&mut longer);
            match self.is_same(&alone)? {
                Some(true) => return Ok((alone, true)),
                Some(false) if self.is_same(&longer)? == Some(true) => return Ok((longer, true)),
                Some(false) => {}
                None => {
                    let indices: Vec<usize> = (0..candidates).chain(needed).collect();
                    return Ok((self.with(full, &indices), false));
                }
            }
        }
    }

    /// Leaves out each delay that is not needed, beginning with the first, if possible with a longer
    /// last delay. Returns false if no run is left.
    fn leave_out(&mut self, schedule: &mut ExactSchedule) -> Result<bool, E> {
        let mut longer = schedule.clone();
        lengthen_last(&mut longer);
        if longer.delays.len() > 1 && longer.is_within_limit() {
            match self.is_same(&longer)? {
                Some(true) => *schedule = longer,
                Some(false) => {}
                None => return Ok(false),
            }
        }
        let mut index = 0;
        while schedule.delays.len() > 1 && index < schedule.delays.len() {
            let mut fewer = schedule.clone();
            fewer.delays.remove(index);
            match self.is_same(&fewer)? {
                Some(true) => {
                    *schedule = fewer;
                    index = 0;
                }
                Some(false) => index += 1,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Shortens each delay, beginning with the last, to the shortest of [`LENGTHS`] with which the
    /// run fails. Returns false if no run is left.
    fn shorten(&mut self, schedule: &mut ExactSchedule) -> Result<bool, E> {
        for index in (0..schedule.delays.len()).rev() {
            let longest = schedule.delays[index].nanoseconds;
            let lengths = LENGTHS.partition_point(|length| *length < longest);
            // The shorter lengths do not fail, this one and the longer ones do.
            let (mut shorter, mut longer) = (0, lengths);
            while shorter < longer {
                let middle = shorter.midpoint(longer);
                let mut trial = schedule.clone();
                trial.delays[index].nanoseconds = LENGTHS[middle];
                match self.is_same(&trial)? {
                    Some(true) => {
                        longer = middle;
                        *schedule = trial;
                    }
                    Some(false) => shorter = middle + 1,
                    None => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Returns the index of the last delay without which the run passes.
    fn deciding(&mut self, schedule: &ExactSchedule) -> Result<Option<usize>, E> {
        for index in (0..schedule.delays.len()).rev() {
            match self.trial(&without(schedule, index))? {
                Some(Trial::Passed) => return Ok(Some(index)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
