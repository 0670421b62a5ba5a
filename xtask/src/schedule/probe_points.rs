//! The instructions of a module where a delay can change what other tasks see.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use object::read::elf::ElfFile64;
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex,
    SectionKind, SymbolKind,
};

use super::operand::Operand;

/// An instruction of a module, or of the kernel, where `perturb` can set a kprobe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePoint {
    /// The symbol of the function that contains the instruction.
    pub function: String,
    /// Distance from the function's beginning, in bytes.
    pub offset: u32,
    /// Index of the section that contains the instruction; in the kernel, each function counts as one.
    pub section: usize,
    /// Distance from the section's beginning, in bytes.
    pub section_offset: u64,
    /// Whether the function is one of the kernel.
    pub in_kernel: bool,
    /// The effect that other tasks can observe.
    pub kind: ProbeKind,
    /// The memory that it uses, if its address can be computed before it is executed.
    pub operand: Option<Operand>,
    /// The function of the kernel that it calls.
    pub calls: Option<String>,
}

/// The effect of an instruction that other tasks can observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// A read or write of memory outside the task's stack.
    Access,
    /// A call of a function.
    Call,
    /// A return from a function.
    Return,
}

/// A function that the compiler adds to each module of a kernel with KCSAN. It runs before the
/// module's own code, and does nothing.
const KCSAN_CONSTRUCTOR: &str = "tsan.module_ctor";

impl ProbePoint {
    /// Returns a key that sorts probe points in the order of the module's code.
    pub fn address(&self) -> (usize, u64) {
        (self.section, self.section_offset)
    }
}

/// Returns the probe points of the module at `path`, in the order of its code.
///
/// No other task can observe the instructions between two probe points, so a delay
/// among them has the same effect as a delay at the later point.
///
/// # Errors
///
/// Fails if the file cannot be read or is not an x86-64 ELF object.
pub fn probe_points(path: &Path) -> Result<Vec<ProbePoint>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    in_module(&bytes).with_context(|| format!("{} is not a readable kernel module", path.display()))
}

fn in_module(bytes: &[u8]) -> Result<Vec<ProbePoint>> {
    let elf = ElfFile64::<object::LittleEndian>::parse(bytes)?;
    let mut points: Vec<ProbePoint> = Vec::new();
    let functions = kernel_functions(&elf)?;
    for symbol in elf.symbols() {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = elf.section_by_index(index)?;
        if symbol.kind() != SymbolKind::Text || section.kind() != SectionKind::Text {
            continue;
        }
        let begin = symbol.address();
        let Some(code) = section.data_range(begin, symbol.size())? else {
            continue;
        };
        let name = symbol.name()?;
        if name == KCSAN_CONSTRUCTOR {
            continue;
        }
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let Some(kind) = kind(&instruction) else {
                continue;
            };
            let offset = instruction.ip32();
            // The relocation of a call is that of its target, behind the opcode.
            let target = begin + u64::from(offset) + 1;
            let calls = functions
                .get(&(index, target))
                .filter(|_| kind == ProbeKind::Call);
            let operand = match kind {
                ProbeKind::Access => {
                    let constants = decoder.get_constant_offsets(&instruction);
                    Operand::of_access(&instruction, constants)
                }
                ProbeKind::Call => calls.copied().and_then(Operand::of_call),
                ProbeKind::Return => None,
            };
            points.push(ProbePoint {
                function: name.to_owned(),
                offset,
                section: index.0,
                section_offset: begin + u64::from(offset),
                in_kernel: false,
                kind,
                operand,
                calls: calls.map(ToString::to_string),
            });
        }
    }
    // A function may have several symbols: `init_module` is an alias.
    points.sort_by_key(ProbePoint::address);
    points.dedup_by_key(|point| point.address());
    Ok(points)
}

/// Returns the functions of the kernel that the relocations of a module's code name, by their places: a
/// section, and the distance from its beginning in bytes.
fn kernel_functions<'a>(
    elf: &ElfFile64<'a, object::LittleEndian>,
) -> Result<HashMap<(SectionIndex, u64), &'a str>> {
    let mut functions = HashMap::new();
    for section in elf.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        for (place, relocation) in section.relocations() {
            if let RelocationTarget::Symbol(index) = relocation.target() {
                let symbol = elf.symbol_by_index(index)?;
                if symbol.is_undefined() {
                    functions.insert((section.index(), place), symbol.name()?);
                }
            }
        }
    }
    Ok(functions)
}

pub(super) fn kind(instruction: &Instruction) -> Option<ProbeKind> {
    match instruction.mnemonic() {
        Mnemonic::INVALID | Mnemonic::Lea | Mnemonic::Nop => return None,
        Mnemonic::Call => return Some(ProbeKind::Call),
        Mnemonic::Ret => return Some(ProbeKind::Return),
        _ => {}
    }
    let memory = instruction.op_kinds().any(|kind| {
        matches!(
            kind,
            OpKind::Memory | OpKind::MemoryESRDI | OpKind::MemorySegRSI
        )
    });
    // This kernel is compiled with frame pointers, so rbp points to the stack too. The
    // gs segment is the CPU's own memory.
    let stack = matches!(instruction.memory_base(), Register::RSP | Register::RBP);
    let own = stack || instruction.segment_prefix() == Register::GS;
    (memory && !own).then_some(ProbeKind::Access)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(code: &[u8]) -> Vec<(u64, ProbeKind)> {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE)
            .into_iter()
            .filter_map(|instruction| Some((instruction.ip(), kind(&instruction)?)))
            .collect()
    }

    #[test]
    fn accesses_calls_and_returns_are_probe_points_and_stack_accesses_are_not() {
        let code = [
            0x55, // push %rbp
            0x48, 0x89, 0xe5, // mov %rsp,%rbp
            0x48, 0x8b, 0x45, 0xf8, // mov -8(%rbp),%rax
            0x48, 0x8d, 0x47, 0x10, // lea 16(%rdi),%rax
            0x8b, 0x07, // mov (%rdi),%eax
            0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, // mov %gs:0,%rax
            0xff, 0x05, 0, 0, 0, 0, // incl 0(%rip)
            0x0f, 0x1f, 0x40, 0x00, // nopl 0(%rax)
            0xe8, 0, 0, 0, 0,    // call
            0x5d, // pop %rbp
            0xc3, // ret
        ];
        assert_eq!(
            kinds(&code),
            [
                (12, ProbeKind::Access),
                (23, ProbeKind::Access),
                (33, ProbeKind::Call),
                (39, ProbeKind::Return)
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_code_have_no_probe_points() {
        assert_eq!(kinds(&[0x06, 0x07, 0x0e]), []);
    }
}
