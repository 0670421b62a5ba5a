// SPDX-License-Identifier: GPL-2.0

//! Holds up the threads of another module, so that its races show.
//!
//! `cargo xtask test LESSON --schedules N` loads it before the lesson, with places in the lesson's
//! module that it chose by a seed, and with the seed. A task that comes to such a place may be kept
//! there for a while, in which the others go on: the seed says which, and how long. The same seed does
//! the same each time. What was done is told to the host, line by line:
//!
//! ```text
//! refused 0
//! met 3 insmod/123
//! held 3 at 2718281828 for 1048576 insmod/123
//! ```

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kernel::prelude::*;
use kernel_ext::{
    module_param,
    stop::{hold_up, now, tell_host, watch, Current, PLACES as MOST},
};

module! {
    type: Perturb,
    name: "perturb",
    author: "kmodlab",
    description: "Holds up the threads of another module",
    license: "GPL",
}

module_param! {
    MODULE: str,
    name: "module",
    description: "the module whose threads are held up",
}

module_param! {
    PLACES: str,
    name: "places",
    description: "where: FUNCTION+BYTES[+BYTES..][,FUNCTION+..]",
}

module_param! {
    SEED: i32 = 0,
    name: "seed",
    description: "what decides who is held up, and for how long",
}

module_param! {
    CHANCE: i32 = 1,
    name: "chance",
    description: "of so many that come to a place, about one is held up; 0: none, but tell which places are met",
}

module_param! {
    LONGEST: i32 = 24,
    name: "longest",
    description: "a task is held up for no longer than two to the power of so many nanoseconds",
}

module_param! {
    BUDGET: i32 = 40,
    name: "budget",
    description: "all tasks together are held up for no longer than so many milliseconds",
}

/// A task that may not sleep spins, and for no longer than so many nanoseconds: that costs the host more
/// than the guest.
const SPIN: u64 = 2_000_000;

/// The random numbers' state.
static RANDOM: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds that are left of the budget.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// The places where a task has been.
static MET: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// The next random number: Steele and others' SplitMix64, where each step is an addition, so that two
/// tasks that ask at once get two numbers.
fn random() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = RANDOM.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Some time up to the longest.
fn some_time() -> u64 {
    random() % (1 << LONGEST.get().clamp(0, 40))
}

/// A task has come to a place.
fn came(place: usize) {
    let chance = CHANCE.get().max(0) as u64;
    if chance == 0 {
        if !MET[place].swap(true, Relaxed) {
            tell_host(format_args!("met {place} {}", Current::get()));
        }
        return;
    }
    if random() % chance != 0 {
        return;
    }
    let wanted = some_time();
    let take = |left: u64| Some(left.saturating_sub(wanted));
    let time = wanted.min(LEFT.fetch_update(Relaxed, Relaxed, take).unwrap_or(0));
    if time == 0 {
        return;
    }
    let begin = now();
    let held = hold_up(time, SPIN);
    tell_host(format_args!(
        "held {place} at {begin} for {held} {}",
        Current::get()
    ));
}

/// The module has come, and has all breakpoints but so many.
fn set(refused: usize) {
    tell_host(format_args!("refused {refused}"));
}

/// `f+1+2,g+3` as (f, 1), (f, 2), (g, 3).
fn places(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.split(',').flat_map(|group| {
        let (function, offsets) = group.split_once('+').unwrap_or((group, ""));
        offsets
            .split('+')
            .filter_map(move |offset| Some((function, offset.parse().ok()?)))
    })
}

struct Perturb;

impl kernel::Module for Perturb {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let module = MODULE.get().ok_or(EINVAL)?;
        let text = PLACES.get().ok_or(EINVAL)?.to_str().map_err(|_| EINVAL)?;
        RANDOM.store(SEED.get() as u64, Relaxed);
        LEFT.store(BUDGET.get().max(0) as u64 * 1_000_000, Relaxed);
        // Where the lesson begins within a tick is chance too.
        hold_up(random() % 4_000_000, 0);
        watch(module, places(text), came, set)?;
        Ok(Self)
    }
}
