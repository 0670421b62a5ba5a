use super::*;
use crate::schedule::conflicts::tests::{arrival, call};
use crate::schedule::{BaselineArrival, kernel_conflicts};

/// A `mutex_unlock` with a part, and functions that it calls, 32 bytes each.
const FUNCTIONS: [(&str, bool, &[u8]); 6] = [
    (
        "unlock",
        false,
        &[
            0x55, // 0: push %rbp
            0xf0, 0x48, 0x0f, 0xb1, 0x0f, // 1: lock cmpxchg %rcx,(%rdi)
            0xe8, 0x15, 0, 0, 0,    // 6: call unlock_slowly
            0xc3, // 11: ret
        ],
    ),
    (
        "unlock_slowly",
        true,
        &[
            0x48, 0x8b, 0x07, // 0: mov (%rdi),%rax
            0xe8, 0x38, 0, 0, 0, // 3: call __tsan_read8
            0xe8, 0x53, 0, 0, 0, // 8: call print_state
            0xe8, 0x0e, 0, 0, 0, // 13: call _raw_spin_lock
            0xf0, 0xff, 0x07, // 18: lock incl (%rdi)
            0xe8, 0x66, 0, 0, 0, // 21: call _raw_spin_unlock
            0x48, 0x87, 0x07, // 26: xchg %rax,(%rdi)
            0xc3, // 29: ret
        ],
    ),
    ("_raw_spin_lock", false, &[0xf0, 0xff, 0x07, 0xc3]),
    ("__tsan_read8", false, &[0xf0, 0xff, 0x07, 0xc3]),
    ("print_state", true, &[0xf0, 0xff, 0x07, 0xc3]),
    ("_raw_spin_unlock", false, &[0xf0, 0xff, 0x07, 0xc3]),
];

fn kernel() -> KernelCode {
    const SIZE: usize = 32;
    let mut bytes = Vec::new();
    let mut functions = HashMap::new();
    let mut names = HashMap::new();
    for (number, (name, is_local, code)) in FUNCTIONS.into_iter().enumerate() {
        let place = (number * SIZE) as u64;
        let function = KernelFunction {
            address: 0x1000 + place,
            size: code.len() as u64,
            offset: place,
            is_local,
            number,
        };
        bytes.extend(code);
        bytes.resize((number + 1) * SIZE, 0xcc);
        names.insert(function.address, name.to_owned());
        functions.insert(name.to_owned(), function);
    }
    KernelCode {
        bytes,
        functions,
        names,
    }
}

#[test]
fn the_points_are_atomic_instructions_and_calls_of_a_function_and_its_parts() {
    let points = kernel().points(["unlock", "_raw_spin_lock", "nothing"]);
    let found: Vec<(&str, u32, Option<&str>)> = points
        .iter()
        .map(|KernelPoint { point, called }| {
            assert_eq!(called, &["unlock"]);
            assert!(point.in_kernel);
            (&*point.function, point.offset, point.calls.as_deref())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("unlock", 1, None),
            ("unlock", 6, Some("unlock_slowly")),
            ("unlock_slowly", 8, Some("print_state")),
            ("unlock_slowly", 13, Some("_raw_spin_lock")),
            ("unlock_slowly", 26, None),
        ]
    );
}

#[test]
fn tasks_conflict_in_the_kernel_by_the_object_that_the_module_passed() {
    let in_kernel = |arrival: BaselineArrival| {
        let mut arrival = arrival;
        arrival.point.in_kernel = true;
        arrival.point.section = FIRST_SECTION;
        arrival
    };
    let report = |first: &str, object: u64| BaselineReport {
        arrivals: vec![
            call(first, arrival("a/1", 0, 10, 0x10_0000, true)),
            // A field of the object that the other task does not use.
            in_kernel(arrival("a/1", 4, 11, 0x10_0038, true)),
            call("mutex_lock", arrival("b/2", 8, 15, object, true)),
        ],
        removals: Vec::new(),
    };
    let delayed = |report: &BaselineReport| -> Vec<(String, u32)> {
        let found = kernel_conflicts(report).into_iter();
        found.map(|it| (it.task, it.point.offset)).collect()
    };
    let unlock = report("mutex_unlock", 0x10_0000);
    assert_eq!(delayed(&unlock), [("a".to_owned(), 4)]);
    assert_eq!(delayed(&report("mutex_unlock", 0x20_0000)), []);
    // A task that waits may as well come later.
    assert_eq!(delayed(&report("wait_for_completion", 0x10_0000)), []);
    assert_eq!(delayed(&report("mutex_lock", 0x10_0000)), []);
}
