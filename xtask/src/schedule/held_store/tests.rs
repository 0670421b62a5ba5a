//! Tests of the stores that may be held back, on instructions of x86.

use super::super::plain::CONSTANT;
use super::*;

const CODE: [u8; 31] = [
    0xc7, 0x07, 1, 0, 0, 0, // 0x00: movl $1,(%rdi)
    0x89, 0x46, 0x08, // 0x06: mov %eax,8(%rsi)
    0x8b, 0x0f, // 0x09: mov (%rdi),%ecx
    0xc6, 0x05, 0, 0, 0, 0, 1, // 0x0b: movb $1,0(%rip)
    0xf0, 0xff, 0x07, // 0x12: lock incl (%rdi)
    0x48, 0x89, 0x45, 0xf8, // 0x15: mov %rax,-8(%rbp)
    0xc7, 0x07, 2, 0, 0, 0, // 0x19: movl $2,(%rdi)
];

/// Returns the offsets of each held store, of the store that passes it and of its end.
fn found(code: &[u8], ordered: &[u64], patched: &[u64], releases: &[u32]) -> Vec<[u32; 3]> {
    let function = Function {
        name: "f",
        section: 1,
        begin: 0x100,
        ordered: ordered.iter().copied().collect(),
        patched: patched.iter().copied().collect(),
    };
    let held = function.held_stores(code, &mut |_, offset| releases.contains(&offset));
    let offsets = |held: HeldStore| [held.store, held.passed, held.end].map(|point| point.offset);
    held.into_iter().map(offsets).collect()
}

#[test]
fn a_store_is_held_past_each_later_one_up_to_a_locked_instruction() {
    let expected = [[0, 6, 9], [0, 0xb, 0x12], [6, 0xb, 0x12]];
    assert_eq!(found(&CODE, &[], &[], &[]), expected);
}

#[test]
fn nothing_passes_a_barrier_or_a_release() {
    // `barrier()` before the instruction at 9, and at the one at 0xb.
    assert_eq!(found(&CODE, &[9], &[], &[]), [[0, 6, 9]]);
    assert_eq!(found(&CODE, &[0xb], &[], &[]), [[0, 6, 9]]);
    assert_eq!(found(&CODE, &[6], &[], &[]), [[6, 0xb, 0x12]]);
    assert_eq!(found(&CODE, &[], &[], &[0xb]), [[0, 6, 9]]);
    // A release orders the stores before it, and not those after it.
    assert_eq!(found(&CODE, &[], &[], &[6]), [[6, 0xb, 0x12]]);
}

#[test]
fn nothing_passes_a_release_on_the_stack() {
    for store in [
        &[0xc6, 0x45, 0xf8, 1][..],       // movb $1,-8(%rbp)
        &[0xc6, 0x44, 0x24, 0x08, 1][..], // movb $1,8(%rsp)
    ] {
        let code = [&CODE[..6], store, &CODE[6..9], &[0x90]].concat();
        let passing = u32::try_from(6 + store.len()).expect("a short code");
        let end = passing + 3;
        assert_eq!(found(&code, &[], &[], &[]), [[0, passing, end]]);
        assert_eq!(found(&code, &[], &[], &[6]), [[0_u32; 3]; 0]);
    }
}

#[test]
fn nothing_passes_an_instruction_that_the_kernel_replaces_or_that_is_not_plain() {
    assert_eq!(found(&CODE, &[], &[9], &[]), [[6, 0xb, 0x12]; 0]);
    let between = |bytes: &[u8]| {
        let code = [&CODE[..6], bytes, &CODE[6..9], &[0x90]].concat();
        !found(&code, &[], &[], &[]).is_empty()
    };
    assert!(between(&[0x90]));
    for bytes in [
        &[0xe8, 0, 0, 0, 0][..],         // call
        &[0xc3],                         // ret
        &[0xeb, 0x00],                   // jmp
        &[0x74, 0x00],                   // je
        &[0x87, 0x07],                   // xchg %eax,(%rdi)
        &[0x0f, 0xae, 0xf8],             // sfence
        &[0xfa],                         // cli
        &[0x9d],                         // popf
        &[0xf3, 0xa4],                   // rep movsb
        &[0x65, 0xff, 0x05, 0, 0, 0, 0], // incl %gs:0(%rip)
        &[0x0f, 0x11, 0x07],             // movups %xmm0,(%rdi)
        &[0x0f, 0x0b],                   // ud2
        &[0x06],                         // not an instruction
    ] {
        assert!(!between(bytes), "{bytes:x?}");
    }
}

#[test]
fn the_tasks_stack_is_neither_held_nor_counted_as_a_store_that_passes() {
    let code = &CODE[0x15..];
    assert_eq!(found(code, &[], &[], &[]), [[0_u32; 3]; 0]);
    // movl $2,(%rdi); mov %rax,-8(%rbp); nop
    let code = [&CODE[0x19..], &CODE[0x15..0x19], &[0x90]].concat();
    assert_eq!(found(&code, &[], &[], &[]), [[0_u32; 3]; 0]);
}

#[test]
fn perturb_gets_the_size_and_the_source_of_each_access() {
    let function = Function {
        name: "f",
        section: 1,
        begin: 0,
        ordered: BTreeSet::new(),
        patched: BTreeSet::new(),
    };
    let held = function.held_stores(&CODE, &mut |_, _| false);
    let held = held.iter().find(|held| held.end.offset == 0x12);
    let held = held.expect("the first store passes two");
    assert_eq!(held.between.len(), 3);
    let fields = |point: &ProbePoint| {
        let bits = held.operand(point).expect("an access");
        [bits & 31, bits >> 17 & 15, bits >> 21 & 3, bits >> 23]
    };
    // Base register, length, logarithm of the size, source.
    assert_eq!(fields(&held.store), [7, 6, 2, CONSTANT]);
    assert_eq!(fields(&held.between[0]), [6, 3, 2, 0]);
    assert_eq!(fields(&held.between[1]), [7, 2, 2, 0]);
    assert_eq!(fields(&held.between[2]), [16, 7, 0, CONSTANT]);
    assert_eq!(held.operand(&held.end), None);
    assert_eq!(held.points().count(), 5);
}

#[test]
fn the_high_byte_of_a_register_is_not_a_source() {
    // mov %ah,(%rdi); movl $1,(%rdi); nop
    let code = [&[0x88, 0x27][..], &CODE[..6], &[0x90]].concat();
    assert_eq!(found(&code, &[], &[], &[]), [[0_u32; 3]; 0]);
    // mov %r9b,(%rdi)
    let code = [&[0x44, 0x88, 0x0f][..], &CODE[..6], &[0x90]].concat();
    assert_eq!(found(&code, &[], &[], &[]), [[0, 3, 9]]);
}
