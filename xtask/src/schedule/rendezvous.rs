//! Rendezvous: a task waits at a probe point until another one comes, however long that takes.
//!
//! A timer, a work item or a thread that comes again and again does so at any time relative to the task
//! that ends it, and most often not within the longest delay. Its number of arrivals is not known either. So
//! the task waits for the other one, as with a concurrent breakpoint (Park and Sen, PPoPP 2012), and then goes
//! on, while the other one stays where it is.

use std::collections::BTreeMap;

use super::baseline::{BaselineArrival, BaselineReport};
use super::between::SortedArrivals;
use super::conflicts::{INIT, conflict, range};
use super::exact::{START_LIMIT, encoded};
use super::order::{MAX_LIST_BYTES, PerturbOrder, list};
use super::probe_points::ProbePoint;

/// A task that may wait for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendezvous {
    /// The point where the task waits.
    pub point: ProbePoint,
    /// The task's name.
    pub task: String,
    /// The number of its arrival at the point, from 1, among those of all tasks of this name.
    pub arrival: u32,
    /// The point of the other task.
    pub meeting_point: ProbePoint,
    /// Whether the point where the task waits is on a line of the lesson's own source.
    pub is_own: bool,
    /// Whether the task removes the module.
    pub removes: bool,
    /// Whether it is about to pass an object to a function.
    pub is_call: bool,
}

/// The schedule of a rendezvous.
#[derive(Debug, Clone)]
pub struct RendezvousSchedule {
    start_nanoseconds: u64,
    rendezvous: Rendezvous,
    limit_nanoseconds: u64,
    stay_nanoseconds: u64,
    /// The first points of other tasks, where these stay too.
    starts: Vec<ProbePoint>,
}

/// Maximum time for which a task waits for another one, in nanoseconds: half of the budget for all delays.
const LIMIT: u64 = 20_000_000;

/// The same where nobody compares the output, and so no line may come too late.
const LONG_LIMIT: u64 = 1_200_000_000;

/// The times for which the others stay at an arrival, equally probable, in nanoseconds. With 0 the other task does
/// what it has come for, such as a wake-up, and then the first one goes on. Two of the longest ones are the
/// other half of the budget; in one of these the kernel frees a removed module.
const STAYS: [u64; 3] = [0, 4_000_000, 10_000_000];

/// Returns the tasks that may wait for another one: those that use memory that another task, or an interrupt,
/// has used repeatedly, and may use again. They wait there, and at the next probe point behind. `is_own` reports
/// whether a point is on a line of the lesson's own source.
pub fn rendezvous(
    report: &BaselineReport,
    mut is_own: impl FnMut(&ProbePoint) -> bool,
) -> Vec<Rendezvous> {
    let sorted = SortedArrivals::of(report);
    // By the index of the task's arrival: the other points, by their addresses.
    let mut found: BTreeMap<usize, BTreeMap<_, &ProbePoint>> = BTreeMap::new();
    for indices in sorted.blocks.values() {
        for (position, &index) in indices.iter().enumerate() {
            let arrival = sorted.all[index];
            let comes_again = |other: &&BaselineArrival| {
                other.arrival > 1
                    && other.point.function != INIT
                    && other.task_name() != arrival.task_name()
                    && other.point.address() != arrival.point.address()
                    && conflict(other, arrival)
            };
            let earlier = indices[..position].iter().map(|index| sorted.all[*index]);
            let others: BTreeMap<_, &ProbePoint> = earlier
                .filter(comes_again)
                .map(|other| (other.point.address(), &other.point))
                .collect();
            if !arrival.in_task || others.is_empty() {
                continue;
            }
            let mut behind = sorted.all[index + 1..].iter();
            let next = behind.position(|next| next.task == arrival.task);
            for index in std::iter::once(index).chain(next.map(|next| index + 1 + next)) {
                let known = found.entry(index).or_default();
                known.extend(others.iter().map(|(address, point)| (*address, *point)));
            }
        }
    }
    let removes = |arrival: &BaselineArrival| {
        let mut removals = report.removals.iter();
        removals.any(|removal| removal.task == arrival.task)
    };
    let mut all = Vec::new();
    for (index, others) in found {
        let arrival = sorted.all[index];
        for point in others.into_values() {
            all.push(Rendezvous {
                point: arrival.point.clone(),
                task: arrival.task_name().to_owned(),
                arrival: arrival.arrival,
                meeting_point: point.clone(),
                is_own: is_own(&arrival.point),
                removes: removes(arrival),
                is_call: arrival.point.calls.is_some() && range(arrival).is_some(),
            });
        }
    }
    all
}

/// The weights of a point where a task waits: on a line of the lesson's own source, or elsewhere.
const WEIGHTS: [u32; 2] = [4, 1];

/// Factor of the weight for a task that passes an object to a function: it may be a timer that is deleted, or a work
/// item that is cancelled.
const PASSES_OBJECT: u32 = 3;

impl RendezvousSchedule {
    /// Returns a random schedule with one of these rendezvous; `None` if there are none. `waits_long` says
    /// whether nobody compares the output. Other tasks stay at their first points, `starts`, too.
    pub(super) fn drawn(
        random: &mut fastrand::Rng,
        all: &[Rendezvous],
        waits_long: bool,
        starts: &[ProbePoint],
    ) -> Option<Self> {
        // The removal has few points, and most of the mistakes.
        let removal_only = random.bool() && all.iter().any(|one| one.removes);
        // A loop has many arrivals at a point.
        let mut groups: BTreeMap<_, Vec<&Rendezvous>> = BTreeMap::new();
        for rendezvous in all.iter().filter(|one| one.removes || !removal_only) {
            let key = (&rendezvous.task, rendezvous.point.address());
            groups.entry(key).or_default().push(rendezvous);
        }
        let weight = |group: &Vec<&Rendezvous>| {
            let weight = |one: &&Rendezvous| {
                let own = WEIGHTS[usize::from(!one.is_own)];
                own * if one.is_call { PASSES_OBJECT } else { 1 }
            };
            group.iter().map(weight).max().unwrap_or(0)
        };
        let groups: Vec<Vec<&Rendezvous>> = groups.into_values().collect();
        let weights: Vec<u32> = groups.iter().map(weight).collect();
        let group = &groups[super::aim::weighted(random, &weights)?];
        let rendezvous = (*random.choice(group)?).clone();
        Some(Self {
            start_nanoseconds: random.u64(..START_LIMIT),
            starts: starts.to_vec(),
            rendezvous,
            limit_nanoseconds: if waits_long { LONG_LIMIT } else { LIMIT },
            stay_nanoseconds: random.choice(STAYS)?,
        })
    }

    /// Returns the order that makes `perturb` apply this schedule to `module`, a name as the kernel has it.
    pub(super) fn order(self, module: &str) -> PerturbOrder {
        let Rendezvous {
            point,
            task,
            arrival,
            meeting_point,
            ..
        } = self.rendezvous;
        let mut points = vec![point.clone(), meeting_point.clone()];
        let has_room = |points: &[ProbePoint]| list(points, |_| None).len() < MAX_LIST_BYTES / 2;
        for start in self.starts {
            points.push(start);
            if !has_room(&points) {
                points.pop();
                break;
            }
        }
        points.sort_by_key(ProbePoint::address);
        points.dedup_by_key(|point| point.address());
        let number = |wanted: &ProbePoint| {
            let mut points = points.iter();
            points.position(|point| point.address() == wanted.address())
        };
        let [first, meeting] = [&point, &meeting_point].map(|point| number(point).unwrap_or(0));
        let value = format!(
            "{module} rendezvous {} {first}:{}:{arrival} {meeting} {} {} {}\n",
            self.start_nanoseconds,
            encoded(&task),
            self.limit_nanoseconds,
            self.stay_nanoseconds,
            list(&points, |_| None)
        );
        PerturbOrder::new(value, points)
    }
}

#[cfg(test)]
mod tests {
    use super::super::baseline::Removal;
    use super::super::conflicts::tests::{arrival, call};
    use super::super::tests::point;
    use super::*;

    /// Returns the baseline run of a timer that comes twice, and of the task that then deletes it.
    fn report() -> BaselineReport {
        let tick = |number: u32| {
            let clock = 100 * u64::from(number);
            let mut tick = call(
                "mod_timer",
                arrival("softirq/cpu0", 8, clock, 0x10_0000, true),
            );
            (tick.arrival, tick.in_task) = (number, false);
            tick
        };
        let rmmod = |offset, address| arrival("rmmod/9", offset, 300, address, true);
        BaselineReport {
            arrivals: vec![
                tick(1),
                tick(2),
                rmmod(16, 0x20_0000),
                call("timer_delete", rmmod(20, 0x10_0000)),
                rmmod(24, 0),
                rmmod(28, 0),
            ],
            removals: vec![Removal {
                clock_nanoseconds: 310_000_000,
                task: "rmmod/9".to_owned(),
            }],
        }
    }

    #[test]
    fn a_task_waits_where_it_uses_the_memory_of_an_interrupt_that_comes_again_and_behind() {
        let found = rendezvous(&report(), |point| point.offset == 20);
        let found: Vec<_> = found
            .iter()
            .map(|it| {
                (
                    &*it.task,
                    it.point.offset,
                    it.meeting_point.offset,
                    it.is_own,
                    it.is_call,
                )
            })
            .collect();
        let expected = [("rmmod", 20, 8, true, true), ("rmmod", 24, 8, false, false)];
        assert_eq!(found, expected);
        assert!(rendezvous(&report(), |_| true).iter().all(|it| it.removes));
    }

    #[test]
    fn nobody_waits_for_a_task_that_came_once() {
        let mut report = report();
        report.arrivals.remove(1);
        assert_eq!(rendezvous(&report, |_| true), []);
    }

    fn drawn(seed: u64, waits_long: bool) -> Option<RendezvousSchedule> {
        let all = rendezvous(&report(), |point| point.offset == 20);
        let mut random = fastrand::Rng::with_seed(seed);
        RendezvousSchedule::drawn(&mut random, &all, waits_long, &[point("g", 3)])
    }

    #[test]
    fn the_deletion_of_the_timer_is_drawn_most_often_but_not_always() {
        let schedules = (0..400).filter_map(|seed| drawn(seed, false));
        let deletions = schedules.filter(|it| it.rendezvous.point.offset == 20);
        assert!((340..390).contains(&deletions.count()));
    }

    #[test]
    fn a_task_waits_longer_than_the_budget_only_where_nobody_compares_the_output() {
        for (waits_long, most) in [(false, 40_000_000), (true, 2_000_000_000)] {
            for schedule in (0..50).filter_map(|seed| drawn(seed, waits_long)) {
                let all = schedule.limit_nanoseconds + 2 * schedule.stay_nanoseconds;
                assert!(all <= most, "{schedule:?}");
            }
        }
    }

    #[test]
    fn an_order_names_the_two_places_and_those_where_others_stay() {
        let schedule = RendezvousSchedule {
            start_nanoseconds: 7,
            stay_nanoseconds: 4,
            ..drawn(1, false).unwrap_or_else(|| panic!("nothing drawn"))
        };
        let place = schedule.rendezvous.point.offset;
        let value = schedule.order("m").setting.value;
        let expected = format!("m rendezvous 7 2:rmmod:1 1 20000000 4 g+3+8+{place}\n");
        assert_eq!(value, expected);
    }
}
