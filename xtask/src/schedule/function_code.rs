//! The order of the instructions in a function of a module: which of them can precede a probe point.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use super::probe_points::kind;

/// The instructions of one function, by their distances from its beginning in bytes.
#[derive(Debug)]
pub struct FunctionCode {
    instructions: Vec<Instruction>,
    /// Indices of the instructions that can precede the one with this index.
    before: HashMap<usize, Vec<usize>>,
}

impl FunctionCode {
    /// Reads a function of the module at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has no such function.
    pub fn read(path: &Path, function: &str) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of(&bytes, function)
            .with_context(|| format!("cannot read {function} in {}", path.display()))
    }

    fn of(bytes: &[u8], function: &str) -> Result<Self> {
        let elf = ElfFile64::<object::LittleEndian>::parse(bytes)?;
        let mut symbols = elf.symbols();
        let symbol = symbols
            .find(|symbol| symbol.kind() == SymbolKind::Text && symbol.name() == Ok(function))
            .context("there is no such function")?;
        let index = symbol.section_index().context("it has no code")?;
        let section = elf.section_by_index(index)?;
        let begin = symbol.address();
        let code = section
            .data_range(begin, symbol.size())?
            .context("its code is not in its section")?;
        let relocated = section.relocations().map(|(at, _)| at.wrapping_sub(begin));
        Ok(Self::decode(code, &relocated.collect()))
    }

    /// Decodes a function with relocations at these distances from its beginning. The target of an
    /// instruction with a relocation is not known; it is in another function.
    fn decode(code: &[u8], relocated: &HashSet<u64>) -> Self {
        let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        let by_offset: HashMap<u64, usize> = instructions
            .iter()
            .enumerate()
            .map(|(index, instruction)| (instruction.ip(), index))
            .collect();
        let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let falls_through = !matches!(
                instruction.mnemonic(),
                Mnemonic::Jmp | Mnemonic::Ret | Mnemonic::Ud2
            );
            let jumps = instruction.mnemonic() != Mnemonic::Call
                && instruction
                    .op_kinds()
                    .any(|kind| kind == OpKind::NearBranch64);
            let is_relocated =
                (instruction.ip()..instruction.next_ip()).any(|offset| relocated.contains(&offset));
            let target = (jumps && !is_relocated).then(|| instruction.near_branch_target());
            let next = falls_through.then(|| instruction.next_ip());
            let successors = [next, target].into_iter().flatten();
            for successor in successors.filter_map(|offset| by_offset.get(&offset)) {
                before.entry(*successor).or_default().push(index);
            }
        }
        Self {
            instructions,
            before,
        }
    }

    /// Returns the lines that a task can have executed last before it reaches the instruction at
    /// `offset`, other than the line of that, and whether it can have executed a part of that line.
    /// `line` returns the line of an instruction, if it has one. Only instructions with an effect
    /// that other tasks can observe count.
    pub fn lines_before<L: Ord>(
        &self,
        offset: u32,
        mut line: impl FnMut(u32) -> Option<L>,
    ) -> (BTreeSet<L>, bool) {
        let own = line(offset);
        let mut within = false;
        let mut lines = BTreeSet::new();
        let index = |instruction: &Instruction| instruction.ip32() == offset;
        let mut open: Vec<usize> = self
            .instructions
            .iter()
            .position(index)
            .into_iter()
            .collect();
        let mut visited: HashSet<usize> = open.iter().copied().collect();
        while let Some(index) = open.pop() {
            for before in self.before.get(&index).into_iter().flatten().copied() {
                let instruction = &self.instructions[before];
                let found = kind(instruction).and_then(|_| line(instruction.ip32()));
                within |= found.is_some() && found == own;
                match found.filter(|found| Some(found) != own.as_ref()) {
                    Some(found) => {
                        lines.insert(found);
                    }
                    None if visited.insert(before) => open.push(before),
                    None => {}
                }
            }
        }
        (lines, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `draw`, with a loop around it and a call of another function.
    const CODE: [u8; 19] = [
        0x8b, 0x07, // 0: mov (%rdi),%eax
        0xff, 0xc0, // 2: inc %eax
        0x89, 0x07, // 4: mov %eax,(%rdi)
        0x75, 0xf8, // 6: jne 0
        0x8b, 0x06, // 8: mov (%rsi),%eax
        0x74, 0x01, // 10: je 13
        0xc3, // 12: ret
        0xff, 0x06, // 13: incl (%rsi)
        0xeb, 0x01, // 15: jmp 18
        0x90, // 17: nop
        0xc3, // 18: ret
    ];

    fn lines(code: &FunctionCode, offset: u32) -> Vec<u32> {
        let line = |offset: u32| (offset != 12).then_some(offset / 4);
        code.lines_before(offset, line).0.into_iter().collect()
    }

    #[test]
    fn lines_before_an_instruction_follow_jumps_backwards() {
        let code = FunctionCode::decode(&CODE, &HashSet::new());
        // From the loop's end; at the beginning of the function nothing precedes.
        assert_eq!(lines(&code, 0), [1]);
        assert_eq!(lines(&code, 4), [0]);
        assert_eq!(lines(&code, 8), [1]);
        assert_eq!(lines(&code, 13), [2]);
        assert_eq!(lines(&code, 18), [3]);
        // The line of the instruction itself, in a loop of one line.
        assert_eq!(code.lines_before(4, |_| Some(1)), (BTreeSet::new(), true));
        assert_eq!(code.lines_before(4, Some), (BTreeSet::from([0]), false));
    }

    #[test]
    fn a_jump_with_a_relocation_leaves_the_function() {
        let jump = HashSet::from([16]);
        let code = FunctionCode::decode(&CODE, &jump);
        assert!(lines(&code, 18).is_empty());
    }
}
