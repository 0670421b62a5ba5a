//! Finds out from a loop's instructions that the loop has no end.
//!
//! The code is followed from one instruction to the next. If it comes back to an instruction without
//! a conditional jump, a return or any other way out, no value in memory can end the loop. Functions
//! that it calls are taken to return.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, FlowControl};

use crate::kernel::MODULE_ADDRESSES;

/// Maximum number of instructions that are followed.
const MAX_INSTRUCTIONS: usize = 64;

/// Reports whether a module's code at the address `start` is in a loop without an end. `read`
/// returns the two numbers at an address; `None` if nothing is mapped there.
pub(super) fn is_in(start: u64, read: &mut dyn FnMut(u64) -> Option<[u64; 2]>) -> bool {
    let mut followed = BTreeSet::new();
    let mut at = start;
    for _ in 0..MAX_INSTRUCTIONS {
        if !MODULE_ADDRESSES.contains(&at) {
            return false;
        }
        if !followed.insert(at) {
            return true;
        }
        let Some(code) = read(at) else {
            return false;
        };
        let bytes = code.map(u64::to_le_bytes).concat();
        let instruction = Decoder::with_ip(64, &bytes, at, DecoderOptions::NONE).decode();
        at = match instruction.flow_control() {
            _ if instruction.is_invalid() => return false,
            FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {
                instruction.next_ip()
            }
            FlowControl::UnconditionalBranch => instruction.near_branch_target(),
            _ => return false,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0xffff_ffff_a000_1000;

    fn is_endless(code: &[u8]) -> bool {
        let mut code = code.to_vec();
        // `int3`
        code.resize(code.len() + 16, 0xcc);
        is_in(START, &mut |address| {
            let at = usize::try_from(address.checked_sub(START)?).ok()?;
            let word = |at: usize| {
                let bytes = code.get(at..at + 8)?;
                Some(u64::from_le_bytes(bytes.try_into().ok()?))
            };
            Some([word(at)?, word(at + 8)?])
        })
    }

    #[test]
    fn a_loop_without_a_condition_has_no_end() {
        // 1: pause; jmp 1b
        assert!(is_endless(&[0xf3, 0x90, 0xeb, 0xfc]));
        // nop; 1: call 2f; inc dword [rax]; jmp 1b; 2:
        let calls = [0x90, 0xe8, 0x04, 0x00, 0x00, 0x00, 0xff, 0x00, 0xeb, 0xf7];
        assert!(is_endless(&calls));
    }

    #[test]
    fn a_condition_a_return_or_another_function_may_end_it() {
        // 1: pause; test eax, eax; je 1b; ret
        assert!(!is_endless(&[0xf3, 0x90, 0x85, 0xc0, 0x74, 0xfa, 0xc3]));
        // 1: pause; jmp 1b, but with a condition before
        assert!(!is_endless(&[
            0x85, 0xc0, 0x75, 0x04, 0xf3, 0x90, 0xeb, 0xfc
        ]));
        assert!(!is_endless(&[0xc3]));
        // jmp rax; jmp to the kernel; ud2; no code
        assert!(!is_endless(&[0xff, 0xe0]));
        assert!(!is_endless(&[0xe9, 0x00, 0x00, 0x00, 0xe0]));
        assert!(!is_endless(&[0x0f, 0x0b]));
        assert!(!is_endless(&[]));
    }
}
