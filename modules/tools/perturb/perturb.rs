// SPDX-License-Identifier: GPL-2.0

//! Holds up the threads of another module, so that its races show.
//!
//! `cargo xtask test LESSON --schedules N` loads it before the lesson, and then gives it an order: the
//! lesson's module, places in it that were chosen by a seed, and the seed. A task that comes to such a
//! place may be kept there for a while, in which the others go on: the seed says which, and how long. The
//! same order does the same each time. What was done is told to the host, line by line:
//!
//! ```text
//! refused 0
//! met 3 insmod/123
//! held 3 at 2718281828 for 1048576 insmod/123
//! ```

use core::{
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use kernel::{prelude::*, str::CStr};
use kernel_ext::{
    module_param_cb,
    stop::{hold_up, now, tell_host, watch, Current, PLACES as MOST},
};

module! {
    type: Perturb,
    name: "perturb",
    author: "kmodlab",
    description: "Holds up the threads of another module",
    license: "GPL",
}

module_param_cb! {
    call: obey,
    name: "order",
    description: "MODULE SEED CHANCE LONGEST BUDGET PLACES, see perturb.rs",
}

/// A task that may not sleep spins, and for no longer than so many nanoseconds: that costs the host more
/// than the guest.
const SPIN: u64 = 2_000_000;

/// The random numbers' state.
static RANDOM: AtomicU64 = AtomicU64::new(0);

/// Of so many that come to a place, about one is held up; 0: none, but it is told which places are met.
static CHANCE: AtomicU64 = AtomicU64::new(0);

/// A task is held up for less than two to the power of so many nanoseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

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
    random() % (1 << LONGEST.load(Relaxed).min(40))
}

/// A task has come to a place.
fn came(place: usize) {
    let chance = CHANCE.load(Relaxed);
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

/// Does what an order says, which is the one that there can be:
///
/// - the module whose tasks are held up,
/// - a number that decides who is, and for how long,
/// - of how many that come to a place one is held up, or 0,
/// - for how long a task is held up: for less than two to the power of this many nanoseconds,
/// - for how many milliseconds all together are,
/// - where: `FUNCTION+BYTES[+BYTES..][,FUNCTION+..]`.
fn obey(order: &CStr) -> Result {
    let mut words = order.to_str().map_err(|_| EINVAL)?.split_ascii_whitespace();
    let module = words.next().ok_or(EINVAL)?;
    let mut number = || -> Result<u64> {
        let word = words.next().ok_or(EINVAL)?;
        u64::from_str(word).map_err(|_| EINVAL)
    };
    RANDOM.store(number()?, Relaxed);
    CHANCE.store(number()?, Relaxed);
    LONGEST.store(number()?, Relaxed);
    LEFT.store(number()?.saturating_mul(1_000_000), Relaxed);
    let text = words.next().ok_or(EINVAL)?;
    // Where the lesson begins within a tick is chance too.
    hold_up(random() % 4_000_000, 0);
    watch(module, places(text), came, set)
}

struct Perturb;

impl kernel::Module for Perturb {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
