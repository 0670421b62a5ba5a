//! Schedules: the same lesson with its threads held up at other places.
//!
//! A race is a few instructions during which something else must not happen, and
//! in most runs nothing does. So a task is kept, at some instruction, while the
//! others go on: delays injected at memory accesses, as DataCollider does
//! (Erickson et al., OSDI 2010). It is done by breakpoints (kprobes) in the
//! lesson's module, whichever language that is written in, and without another
//! compilation of it (see `modules/tools/perturb`). Few of them at a time: most races
//! need one or two threads to be late (the bug depth of PCT, Burckhardt et al.,
//! ASPLOS 2010), and more tend to hide each other.
//!
//! ```text
//! .ko -> Places -> (a guest tells which of them are met) -> Schedule(seed)
//!     -> files for a guest -> what it told -> HoldUp -> Findings
//! ```
//!
//! What a seed does follows from it, the module and the saved guest alone: the
//! guest's time is counted in instructions, and so a run of a seed is repeated to
//! the byte.

pub mod findings;
mod hold_up;
mod places;

use std::fmt::Write as _;

use crate::initramfs::GuestFile;
use crate::lesson::stamp::Tolerance;

pub use hold_up::HoldUp;
pub use places::{Kind, Place, places};

/// The module that holds up others; in Rust only.
pub const MODULE: &str = "perturb";

/// So many places can be watched in one guest (`kernel_ext::stop::PLACES`).
pub const MOST_PLACES: usize = 256;

/// Milliseconds for which all tasks of a run together are held up at the most.
const BUDGET: u32 = 40;

/// By how many seconds more a stamp may be off then: the budget, and one of the
/// turns of 0.1 s that QEMU gives its CPUs, which now begin at any time.
const LATE: f64 = 0.15;

/// Consecutive seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    first: u32,
    count: u32,
}

impl Seeds {
    /// `count` seeds from `first` on; none if there are not so many numbers.
    pub fn new(first: u32, count: u32) -> Option<Self> {
        first.checked_add(count.checked_sub(1)?)?;
        Some(Self { first, count })
    }

    /// How many these are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The seeds, in their order.
    pub fn all(self) -> impl Iterator<Item = u32> {
        (0..self.count).map(move |index| self.first + index)
    }
}

/// A line of the source, or a function whose lines are not the lesson's, and its
/// places that are met.
#[derive(Debug, Clone)]
pub struct Line {
    /// The places, in the order of the module's code; there is one at least.
    pub places: Vec<Place>,
}

/// Which places of a module are watched, and what is done to a task that comes
/// to one.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The places that are watched.
    places: Vec<Place>,
    /// The guest's own seed, a positive `int` of C.
    seed: u32,
    /// Of so many tasks that come, one is held up; 0 holds up none, and tells
    /// which places are met.
    chance: u32,
    /// A task is held up for less than two to the power of this many nanoseconds.
    longest: u32,
}

impl Schedule {
    /// Holds up nobody, and tells which of the places are met.
    pub fn survey(places: &[Place]) -> Self {
        Self {
            places: places.to_vec(),
            seed: 0,
            chance: 0,
            longest: 0,
        }
    }

    /// What `seed` does to a module of which these lines are met, each with its
    /// places: the lines are chosen, and of each one place, for else it would be
    /// those lines that the compiler makes the most of.
    pub fn new(seed: u32, lines: &[Line]) -> Self {
        let mut random = fastrand::Rng::with_seed(u64::from(seed));
        let most = random.choice([1, 2, 4, 8, 16]).unwrap_or(1);
        let lines = random.choose_multiple(lines.iter(), most);
        let one = |line: &'_ Line| random.choice(line.places.iter()).cloned();
        let mut chosen: Vec<Place> = lines.into_iter().filter_map(one).collect();
        // The order is the module's, so that what is told of a schedule can be read.
        chosen.sort_by_key(Place::address);
        Self {
            places: chosen,
            seed: random.u32(1..i32::MAX.unsigned_abs()),
            chance: random.choice([1, 2]).unwrap_or(1),
            longest: random.choice([17, 21, 25]).unwrap_or(21),
        }
    }

    /// The files that a guest needs to do this to `module`: the contents of
    /// `perturb.ko`, and what is run before the lesson.
    pub fn files(&self, module: &str, perturb: Vec<u8>) -> Vec<GuestFile> {
        let Self {
            seed,
            chance,
            longest,
            ..
        } = self;
        let places = self.places_parameter();
        // No message: all that matters is told to the host.
        let before = format!(
            "insmod {PERTURB} module={module} seed={seed} chance={chance} longest={longest} \
             budget={BUDGET} places={places} 2>/dev/null || note unchecked {MODULE}\n"
        );
        vec![
            GuestFile {
                path: PERTURB.to_owned(),
                mode: 0o644,
                contents: perturb,
            },
            GuestFile {
                path: "/kmodlab/before".to_owned(),
                mode: 0o644,
                contents: before.into_bytes(),
            },
        ]
    }

    /// The places as the module's parameter has them: `f+1+2,g+3`.
    fn places_parameter(&self) -> String {
        let mut text = String::new();
        let by_function = |a: &Place, b: &Place| a.function == b.function;
        for group in self.places.chunk_by(by_function) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&group[0].function);
            for place in group {
                // `write!` to a String cannot fail.
                let _ = write!(text, "+{}", place.offset);
            }
        }
        text
    }

    /// Which of the places were met in the guest that told this.
    pub fn met(&self, told: &[u8]) -> Vec<Place> {
        let mut met: Vec<Place> = hold_up::met(told)
            .filter_map(|number| self.places.get(number).cloned())
            .collect();
        met.sort_by_key(Place::address);
        met
    }

    /// Who was held up in the guest that told this.
    pub fn held_up(&self, told: &[u8]) -> Vec<HoldUp> {
        hold_up::read(told, &self.places)
    }
}

/// Where the guest finds the module.
const PERTURB: &str = "/kmodlab/perturb.ko";

/// By how much a stamp may be off where tasks are held up.
pub fn tolerance(tolerance: Tolerance) -> Tolerance {
    Tolerance {
        early: tolerance.early + LATE,
        late: tolerance.late + LATE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, offset: u32) -> Place {
        Place {
            function: function.to_owned(),
            offset,
            section: 1,
            at: u64::from(offset),
            kind: Kind::Access,
        }
    }

    #[test]
    fn a_seed_does_the_same_each_time_and_another_something_else() {
        let lines = lines();
        let files = |seed| Schedule::new(seed, &lines).files("m", Vec::new());
        let before = |seed| String::from_utf8_lossy(&files(seed)[1].contents).into_owned();
        for seed in 0..50 {
            assert_eq!(before(seed), before(seed));
            assert_ne!(before(seed), before(seed + 1));
        }
    }

    #[test]
    fn every_line_is_chosen_by_some_of_a_hundred_seeds_however_many_places_it_has() {
        let lines = lines();
        for line in &lines {
            let of_line = |place: &Place| line.places.contains(place);
            let chosen = |seed: &u32| Schedule::new(*seed, &lines).places.iter().any(of_line);
            let count = (0..100).filter(chosen).count();
            assert!((4..40).contains(&count), "{line:?}: {count}");
        }
    }

    /// 40 lines, of which every fourth has four places.
    fn lines() -> Vec<Line> {
        (0..40)
            .map(|line| {
                let count = if line % 4 == 0 { 4 } else { 1 };
                let places = (0..count).map(|n| place("f", 10 * line + n));
                Line {
                    places: places.collect(),
                }
            })
            .collect()
    }

    #[test]
    fn places_are_told_by_function() {
        let places = [place("f", 1), place("f", 12), place("g", 3)];
        assert_eq!(Schedule::survey(&places).places_parameter(), "f+1+12,g+3");
    }

    #[test]
    fn seeds_end_where_numbers_do() {
        assert!(Seeds::new(u32::MAX, 1).is_some());
        assert!(Seeds::new(u32::MAX, 2).is_none());
        assert!(Seeds::new(1, 0).is_none());
        let seeds: Vec<u32> = Seeds::new(7, 3).into_iter().flat_map(Seeds::all).collect();
        assert_eq!(seeds, [7, 8, 9]);
    }
}
