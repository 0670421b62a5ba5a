// SPDX-License-Identifier: GPL-2.0

//! A rendezvous: a task waits at a probe point until another task, or an interrupt, comes to one of its own.
//! Then the first task goes on, while the others stay where they are for some time.

use core::{
    str::SplitAsciiWhitespace,
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use kernel::prelude::*;

use crate::{
    number,
    table::{key, Name},
};

/// The part of a task that has reached a probe point.
pub(crate) enum Turn {
    /// It has no part in the rendezvous.
    GoesOn,
    /// It waits for the other task.
    Waits,
    /// It stays for a number of nanoseconds.
    Stays(u64),
}

/// The order has no rendezvous, or it is over.
const NONE: u32 = 0;

/// The first task has not come.
const AHEAD: u32 = 1;

/// The first task waits.
const AWAITED: u32 = 2;

/// The other task has come: the first one goes on.
const MET: u32 = 3;

/// Maximum number of arrivals at which others than the first task stay.
const STAYS: u32 = 2;

/// The rendezvous of an order; there is one at most.
pub(crate) struct Rendezvous {
    state: AtomicU32,
    /// The key of the first task's arrival.
    first: AtomicU64,
    /// The key of its name.
    first_name: AtomicU64,
    /// The place of the others.
    meeting_place: AtomicUsize,
    /// Maximum time for which the first task waits, in nanoseconds.
    limit: AtomicU64,
    /// The time for which the others stay, in nanoseconds.
    stay: AtomicU64,
    /// The rest of their stays.
    stays: AtomicU32,
}

impl Rendezvous {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU32::new(NONE),
            first: AtomicU64::new(0),
            first_name: AtomicU64::new(0),
            meeting_place: AtomicUsize::new(0),
            limit: AtomicU64::new(0),
            stay: AtomicU64::new(0),
            stays: AtomicU32::new(STAYS),
        }
    }

    /// Keeps a rendezvous: `PLACE:NAME:ARRIVAL` of the task that waits, the place where it meets any task of
    /// another name, the maximum time for which it waits, and the time for which the others stay, in nanoseconds.
    pub(crate) fn keep(&self, words: &mut SplitAsciiWhitespace<'_>) -> Result {
        let mut first = words.next().ok_or(EINVAL)?.splitn(3, ':');
        let place = number(first.next())? as usize;
        let name = Name::parse(first.next().ok_or(EINVAL)?)?;
        let arrival = number(first.next())?;
        self.first.store(key(place, name.bytes(), arrival), Relaxed);
        self.first_name.store(key(0, name.bytes(), 0), Relaxed);
        self.meeting_place.store(number(words.next())? as usize, Relaxed);
        self.limit.store(number(words.next())?, Relaxed);
        self.stay.store(number(words.next())?, Relaxed);
        // No task reads the fields before there are breakpoints.
        self.state.store(AHEAD, Relaxed);
        Ok(())
    }

    /// Returns what a task does that has reached a place.
    pub(crate) fn turn(&self, place: usize, name: &[u8], arrival: u64) -> Turn {
        let state = self.state.load(Relaxed);
        let goes = |next| self.state.compare_exchange(state, next, Relaxed, Relaxed).is_ok();
        let is_other = || key(0, name, 0) != self.first_name.load(Relaxed);
        match state {
            AHEAD if key(place, name, arrival) == self.first.load(Relaxed) && goes(AWAITED) => {
                return Turn::Waits;
            }
            AWAITED if place == self.meeting_place.load(Relaxed) && is_other() && goes(MET) => {}
            MET if is_other() => {}
            _ => return Turn::GoesOn,
        }
        let fewer = |left: u32| left.checked_sub(1);
        match self.stays.fetch_update(Relaxed, Relaxed, fewer) {
            Ok(_) => Turn::Stays(self.stay.load(Relaxed)),
            Err(_) => Turn::GoesOn,
        }
    }

    /// Returns the maximum time for which the first task waits, in nanoseconds.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Reports whether the first task still waits for the other one.
    pub(crate) fn is_awaited(&self) -> bool {
        self.state.load(Relaxed) == AWAITED
    }

    /// Ends the rendezvous, if the other task has not come.
    pub(crate) fn end(&self) {
        let _ = self.state.compare_exchange(AWAITED, NONE, Relaxed, Relaxed);
    }
}
