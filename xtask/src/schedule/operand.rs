//! The memory that an instruction at a probe point uses.

use iced_x86::{ConstantOffsets, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

/// The memory operand of an instruction, or the object that it passes to a function of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operand {
    /// The operand's registers and displacement, as `operand` in modules/tools/perturb/probe.c
    /// reads them.
    pub bits: u32,
    /// Whether the instruction writes the memory.
    pub writes: bool,
    /// The number of bytes from the operand's address on that the instruction uses.
    pub bytes: u64,
}

/// Assumed size of an object that is passed to a function of the kernel, in bytes: that of a mutex, a
/// completion or a list's head. Its address is what matters; a `kfree` of more shows at the first bytes.
const OBJECT_BYTES: u64 = 32;

/// Functions of the kernel whose first argument is not an object that others use: parts of these names.
const WITHOUT_OBJECT: [&str; 4] = ["printk", "__fentry__", "__stack_chk_fail", "mcount"];

/// The numbers of the base and index fields that stand for the next instruction, and for nothing.
const NEXT_INSTRUCTION: u32 = 16;
const NONE: u32 = 31;

/// The parts of an address.
struct AddressParts {
    base: u32,
    index: u32,
    scale: u32,
    displacement: Option<(u32, bool)>,
}

impl Operand {
    /// Returns the object that a call passes to a function of the kernel, or `None` if the function
    /// has none: the first argument, in `rdi`. The function may write it.
    pub(super) fn of_call(function: &str) -> Option<Self> {
        let has_object = !WITHOUT_OBJECT.iter().any(|part| function.contains(part));
        has_object.then(|| Self {
            bits: AddressParts::register(Register::RDI).bits(0),
            writes: true,
            bytes: OBJECT_BYTES,
        })
    }

    /// Returns the memory operand of an instruction that accesses memory.
    pub(super) fn of_access(instruction: &Instruction, constants: ConstantOffsets) -> Option<Self> {
        let parts = AddressParts::of(instruction, constants)?;
        let mut factory = InstructionInfoFactory::new();
        let used = factory.info(instruction).used_memory();
        let writes = used.iter().any(|memory| {
            matches!(
                memory.access(),
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            )
        });
        let size = used.iter().map(|memory| memory.memory_size().size()).max();
        Some(Self {
            bits: parts.bits(instruction.len()),
            writes,
            // The length of a repeated access is in a register.
            bytes: size
                .filter(|_| !instruction.has_rep_prefix())
                .map_or(OBJECT_BYTES, |size| size as u64),
        })
    }
}

impl AddressParts {
    fn register(register: Register) -> Self {
        Self {
            base: number(register),
            index: NONE,
            scale: 0,
            displacement: None,
        }
    }

    fn of(instruction: &Instruction, constants: ConstantOffsets) -> Option<Self> {
        let has = |wanted| instruction.op_kinds().any(|kind| kind == wanted);
        if has(OpKind::MemoryESRDI) {
            return Some(Self::register(Register::RDI));
        }
        if has(OpKind::MemorySegRSI) {
            return Some(Self::register(Register::RSI));
        }
        let is_flat = matches!(
            instruction.memory_segment(),
            Register::DS | Register::SS | Register::ES | Register::CS
        );
        let displacement = match constants.displacement_size() {
            0 => None,
            // `moffs` has eight bytes, and no compiler uses it in a module.
            size @ (1 | 4) => Some((
                u32::try_from(constants.displacement_offset()).ok()?,
                size == 4,
            )),
            _ => return None,
        };
        is_flat.then(|| Self {
            base: number(instruction.memory_base()),
            index: number(instruction.memory_index()),
            scale: instruction.memory_index_scale().trailing_zeros(),
            displacement,
        })
    }

    /// Returns the fields as `perturb` reads them, for an instruction of this length in bytes.
    fn bits(&self, length: usize) -> u32 {
        let (at, is_long) = self.displacement.unwrap_or((0, false));
        let length = u32::try_from(length).unwrap_or(0);
        self.base
            | self.index << 5
            | self.scale << 10
            | at << 12
            | u32::from(is_long) << 16
            | length << 17
    }
}

fn number(register: Register) -> u32 {
    match register {
        Register::RIP => NEXT_INSTRUCTION,
        register if register.is_gpr64() => u32::try_from(register.number()).unwrap_or(NONE),
        _ => NONE,
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    fn operand(code: &[u8]) -> Option<Operand> {
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let instruction = decoder.decode();
        Operand::of_access(&instruction, decoder.get_constant_offsets(&instruction))
    }

    /// Returns base, index, logarithm of the scale, displacement's place and length, as `perturb` reads them.
    fn fields(operand: Operand) -> [u32; 6] {
        let bits = operand.bits;
        [
            bits & 31,
            bits >> 5 & 31,
            bits >> 10 & 3,
            bits >> 12 & 15,
            bits >> 16 & 1,
            bits >> 17 & 15,
        ]
    }

    #[test]
    fn an_operand_has_its_registers_its_displacement_and_its_effect() {
        let cases: [(&[u8], [u32; 6], bool, u64); 6] = [
            // mov (%rdi),%eax
            (&[0x8b, 0x07], [7, 31, 0, 0, 0, 2], false, 4),
            // mov %rax,8(%r12)
            (
                &[0x49, 0x89, 0x44, 0x24, 0x08],
                [12, 31, 0, 4, 0, 5],
                true,
                8,
            ),
            // lock incl 0(%rip)
            (
                &[0xf0, 0xff, 0x05, 0, 0, 0, 0],
                [16, 31, 0, 3, 1, 7],
                true,
                4,
            ),
            // movl $1,0x40(,%rax,4)
            (
                &[0xc7, 0x04, 0x85, 0x40, 0, 0, 0, 1, 0, 0, 0],
                [31, 0, 2, 3, 1, 11],
                true,
                4,
            ),
            // cmpb $0,0(%rip)
            (&[0x80, 0x3d, 0, 0, 0, 0, 0], [16, 31, 0, 2, 1, 7], false, 1),
            // rep stosq
            (&[0xf3, 0x48, 0xab], [7, 31, 0, 0, 0, 3], true, OBJECT_BYTES),
        ];
        for (code, expected, writes, bytes) in cases {
            let Some(operand) = operand(code) else {
                panic!("{code:x?} has no operand");
            };
            assert_eq!(fields(operand), expected, "{code:x?}");
            assert_eq!(
                (operand.writes, operand.bytes),
                (writes, bytes),
                "{code:x?}"
            );
        }
    }

    #[test]
    fn a_call_passes_its_first_argument_and_a_message_is_no_object() {
        let complete = Operand::of_call("complete");
        assert_eq!(complete.map(fields), Some([7, 31, 0, 0, 0, 0]));
        assert_eq!(Operand::of_call("_printk"), None);
    }
}
