//! The instructions of a module at which it matters when they happen.

use std::path::Path;

use anyhow::{Context as _, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

/// An instruction of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The symbol of the function that it is in.
    pub function: String,
    /// Its distance from the function's beginning, in bytes.
    pub offset: u32,
    /// The index of the section that it is in.
    pub section: usize,
    /// Its distance from the section's beginning, in bytes.
    pub at: u64,
    /// What it does.
    pub kind: Kind,
}

/// What an instruction does that others may notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads or writes memory that is not its stack.
    Access,
    /// Calls a function.
    Call,
    /// Returns.
    Return,
}

impl Place {
    /// Orders places as the module has them.
    pub fn address(&self) -> (usize, u64) {
        (self.section, self.at)
    }
}

/// The places in the module at `path`, in the order of its code.
///
/// What lies between two of them nobody else can see, so a task that is held up
/// there might as well be held up before the later one.
pub fn places(path: &Path) -> Result<Vec<Place>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    of_module(&bytes).with_context(|| format!("cannot make sense of {}", path.display()))
}

fn of_module(bytes: &[u8]) -> Result<Vec<Place>> {
    let elf = ElfFile64::<object::LittleEndian>::parse(bytes)?;
    let mut places: Vec<Place> = Vec::new();
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
        for instruction in Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
            let Some(kind) = kind(&instruction) else {
                continue;
            };
            let offset = instruction.ip32();
            places.push(Place {
                function: name.to_owned(),
                offset,
                section: index.0,
                at: begin + u64::from(offset),
                kind,
            });
        }
    }
    // A function may have several names, `init_module` for one.
    places.sort_by_key(Place::address);
    places.dedup_by_key(|place| place.address());
    Ok(places)
}

fn kind(instruction: &Instruction) -> Option<Kind> {
    match instruction.mnemonic() {
        Mnemonic::INVALID | Mnemonic::Lea | Mnemonic::Nop => return None,
        Mnemonic::Call => return Some(Kind::Call),
        Mnemonic::Ret => return Some(Kind::Return),
        _ => {}
    }
    let memory = instruction.op_kinds().any(|kind| {
        matches!(
            kind,
            OpKind::Memory | OpKind::MemoryESRDI | OpKind::MemorySegRSI
        )
    });
    // Frames are told by rbp in this kernel. What gs points to is the CPU's own.
    let stack = matches!(instruction.memory_base(), Register::RSP | Register::RBP);
    let own = stack || instruction.segment_prefix() == Register::GS;
    (memory && !own).then_some(Kind::Access)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(code: &[u8]) -> Vec<(u64, Kind)> {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE)
            .into_iter()
            .filter_map(|instruction| Some((instruction.ip(), kind(&instruction)?)))
            .collect()
    }

    #[test]
    fn accesses_calls_and_returns_count_and_the_stack_does_not() {
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
                (12, Kind::Access),
                (23, Kind::Access),
                (33, Kind::Call),
                (39, Kind::Return)
            ]
        );
    }

    #[test]
    fn what_is_no_code_has_no_places() {
        assert_eq!(kinds(&[0x06, 0x07, 0x0e]), []);
    }
}
