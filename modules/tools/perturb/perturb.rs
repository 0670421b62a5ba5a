// SPDX-License-Identifier: GPL-2.0

//! Delays the tasks of another module, or one of its stores, so that its races show.
//!
//! `cargo xtask test LESSON --schedules N` loads this module before the lesson, and then writes a schedule
//! to its parameter `order`: the lesson's module, probe points in it, and a seed. A task that reaches a
//! probe point may be delayed there while the other tasks go on; the seed determines which tasks are, and
//! for how long. An exact order names the delays instead, and that of a rendezvous the task for which another
//! one waits. Equal orders have equal effects. The module reports to the host, line by line:
//!
//! ```text
//! began after 2104857
//! refused 0
//! met 3 arrival 1 at 2718281828 of ffff888003a1b2c0 in task insmod/123
//! gone at 2718281828 rmmod/125
//! holds 3 arrival 2 at 2718281828 of 1040000 insmod/123
//! held 3 arrival 2 at 2718281828 for 1048576 of 1040000 insmod/123
//! came 3 arrival 3 at 2718281828 insmod/123
//! kept 3 until 5 arrival 4 at 2718281828 for 1048576 of 1040000 insmod/123
//! ```
//!
//! A task's arrivals at a probe point are counted together with those of all tasks of its name. An interrupt
//! counts as a task of its own, and is called `hardirq/cpu0` or `softirq/cpu0`.

use core::{
    str::{FromStr, SplitAsciiWhitespace},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use kernel::{prelude::*, str::CStr};
use kernel_ext::module_param_cb;

mod held_store;
mod rendezvous;
mod stop;
mod table;

use held_store::HeldStore;
use rendezvous::{Rendezvous, Turn};
use stop::{begin_late, delay, may_sleep, now, report, watch, Current, Place};
use table::{key, Name, Table};

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
    description: "A schedule, see perturb.rs",
}

/// Maximum delay of an interrupt, and of a task that must not sleep, in nanoseconds. Both spin, which takes
/// more of the host's time than of the guest's; but a tick of the clock comes every 4 milliseconds, and the
/// timers that expire at it should find the task where it is.
const SPIN: u64 = 20_000_000;

/// The state of the random number generator.
static RANDOM: AtomicU64 = AtomicU64::new(0);

/// About one of this many tasks that reach a probe point is delayed. With 0, only reached points are reported.
static CHANCE: AtomicU64 = AtomicU64::new(0);

/// Binary logarithm of the upper limit of a delay in nanoseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// The rest of the budget for all delays, in nanoseconds.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Whether the order names the delays.
static EXACT: AtomicBool = AtomicBool::new(false);

/// Whether all arrivals are reported, and not only those that an exact order names.
static OBSERVES: AtomicBool = AtomicBool::new(false);

/// Whether arrivals are reported as in a baseline run, and delays are not.
static MEETS: AtomicBool = AtomicBool::new(false);

/// The number of arrivals at each probe point, by the task's name.
static ARRIVALS: Table = Table::new();

/// The delays of an exact order, in nanoseconds.
static DELAYS: Table = Table::new();

/// The store that is held back.
static HELD: HeldStore = HeldStore::new();

/// The task that waits for another one.
static RENDEZVOUS: Rendezvous = Rendezvous::new();

/// Time after which a waiting task looks again whether the other one has come, in nanoseconds: much less than the
/// other one then stays, if it stays at all.
const POLL: u64 = 200_000;

/// Number of arrivals that a baseline run reports for each probe point and each name of a task: a loop
/// may have any number.
const MET: u64 = 16;

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

/// Returns the delay that the seed gives to a task at a probe point, in nanoseconds.
fn drawn(chance: u64) -> u64 {
    if random() % chance != 0 {
        return 0;
    }
    let wanted = some_time();
    let take = |left: u64| Some(left.saturating_sub(wanted));
    wanted.min(LEFT.fetch_update(Relaxed, Relaxed, take).unwrap_or(0))
}

/// Keeps the current task at a probe point until the other task of the rendezvous comes, or the limit passes.
/// Returns the time in nanoseconds.
fn wait_for_other() -> u64 {
    let begin = now();
    let waited = || now().saturating_sub(begin);
    let limit = match may_sleep() {
        true => RENDEZVOUS.limit(),
        false => RENDEZVOUS.limit().min(SPIN),
    };
    while RENDEZVOUS.is_awaited() && waited() < limit {
        delay(POLL, POLL);
    }
    RENDEZVOUS.end();
    waited()
}

/// Reports whether the order is for a baseline run.
fn is_baseline() -> bool {
    MEETS.load(Relaxed)
}

/// Counts the current task's arrival at a probe point, and returns its number.
fn count_arrival(place: usize, task: &Current) -> u64 {
    // Without room for a count, the delay cannot be repeated alone, and the host sees the 0.
    let count = ARRIVALS.entry(key(place, task.name(), 0));
    count.map_or(0, |count| count.fetch_add(1, Relaxed) + 1)
}

/// Delays or reports the current task, which has reached a probe point. Returns the time for which the
/// instruction there, a store, is held back, in nanoseconds; usually 0.
extern "C" fn reached(place: u32, operand: usize) -> u64 {
    let place = place as usize;
    let task = Current::get();
    let chance = CHANCE.load(Relaxed);
    let exact = EXACT.load(Relaxed);
    let arrival = count_arrival(place, &task);
    if is_baseline() {
        if arrival <= MET {
            let (clock, context) = (now(), if task.is_task() { "task" } else { "irq" });
            report(format_args!(
                "met {place} arrival {arrival} at {clock} of {operand:x} in {context} {task}"
            ));
        }
        let named = DELAYS.get(key(place, task.name(), arrival)).unwrap_or(0);
        if named > 0 {
            delay(named, SPIN);
        }
        return 0;
    }
    let named = match RENDEZVOUS.turn(place, task.name(), arrival) {
        Turn::Waits => {
            let begin = now();
            let held = wait_for_other();
            report(format_args!(
                "held {place} arrival {arrival} at {begin} for {held} of {held} {task}"
            ));
            return 0;
        }
        Turn::Stays(time) => Some(time),
        Turn::GoesOn if exact => DELAYS.get(key(place, task.name(), arrival)),
        Turn::GoesOn => Some(drawn(chance)),
    };
    let time = named.unwrap_or(0);
    let begin = now();
    // `None` for nearly all arrivals.
    let hold = HELD.reached(key(place, task.name(), arrival), arrival, begin);
    if time == 0 {
        let is_named = exact && (named.is_some() || hold == Some(0));
        if hold.unwrap_or(0) == 0 && (OBSERVES.load(Relaxed) || is_named) {
            report(format_args!("came {place} arrival {arrival} at {begin} {task}"));
        }
    } else {
        // A timer that waits for a spinning task on its CPU stops the guest meanwhile.
        if !may_sleep() {
            report(format_args!("holds {place} arrival {arrival} at {begin} of {time} {task}"));
        }
        let held = delay(time, SPIN);
        report(format_args!(
            "held {place} arrival {arrival} at {begin} for {held} of {time} {task}"
        ));
    }
    hold.unwrap_or(0)
}

/// Reports the current task, which has reached a probe point while it holds a store.
extern "C" fn passed(place: u32) {
    let task = Current::get();
    let arrival = count_arrival(place as usize, &task);
    if OBSERVES.load(Relaxed) {
        report(format_args!("came {place} arrival {arrival} at {} {task}", now()));
    }
}

/// Reports that the current task has executed the store that it held for this time, in nanoseconds.
extern "C" fn stored(held: u64) {
    HELD.report(held);
}

/// Reports that the module was loaded, and how many of its breakpoints the kernel refused.
extern "C" fn loaded(refused: u32) {
    report(format_args!("refused {refused}"));
}

/// Reports when the module's exit function has returned.
extern "C" fn unloaded() {
    if is_baseline() {
        report(format_args!("gone at {} {}", now(), Current::get()));
    }
}

/// Parses `f+1+2:5,g+3` as the places f+1, f+2 with the operand 5, and g+3.
fn places(text: &str) -> impl Iterator<Item = Place<'_>> {
    text.split(',').flat_map(|group| {
        let (function, offsets) = group.split_once('+').unwrap_or((group, ""));
        offsets.split('+').filter_map(move |place| {
            let (offset, operand) = place.split_once(':').unwrap_or((place, "0"));
            Some(Place {
                function,
                offset: offset.parse().ok()?,
                operand: operand.parse().ok()?,
            })
        })
    })
}

/// Parses `PLACE:NAME:ARRIVAL=TIME[+ARRIVAL=TIME..][,PLACE:..]`, and keeps the delays. With `PLACE>END`, the
/// store at the place is held back for that time at the place `END`; there is at most one such store.
fn keep_delays(text: &str) -> Result {
    for group in text.split(',') {
        let mut parts = group.splitn(3, ':');
        let mut part = || parts.next().ok_or(EINVAL);
        let (place, end) = match part()? {
            place if place.contains('>') => place.split_once('>').ok_or(EINVAL)?,
            place => (place, ""),
        };
        let place = usize::from_str(place).map_err(|_| EINVAL)?;
        let name = Name::parse(part()?)?;
        for delay in part()?.split('+') {
            let (arrival, time) = delay.split_once('=').ok_or(EINVAL)?;
            let arrival = u64::from_str(arrival).map_err(|_| EINVAL)?;
            let time = u64::from_str(time).map_err(|_| EINVAL)?;
            let key = key(place, name.bytes(), arrival);
            if !end.is_empty() {
                let end = usize::from_str(end).map_err(|_| EINVAL)?;
                HELD.keep(key, place, end, time)?;
                continue;
            }
            DELAYS.entry(key).ok_or(E2BIG)?.store(time, Relaxed);
        }
    }
    Ok(())
}

/// Applies a schedule; the module accepts one only. The words of a drawn schedule are:
///
/// - the module whose tasks are delayed,
/// - the seed that determines which tasks are delayed, and for how long,
/// - the number of tasks that reach a probe point for each delayed task, or 0,
/// - the binary logarithm of the upper limit of a delay in nanoseconds,
/// - the maximum sum of all delays in milliseconds,
/// - the probe points: `FUNCTION+BYTES[:OPERAND][+BYTES..][,FUNCTION+..]`; the operand is that of [`Place`],
///   and the name of a function of the kernel begins with `vmlinux:`.
///
/// The words of an exact schedule are:
///
/// - the module whose tasks are delayed,
/// - `exact`, or `observed` to report each arrival at a probe point, or `met` for a baseline run with delays,
/// - the delay of the lesson's beginning in nanoseconds,
/// - the delays, see [`keep_delays`], in nanoseconds; `-` stands for none. A byte of a task's name that is
///   not a letter or digit of ASCII is `%` with two hexadecimal digits,
/// - the probe points, as above, which may be left out.
///
/// The words of a rendezvous are:
///
/// - the module whose tasks are delayed,
/// - `rendezvous`,
/// - the delay of the lesson's beginning in nanoseconds,
/// - the two tasks, how long the first one waits, and the others stay, see [`Rendezvous::keep`],
/// - the probe points, as above.
fn obey(order: &CStr) -> Result {
    let mut words = order.to_str().map_err(|_| EINVAL)?.split_ascii_whitespace();
    let module = words.next().ok_or(EINVAL)?;
    let kind = words.next().ok_or(EINVAL)?;
    let start = match kind {
        "exact" | "observed" | "met" => {
            EXACT.store(true, Relaxed);
            MEETS.store(kind == "met", Relaxed);
            OBSERVES.store(kind == "observed", Relaxed);
            let start = number(words.next())?;
            match words.next().ok_or(EINVAL)? {
                "-" => {}
                delays => keep_delays(delays)?,
            }
            start
        }
        "rendezvous" => {
            EXACT.store(true, Relaxed);
            let start = number(words.next())?;
            RENDEZVOUS.keep(&mut words)?;
            start
        }
        seed => drawn_schedule(seed, &mut words)?,
    };
    let text = words.next().unwrap_or("");
    report(format_args!("began after {start}"));
    // The lesson should not always begin at the same time within a tick, and on the same CPUs.
    begin_late(start);
    HELD.arm(passed, stored);
    // SAFETY: `reached` waits in `delay` only and does not allocate. It takes no lock but that of `report`,
    // with interrupts disabled and around no code of the module `module`; what it calls in the kernel does not
    // call it again (`is_called` in probe.c). It returns 0 for arrivals other than
    // that of `HELD`, which is at the place that `arm` has named.
    unsafe { watch(module, places(text), reached, loaded, unloaded) }
}

/// Keeps the numbers of a drawn schedule. Returns the delay of the lesson's beginning in nanoseconds.
fn drawn_schedule(seed: &str, words: &mut SplitAsciiWhitespace<'_>) -> Result<u64> {
    RANDOM.store(number(Some(seed))?, Relaxed);
    let chance = number(words.next())?;
    CHANCE.store(chance, Relaxed);
    MEETS.store(chance == 0, Relaxed);
    LONGEST.store(number(words.next())?, Relaxed);
    LEFT.store(number(words.next())?.saturating_mul(1_000_000), Relaxed);
    Ok(random() % 4_000_000)
}

fn number(word: Option<&str>) -> Result<u64> {
    u64::from_str(word.ok_or(EINVAL)?).map_err(|_| EINVAL)
}

struct Perturb;

impl kernel::Module for Perturb {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
