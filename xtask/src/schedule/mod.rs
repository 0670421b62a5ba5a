//! Schedules: the same lesson with its threads held up at other places.
//!
//! A race is a few instructions during which something else must not happen, and
//! in most runs nothing does. So a task is kept, at some instruction, while the
//! others go on: delays injected at memory accesses, as DataCollider does
//! (Erickson et al., OSDI 2010). It is done by breakpoints (kprobes) in the
//! lesson's module, whichever language that is written in, and without another
//! compilation of it (see `modules/tools/perturb`). Some of them at a time: most races
//! need one or two threads to be late (the bug depth of PCT, Burckhardt et al.,
//! ASPLOS 2010), and which is first when nobody is held up is chance too.
//!
//! ```text
//! .ko -> Places -> (a guest tells who meets them) -> Survey -> Schedule(seed)
//!     -> an order for a guest -> what it told -> HoldUp -> Findings
//! ```
//!
//! What a seed does follows from it, the module and the saved guest alone, which is
//! the same wherever it is saved: the guest's time is counted in instructions, and so
//! a run of a seed is repeated to the byte.

pub mod findings;
mod hold_up;
mod places;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::initramfs::GuestFile;
use crate::lesson::stamp::Tolerance;

pub use hold_up::HoldUp;
pub use places::{Kind, Place, places};

/// The module that holds up others; in Rust only.
pub const MODULE: &str = "perturb";

/// So many places can be watched in one guest (`kernel_ext::stop::PLACES`).
const MOST_PLACES: usize = 256;

/// So many bytes of places can be told to a guest: a parameter's file takes a page
/// at once (`PAGE_SIZE` in fs/kernfs/file.c), and there are some numbers before.
const MOST_BYTES: usize = 3900;

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

/// Where tasks come by in a module while its lesson is played.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The first place of each task.
    pub starts: Vec<Place>,
    /// All lines, the starts' among them.
    pub lines: Vec<Line>,
}

/// A line of the lesson's source, or all others together.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// The places that are met, or may be, in the order of the module's code; there
    /// is one at least.
    pub places: Vec<Place>,
    /// The names of the tasks that come here; there is one at least.
    pub tasks: BTreeSet<String>,
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

/// Cuts places into as few runs of them as can be watched in one guest each.
pub fn parts(places: &[Place]) -> Vec<&[Place]> {
    let mut parts = Vec::new();
    let mut rest = places;
    while !rest.is_empty() {
        let fits = |count: &usize| in_order(&rest[..*count]).len() <= MOST_BYTES;
        let most = rest.len().min(MOST_PLACES);
        // No name is so long that not even one place fits.
        let count = (2..=most).take_while(fits).last().unwrap_or(1);
        let (part, others) = rest.split_at(count);
        parts.push(part);
        rest = others;
    }
    parts
}

impl Schedule {
    /// Holds up nobody, and tells which of the places are met.
    pub fn all(places: &[Place]) -> Self {
        Self {
            places: places.to_vec(),
            seed: 0,
            chance: 0,
            longest: 0,
        }
    }

    /// What `seed` does to a module of which this is known.
    ///
    /// Each task may be late from its first step on, as PCT gives each a priority
    /// of its own: so who comes first is not always who does when nobody is held
    /// up. The other places are chosen by their tasks first, for else it would be
    /// the task that has the most lines; then comes one of its lines, and of that
    /// one place, for else it would be those lines that the compiler makes the most
    /// of.
    pub fn new(seed: u32, survey: &Survey) -> Self {
        let mut random = fastrand::Rng::with_seed(u64::from(seed));
        let most = random.choice([2, 4, 8, 16]).unwrap_or(2);
        let chance = random.choice([1, 1, 2]).unwrap_or(1);
        let longest = random.choice([17, 20, 23, 25]).unwrap_or(23);
        let starts = survey.starts.iter().filter(|_| random.bool());
        let mut chosen: Vec<Place> = starts.cloned().collect();
        chosen.truncate(most);
        let mut left: Vec<&Line> = survey.lines.iter().collect();
        while chosen.len() < most {
            let tasks: BTreeSet<&String> = left.iter().flat_map(|line| &line.tasks).collect();
            let Some(task) = random.choice(tasks) else {
                break;
            };
            let of_task = |index: &usize| left[*index].tasks.contains(task);
            let index = random.choice((0..left.len()).filter(of_task).collect::<Vec<_>>());
            // The task is one of a line that is left.
            let Some(line) = index.map(|index| left.remove(index)) else {
                break;
            };
            chosen.extend(random.choice(line.places.iter()).cloned());
        }
        // The order is the module's, so that what is told of a schedule can be read.
        chosen.sort_by_key(Place::address);
        chosen.dedup();
        // Sixteen names of 240 letters: hardly ever.
        while in_order(&chosen).len() > MOST_BYTES {
            chosen.pop();
        }
        Self {
            places: chosen,
            seed: random.u32(1..i32::MAX.unsigned_abs()),
            chance,
            longest,
        }
    }

    /// What a guest's shell is told to do this to `module`, before the lesson begins:
    /// it gives [`MODULE`] its order.
    pub fn order(&self, module: &str) -> String {
        let Self {
            seed,
            chance,
            longest,
            ..
        } = self;
        let places = in_order(&self.places);
        format!(
            "echo '{module} {seed} {chance} {longest} {BUDGET} {places}' \
             2>/dev/null >/sys/module/{MODULE}/parameters/order || note unchecked {MODULE}\n"
        )
    }

    /// Which of the places were met in the guest that told this, and by which task
    /// first: its name. They come in the order in which they were.
    pub fn met(&self, told: &[u8]) -> Vec<(Place, String)> {
        let named =
            |(number, task): (usize, String)| Some((self.places.get(number)?.clone(), task));
        hold_up::met(told).into_iter().filter_map(named).collect()
    }

    /// Who was held up in the guest that told this.
    pub fn held_up(&self, told: &[u8]) -> Vec<HoldUp> {
        hold_up::read(told, &self.places)
    }
}

/// Places as the module's order has them: `f+1+2,g+3`.
fn in_order(places: &[Place]) -> String {
    let mut text = String::new();
    let by_function = |a: &Place, b: &Place| a.function == b.function;
    for group in places.chunk_by(by_function) {
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

/// The module as a file for guests, which load it before they have a lesson (see
/// `initramfs/kmodlab/supervise`).
pub fn module_file(contents: Vec<u8>) -> GuestFile {
    GuestFile::own(&format!("{MODULE}.ko"), contents)
}

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
        let survey = survey();
        let order = |seed| Schedule::new(seed, &survey).order("m");
        for seed in 0..50 {
            assert_eq!(order(seed), order(seed));
            assert_ne!(order(seed), order(seed + 1));
        }
    }

    #[test]
    fn every_line_is_chosen_by_some_of_a_hundred_seeds_however_many_places_it_has() {
        let survey = survey();
        for line in &survey.lines {
            let of_line = |place: &Place| line.places.contains(place);
            let chosen = |seed: &u32| Schedule::new(*seed, &survey).places.iter().any(of_line);
            let count = (0..100).filter(chosen).count();
            let start = survey
                .starts
                .iter()
                .any(|place| line.places.contains(place));
            let most = if start || line.tasks.contains("few") {
                100
            } else {
                40
            };
            assert!((4..most).contains(&count), "{line:?}: {count}");
        }
    }

    /// 40 lines, of which every fourth has four places, and of which one task has
    /// three and another the others.
    fn survey() -> Survey {
        let lines = (0..40)
            .map(|line| {
                let count = if line % 4 == 0 { 4 } else { 1 };
                let places = (0..count).map(|n| place("f", 10 * line + n));
                let task = if line < 3 { "few" } else { "many" };
                Line {
                    places: places.collect(),
                    tasks: BTreeSet::from([task.to_owned()]),
                }
            })
            .collect();
        Survey {
            starts: vec![place("f", 20), place("f", 30)],
            lines,
        }
    }

    #[test]
    fn a_task_with_few_lines_is_chosen_as_often_as_one_with_many() {
        let survey = Survey {
            starts: Vec::new(),
            ..survey()
        };
        let few: Vec<&Place> = survey.lines[..3].iter().flat_map(|l| &l.places).collect();
        let two = (0..500).map(|seed| Schedule::new(seed, &survey).places);
        let two: Vec<Vec<Place>> = two.filter(|places| places.len() == 2).collect();
        let places: Vec<&Place> = two.iter().flatten().collect();
        let count = places.iter().filter(|place| few.contains(place)).count();
        assert!(places.len() > 100, "{}", places.len());
        assert!(
            (places.len() * 2 / 5..places.len() * 3 / 5).contains(&count),
            "{count} of {}",
            places.len()
        );
    }

    #[test]
    fn each_start_is_chosen_by_half_of_the_seeds_or_more() {
        let survey = survey();
        for start in &survey.starts {
            let chosen = |seed: &u32| Schedule::new(*seed, &survey).places.contains(start);
            let count = (0..100).filter(chosen).count();
            assert!((40..90).contains(&count), "{count}");
        }
    }

    #[test]
    fn places_are_told_by_function() {
        let places = [place("f", 1), place("f", 12), place("g", 3)];
        assert_eq!(in_order(&places), "f+1+12,g+3");
    }

    #[test]
    fn no_part_is_too_long_and_all_together_are_whole() {
        for letters in [1, 100, 500] {
            let functions = (0..300).map(|n| format!("{n:0letters$}"));
            let places: Vec<Place> = functions.map(|name| place(&name, 7)).collect();
            let parts = parts(&places);
            assert_eq!(parts.concat(), places);
            for pair in parts.windows(2) {
                let more = [pair[0], &pair[1][..1]].concat();
                assert!(in_order(pair[0]).len() <= MOST_BYTES);
                assert!(more.len() > MOST_PLACES || in_order(&more).len() > MOST_BYTES);
            }
        }
        assert!(parts(&[]).is_empty());
    }

    #[test]
    fn an_order_fits_into_a_page_however_long_the_names_are() {
        let lines = (0..40).map(|n| Line {
            places: vec![place(&format!("{n:0500}"), 1)],
            tasks: BTreeSet::from(["task".to_owned()]),
        });
        let survey = Survey {
            starts: Vec::new(),
            lines: lines.collect(),
        };
        for seed in 0..20 {
            let order = Schedule::new(seed, &survey).order("m");
            assert!((500..4096).contains(&order.len()));
        }
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
