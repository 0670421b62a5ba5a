// SPDX-License-Identifier: GPL-2.0

//! The store that an order holds back.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kernel::prelude::*;

use crate::stop::{hold_between, report, Current};

/// A store that is held back, and the arrival at which it is.
pub(crate) struct HeldStore {
    /// The key of the arrival, or 0.
    key: AtomicU64,
    place: AtomicU64,
    /// The place where the task executes the store.
    end: AtomicU64,
    /// The time for which the task holds the store there, in nanoseconds.
    time: AtomicU64,
    /// The number of the arrival.
    arrival: AtomicU64,
    /// When the task reached the store.
    begin: AtomicU64,
}

impl HeldStore {
    pub(crate) const fn new() -> Self {
        Self {
            key: AtomicU64::new(0),
            place: AtomicU64::new(0),
            end: AtomicU64::new(0),
            time: AtomicU64::new(0),
            arrival: AtomicU64::new(0),
            begin: AtomicU64::new(0),
        }
    }

    /// Keeps what the order says.
    pub(crate) fn keep(&self, key: u64, place: usize, end: usize, time: u64) -> Result {
        if self.key.swap(key, Relaxed) != 0 || place >= end {
            return Err(EINVAL);
        }
        self.place.store(place as u64, Relaxed);
        self.end.store(end as u64, Relaxed);
        self.time.store(time, Relaxed);
        Ok(())
    }

    /// Returns the time for which the store is held back at the arrival with this key, in nanoseconds, or
    /// `None` if it is not the arrival of the order. The task arrived at the time `begin`.
    pub(crate) fn reached(&self, key: u64, arrival: u64, begin: u64) -> Option<u64> {
        if self.key.load(Relaxed) != key {
            return None;
        }
        self.arrival.store(arrival, Relaxed);
        self.begin.store(begin, Relaxed);
        Some(self.time.load(Relaxed))
    }

    /// Reports that the current task has executed the store, which it held for this time at the end, in
    /// nanoseconds.
    pub(crate) fn report(&self, held: u64) {
        let number = |number: &AtomicU64| number.load(Relaxed);
        let (place, end, time) = (number(&self.place), number(&self.end), number(&self.time));
        let (arrival, begin) = (number(&self.arrival), number(&self.begin));
        report(format_args!(
            "kept {place} until {end} arrival {arrival} at {begin} for {held} of {time} {}",
            Current::get()
        ));
    }

    /// Names the store and its end to the breakpoints, and the functions to call; see [`hold_between`].
    pub(crate) fn arm(&self, passed: extern "C" fn(u32), stored: extern "C" fn(u64)) {
        if self.key.load(Relaxed) == 0 {
            return;
        }
        let place = self.place.load(Relaxed) as u32;
        let end = self.end.load(Relaxed) as u32;
        // SAFETY: The host has decoded the module's instructions between the two places, and names only such
        // a `mov` with such instructions behind it (xtask/src/schedule/held_store.rs); it has put all places
        // between them into the order. The module accepts one order, whose `watch` follows. Both functions
        // are those of perturb.rs, which report, and count in atomics.
        unsafe { hold_between(place, end, passed, stored) };
    }
}
