//! Tests of the choice of stores.

use super::super::baseline::Removal;
use super::super::conflicts::tests::arrival;
use super::super::probe_points::ProbePoint;
use super::super::{Aim, Baseline, SeededSchedule};
use super::*;

fn held(store: &ProbePoint, passed: &ProbePoint, end: u32) -> HeldStore {
    let end = ProbePoint {
        offset: end,
        section_offset: u64::from(end),
        in_kernel: false,
        ..passed.clone()
    };
    HeldStore::new(store.clone(), passed.clone(), end, vec![passed.clone()])
}

/// Returns the arrivals of a task that writes two variables, and of another one that reads them.
fn report(reads: &[u64]) -> BaselineReport {
    let mut arrivals = vec![
        arrival("writer/1", 0, 10, 0x10_0000, true),
        arrival("writer/1", 4, 11, 0x20_0000, true),
    ];
    let reads = (16..).zip(reads);
    arrivals
        .extend(reads.map(|(offset, address)| arrival("reader/2", offset, 12, *address, false)));
    BaselineReport {
        arrivals,
        removals: Vec::<Removal>::new(),
    }
}

fn stores(report: &BaselineReport) -> Vec<StoreArrival> {
    let [data, flag] = [0, 1].map(|index| &report.arrivals[index].point);
    store_arrivals(report, &[held(data, flag, 8)])
}

#[test]
fn a_store_counts_if_another_task_uses_its_memory_and_that_of_the_store_that_passes() {
    assert!(stores(&report(&[0x10_0000])).is_empty());
    assert!(stores(&report(&[0x20_0000])).is_empty());
    let stores = stores(&report(&[0x20_0000, 0x10_0000]));
    let [store] = &stores[..] else {
        panic!("{stores:?}");
    };
    assert_eq!((&*store.task, store.arrival), ("writer", 1));
}

#[test]
fn about_half_of_the_seeds_hold_a_store_back_and_repeat() {
    let baseline = Baseline {
        stores: stores(&report(&[0x20_0000, 0x10_0000])),
        ..Baseline::default()
    };
    let schedule = |seed: u32| SeededSchedule::new(seed, &baseline, Aim::Conflicts);
    let is_held = |seed: &u32| match schedule(*seed) {
        SeededSchedule::Aimed(schedule) => {
            let held = schedule.held_store().expect("nothing else is aimed");
            assert_eq!((held.offset, held.until), (0, Some(8)));
            assert!(schedule.is_within_budget());
            assert!(!SeededSchedule::is_random(*seed, &baseline, Aim::Conflicts));
            true
        }
        SeededSchedule::Random(_) | SeededSchedule::Rendezvous(_) => {
            assert!(SeededSchedule::is_random(*seed, &baseline, Aim::Conflicts));
            false
        }
    };
    let count = (0..400).filter(is_held).count();
    assert!((160..240).contains(&count), "{count}");
    let text = |seed: u32| match schedule(seed) {
        SeededSchedule::Aimed(schedule) => schedule.to_string(),
        SeededSchedule::Random(_) | SeededSchedule::Rendezvous(_) => String::new(),
    };
    assert!((0..20).all(|seed| text(seed) == text(seed)));
}

#[test]
fn without_stores_a_seed_has_the_meaning_that_it_has_without_the_option() {
    let none = Baseline::default();
    for seed in 0..20 {
        let schedule = SeededSchedule::new(seed, &none, Aim::Conflicts);
        assert!(matches!(schedule, SeededSchedule::Random(_)));
    }
}
