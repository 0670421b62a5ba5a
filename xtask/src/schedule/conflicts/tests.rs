use super::*;
use crate::schedule::baseline::Removal;
use crate::schedule::operand::Operand;
use crate::schedule::probe_points::ProbeKind;

/// Returns an arrival at the point at this offset, where the task uses the memory at `address`.
pub(in crate::schedule) fn arrival(
    task: &str,
    offset: u32,
    clock: u64,
    address: u64,
    writes: bool,
) -> BaselineArrival {
    let operand = Operand {
        bits: 7,
        writes,
        bytes: 4,
    };
    BaselineArrival {
        point: ProbePoint {
            function: "f".to_owned(),
            offset,
            section: 1,
            section_offset: u64::from(offset),
            in_kernel: false,
            kind: ProbeKind::Access,
            operand: Some(operand),
            calls: None,
        },
        arrival: 1,
        clock_nanoseconds: clock * 1_000_000,
        address,
        in_task: true,
        task: task.to_owned(),
    }
}

pub(in crate::schedule) fn call(function: &str, arrival: BaselineArrival) -> BaselineArrival {
    let mut arrival = arrival;
    arrival.point.calls = Some(function.to_owned());
    arrival
}

/// Returns the tasks, offsets, first gaps in milliseconds and kinds of the conflicts.
fn found(arrivals: Vec<BaselineArrival>) -> Vec<(String, u32, u64, ConflictKind)> {
    let report = BaselineReport {
        arrivals,
        removals: vec![Removal {
            clock_nanoseconds: 100_000_000,
            task: "rmmod/9".to_owned(),
        }],
    };
    let conflicts = conflicts(&report, |_| true);
    let entry = |conflict: Conflict| {
        let gap = conflict.gaps.first().map_or(0, |gap| gap / 1_000_000);
        (conflict.task, conflict.point.offset, gap, conflict.kind)
    };
    conflicts.into_iter().map(entry).collect()
}

#[test]
fn the_task_that_comes_first_is_delayed_until_the_other_comes() {
    let arrivals = vec![
        arrival("a/1", 0, 10, 0x10_0000, false),
        arrival("a/1", 4, 20, 0x10_0000, true),
        // Other memory, and two reads.
        arrival("b/2", 8, 30, 0x20_0000, true),
        arrival("a/1", 12, 31, 0x30_0000, false),
        arrival("b/2", 16, 32, 0x30_0000, false),
        arrival("b/2", 20, 36, 0x10_0002, true),
    ];
    let expected = [
        ("a".to_owned(), 0, 26, ConflictKind::First),
        ("a".to_owned(), 4, 16, ConflictKind::Between),
    ];
    assert_eq!(found(arrivals), expected);
}

#[test]
fn a_task_is_delayed_behind_its_access_of_memory_that_a_loop_uses() {
    let mut again = arrival("a/1", 0, 20, 0x10_0000, false);
    again.arrival = 2;
    let arrivals = vec![
        arrival("a/1", 0, 10, 0x10_0000, false),
        again,
        arrival("b/2", 20, 55, 0x10_0000, true),
        arrival("b/2", 24, 56, 0x40_0000, false),
    ];
    let expected = [("b".to_owned(), 24, 0, ConflictKind::Again)];
    assert_eq!(found(arrivals), expected);
}

#[test]
fn a_task_that_waits_for_the_other_is_not_overtaken() {
    let arrivals = vec![
        // Before the thread exists.
        arrival("a/1", 0, 1, 0x10_0000, true),
        call("wake_up_process", arrival("a/1", 4, 2, 0x20_0000, true)),
        arrival("b/2", 8, 3, 0x10_0000, false),
        // Before the thread is done.
        arrival("b/2", 12, 4, 0x30_0000, true),
        call("complete", arrival("b/2", 16, 5, 0x40_0000, true)),
        call(
            "wait_for_completion",
            arrival("a/1", 20, 6, 0x40_0000, true),
        ),
        arrival("a/1", 24, 7, 0x30_0000, false),
    ];
    let conflicts = found(arrivals);
    let reversed = conflicts
        .iter()
        .filter(|(_, _, _, kind)| matches!(kind, ConflictKind::First | ConflictKind::Between));
    let offsets: Vec<u32> = reversed.map(|(_, offset, _, _)| *offset).collect();
    // Whether `complete` comes before the wait is not fixed.
    assert_eq!(offsets, [16]);
}

#[test]
fn the_last_step_of_a_task_shortly_before_the_removal_is_delayed() {
    let arrivals = vec![
        arrival("a/1", 0, 40, 0, false),
        arrival("b/2", 4, 80, 0, false),
        arrival("b/2", 8, 90, 0, false),
        arrival("rmmod/9", 12, 95, 0, false),
    ];
    let expected = [("b".to_owned(), 8, 10, ConflictKind::Leaving)];
    assert_eq!(found(arrivals), expected);
}

fn interrupt(offset: u32, number: u32, clock: u64, address: u64) -> BaselineArrival {
    BaselineArrival {
        arrival: number,
        in_task: false,
        ..arrival("softirq/cpu0", offset, clock, address, true)
    }
}

#[test]
fn an_interrupt_conflicts_with_a_task_as_long_as_it_may_spin() {
    let arrivals = vec![
        interrupt(0, 1, 10, 0x10_0000),
        // The same CPU, which does one thing after the other.
        interrupt(4, 1, 11, 0x10_0000),
        arrival("a/1", 8, 30, 0x10_0000, false),
        interrupt(12, 1, 31, 0x20_0000),
        arrival("a/1", 16, 51, 0x20_0000, false),
    ];
    let expected = [("softirq".to_owned(), 4, 19, ConflictKind::Between)];
    assert_eq!(found(arrivals), expected);
}

#[test]
fn what_a_task_does_before_it_arms_a_timer_is_before_the_timer() {
    let arrivals = vec![
        arrival("a/1", 0, 1, 0x10_0000, true),
        call("mod_timer", arrival("a/1", 4, 2, 0x20_0000, true)),
        arrival("a/1", 8, 3, 0x10_0000, true),
        interrupt(12, 1, 9, 0x10_0000),
    ];
    let expected = [("a".to_owned(), 8, 6, ConflictKind::First)];
    assert_eq!(found(arrivals), expected);
}

#[test]
fn an_interrupt_that_comes_repeatedly_has_a_period() {
    let report = BaselineReport {
        arrivals: vec![
            interrupt(0, 1, 10, 0x10_0000),
            interrupt(0, 2, 18, 0x10_0000),
            arrival("a/1", 4, 20, 0x10_0000, true),
            arrival("a/1", 8, 21, 0x10_0000, true),
        ],
        removals: Vec::new(),
    };
    let conflicts = conflicts(&report, |_| true);
    let is_periodic = |conflict: &&Conflict| conflict.kind == ConflictKind::Periodic;
    let periodic: Vec<&Conflict> = conflicts.iter().filter(is_periodic).collect();
    let [conflict] = periodic[..] else {
        panic!("{periodic:?}");
    };
    assert_eq!((&*conflict.task, conflict.arrival), ("softirq", 2));
    let remotes = conflict.remotes.iter();
    let remotes: Vec<_> = remotes
        .map(|remote| (&*remote.task, remote.point.offset, remote.lead, remote.lag))
        .collect();
    assert_eq!(remotes, [("a", 4, 8_000_000, 1_000_000)]);
}
