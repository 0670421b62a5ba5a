// SPDX-License-Identifier: GPL-2.0

//! Delays the tasks of another module, so that its races show.
//!
//! `cargo xtask test LESSON --schedules N` loads this module before the lesson, and then writes a schedule
//! to its parameter `order`: the lesson's module, probe points in it, and a seed. A task that reaches a
//! probe point may be delayed there while the other tasks go on; the seed determines which tasks are, and
//! for how long. Equal orders have equal effects. The module reports to the host, line by line:
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
use kernel_ext::module_param_cb;

mod stop;

use stop::{delay, now, report, watch, Current, PLACES};

module! {
    type: Perturb,
    name: "perturb",
    authors: ["kmodlab"],
    description: "Delays the tasks of another module",
    license: "GPL",
}

module_param_cb! {
    call: obey,
    name: "order",
    description: "MODULE SEED CHANCE LONGEST BUDGET PLACES, see perturb.rs",
}

/// Maximum delay of a task that must not sleep, in nanoseconds. Such a task spins, which takes more of the
/// host's time than of the guest's.
const SPIN: u64 = 2_000_000;

/// The state of the random number generator.
static RANDOM: AtomicU64 = AtomicU64::new(0);

/// About one of this many tasks that reach a probe point is delayed. With 0, only reached points are reported.
static CHANCE: AtomicU64 = AtomicU64::new(0);

/// Binary logarithm of the upper limit of a delay in nanoseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// The rest of the budget for all delays, in nanoseconds.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// The probe points that were reached.
static MET: [AtomicBool; PLACES] = [const { AtomicBool::new(false) }; PLACES];

/// Returns the next random number of Steele et al.'s SplitMix64. Each step is one addition, so two tasks
/// that call the function at the same time get different numbers.
fn random() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = RANDOM.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns a random delay in nanoseconds, below the upper limit.
fn some_time() -> u64 {
    random() % (1 << LONGEST.load(Relaxed).min(40))
}

/// Delays or reports the current task, which has reached a probe point.
extern "C" fn reached(place: u32) {
    let chance = CHANCE.load(Relaxed);
    if chance == 0 {
        if !MET[place as usize].swap(true, Relaxed) {
            report(format_args!("met {place} {}", Current::get()));
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
    let held = delay(time, SPIN);
    report(format_args!(
        "held {place} at {begin} for {held} {}",
        Current::get()
    ));
}

/// Reports that the module was loaded, and how many of its breakpoints the kernel refused.
extern "C" fn loaded(refused: u32) {
    report(format_args!("refused {refused}"));
}

/// Parses `f+1+2,g+3` as (f, 1), (f, 2), (g, 3).
fn places(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.split(',').flat_map(|group| {
        let (function, offsets) = group.split_once('+').unwrap_or((group, ""));
        offsets
            .split('+')
            .filter_map(move |offset| Some((function, offset.parse().ok()?)))
    })
}

/// Applies a schedule; the module accepts one only. Its words are:
///
/// - the module whose tasks are delayed,
/// - the seed that determines which tasks are delayed, and for how long,
/// - the number of tasks that reach a probe point for each delayed task, or 0,
/// - the binary logarithm of the upper limit of a delay in nanoseconds,
/// - the maximum sum of all delays in milliseconds,
/// - the probe points: `FUNCTION+BYTES[+BYTES..][,FUNCTION+..]`.
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
    // The lesson should not always begin at the same time within a tick.
    delay(random() % 4_000_000, 0);
    // SAFETY: `reached` takes no lock, does not allocate, and waits in `delay` only.
    unsafe { watch(module, places(text), reached, loaded) }
}

struct Perturb;

impl kernel::Module for Perturb {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
