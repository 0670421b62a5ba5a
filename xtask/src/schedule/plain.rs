//! Instructions that move or compute values, and leave the order of stores to the CPU.

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};

/// Instructions that move or compute values, and have no effect on the order of stores.
const PLAIN: [Mnemonic; 32] = [
    Mnemonic::Mov,
    Mnemonic::Movzx,
    Mnemonic::Movsx,
    Mnemonic::Movsxd,
    Mnemonic::Lea,
    Mnemonic::Add,
    Mnemonic::Sub,
    Mnemonic::And,
    Mnemonic::Or,
    Mnemonic::Xor,
    Mnemonic::Not,
    Mnemonic::Neg,
    Mnemonic::Inc,
    Mnemonic::Dec,
    Mnemonic::Shl,
    Mnemonic::Shr,
    Mnemonic::Sar,
    Mnemonic::Imul,
    Mnemonic::Cmp,
    Mnemonic::Test,
    Mnemonic::Sete,
    Mnemonic::Setne,
    Mnemonic::Nop,
    Mnemonic::Cdqe,
    Mnemonic::Cmova,
    Mnemonic::Cmovae,
    Mnemonic::Cmovb,
    Mnemonic::Cmovbe,
    Mnemonic::Cmove,
    Mnemonic::Cmovne,
    Mnemonic::Cmovg,
    Mnemonic::Cmovl,
];

/// The number of the source that stands for a constant.
pub(super) const CONSTANT: u32 = 16;

/// Returns the number of the register whose value a plain store writes, or [`CONSTANT`]. `None` for any other
/// instruction.
pub(super) fn source(instruction: &Instruction) -> Option<u32> {
    let is_store = instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Memory
        && is_plain(instruction);
    if !is_store {
        return None;
    }
    match instruction.op1_kind() {
        OpKind::Register => {
            let register = instruction.op1_register();
            let is_high = matches!(
                register,
                Register::AH | Register::CH | Register::DH | Register::BH
            );
            let number = u32::try_from(register.full_register().number()).ok()?;
            (register.is_gpr() && !is_high).then_some(number)
        }
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate32to64 => Some(CONSTANT),
        _ => None,
    }
}

/// Reports whether an instruction has an effect on general registers, flags and ordinary memory only, and is
/// followed by the next one.
pub(super) fn is_plain(instruction: &Instruction) -> bool {
    let of_registers = instruction.op_kinds().enumerate().all(|(index, kind)| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        kind != OpKind::Register || instruction.op_register(index).is_gpr()
    });
    let is_move = PLAIN.contains(&instruction.mnemonic());
    let prefixes = instruction.has_lock_prefix()
        || instruction.has_rep_prefix()
        || instruction.has_repne_prefix()
        || matches!(instruction.segment_prefix(), Register::GS | Register::FS);
    is_move && of_registers && !prefixes && instruction.flow_control() == FlowControl::Next
}

/// Reports whether a plain instruction writes to memory, the task's stack among it.
pub(super) fn writes_memory(instruction: &Instruction) -> bool {
    let only_reads = [Mnemonic::Cmp, Mnemonic::Test, Mnemonic::Nop];
    instruction.op0_kind() == OpKind::Memory && !only_reads.contains(&instruction.mnemonic())
}

/// Reports whether an instruction uses memory through an operand. The stack that `push` uses does not count, nor
/// what `lea` and `nop` only name.
pub(super) fn uses_memory(instruction: &Instruction) -> bool {
    let is_named = matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop);
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_memory();
    !is_named
        && instruction.memory_base() != Register::RSP
        && !used.is_empty()
        && instruction.op_kinds().any(|kind| kind == OpKind::Memory)
}
