//! Weak memory: which store of which task a seed holds back.

use std::collections::BTreeMap;

use super::baseline::{BaselineArrival, BaselineReport};
use super::between::SortedArrivals;
use super::conflicts::conflict;
use super::exact::ExactDelay;
use super::happens_before::HappensBefore;
use super::held_store::HeldStore;

/// An arrival of a task at a store that may be held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreArrival {
    /// The task's name.
    pub task: String,
    /// The number of the arrival at the store, from 1, among those of all tasks of this name.
    pub arrival: u32,
    /// The store, and the one that passes it.
    pub held: HeldStore,
}

/// Maximum times for which a store is held back, in nanoseconds, equally probable. Another task that sleeps
/// for a tick or two of the kernel's clock comes in the longest.
const LONGEST: [u64; 4] = [1_000_000, 5_000_000, 12_000_000, 12_000_000];

/// Returns the arrivals of a baseline run at stores of which another task uses the memory, and
/// likewise that of the store which passes. A use that is before or after the store in every run does not
/// count, such as that of a task which the storing one starts later.
pub fn store_arrivals(report: &BaselineReport, held: &[HeldStore]) -> Vec<StoreArrival> {
    let before = SortedArrivals::of(report).before;
    let mut found = Vec::new();
    for held in held {
        let at = |address: (usize, u64)| {
            let arrivals = report.arrivals.iter();
            arrivals.filter(move |arrival| arrival.in_task && arrival.point.address() == address)
        };
        for store in at(held.store.address()) {
            let mut passing = at(held.passed.address()).filter(|other| other.task == store.task);
            if is_shared(store, report, &before)
                && passing.any(|passing| is_shared(passing, report, &before))
            {
                found.push(StoreArrival {
                    task: store.task_name().to_owned(),
                    arrival: store.arrival,
                    held: held.clone(),
                });
            }
        }
    }
    found
}

fn is_shared(
    arrival: &BaselineArrival,
    report: &BaselineReport,
    before: &HappensBefore<'_>,
) -> bool {
    let ordered =
        |other: &BaselineArrival| before.orders(arrival, other) || before.orders(other, arrival);
    let mut others = report.arrivals.iter();
    others.any(|other| conflict(arrival, other) && !ordered(other))
}

/// Draws a store to hold back, and the time: first a store of a task, then an arrival and the store that passes.
pub(super) fn drawn(random: &mut fastrand::Rng, arrivals: &[StoreArrival]) -> Option<ExactDelay> {
    let mut stores: BTreeMap<_, Vec<&StoreArrival>> = BTreeMap::new();
    for arrival in arrivals {
        let key = (&arrival.task, arrival.held.store.address());
        stores.entry(key).or_default().push(arrival);
    }
    let store = random.choice(stores.into_values().collect::<Vec<_>>())?;
    let StoreArrival {
        task,
        arrival,
        held,
    } = random.choice(store)?;
    let longest = random.choice(LONGEST).unwrap_or(LONGEST[0]);
    Some(ExactDelay {
        task: task.clone(),
        function: held.store.function.clone(),
        offset: held.store.offset,
        until: Some(held.end.offset),
        arrival: *arrival,
        nanoseconds: longest / 2 + random.u64(..longest / 2),
    })
}

#[cfg(test)]
mod tests;
