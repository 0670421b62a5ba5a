//! Stores that a CPU with weakly ordered stores may make visible after later ones.
//!
//! x86 shows all stores in the order of the program, so a module that relies on this order passes there
//! and fails on arm64. `perturb` therefore holds a store back past the next ones (the idea of OZZ:
//! Jeong et al., SOSP 2024). Which stores may be passed is decided here, from the module's code:
//!
//! - From the held store to its end, the instructions are executed in a row: no branch, no call, no
//!   instruction with `lock`, no `xchg`, no fence, nothing but moves and arithmetic.
//! - In C, each `barrier()` leaves its address in a section of its own ([`ORDER_SECTION`]), which
//!   `smp_wmb()` and `smp_store_release()` contain on x86. Nothing is held past such an address.
//! - In Rust, the line of the innermost inlined function shows the order of an atomic store
//!   (`is_ordered` of [`held_stores`]). Nothing is held past a store with `Release` or of an unknown order. Such a
//!   store may itself be held: a release orders the stores before it, and not those after it.
//!
//! The rest depends on addresses, which `perturb` checks: the task's own accesses of the memory, devices, and
//! its stack (modules/tools/perturb/store.c).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, Register};
use object::read::elf::ElfFile64;
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind, SymbolKind,
};

use super::operand::Operand;
use super::plain::{is_plain, source, uses_memory, writes_memory};
use super::probe_points::{ProbeKind, ProbePoint};
use crate::kernel::ORDER_SECTION;

/// A store, and a later store of the same task that others may see before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStore {
    /// The store that is held back.
    pub store: ProbePoint,
    /// The last store before the end.
    pub passed: ProbePoint,
    /// The instruction behind that, before which the held store becomes visible.
    pub end: ProbePoint,
    /// The instructions between store and end that use memory, with `passed`.
    pub between: Vec<ProbePoint>,
    /// The operands of `store` and of those in `between`, with the fields that `perturb` needs for them.
    operands: Vec<u32>,
}

/// Maximum number of instructions that use memory between a store and its end.
const MAX_BETWEEN: usize = 24;

/// Sections that name instructions which the kernel replaces, or in which a fault is expected.
const PATCHES: [&str; 5] = [
    "__jump_table",
    ".altinstructions",
    ".static_call_sites",
    "__ex_table",
    "__bug_table",
];

impl HeldStore {
    /// Returns a held store without operands.
    #[cfg(test)]
    pub(super) fn new(
        store: ProbePoint,
        passed: ProbePoint,
        end: ProbePoint,
        between: Vec<ProbePoint>,
    ) -> Self {
        let operands = vec![5; 1 + between.len()];
        Self {
            store,
            passed,
            end,
            between,
            operands,
        }
    }

    /// Returns the operand of a point with the fields that `perturb` needs, if it is the store or between
    /// store and end.
    pub(super) fn operand(&self, point: &ProbePoint) -> Option<u32> {
        let mut points = std::iter::once(&self.store).chain(&self.between);
        let index = points.position(|own| own.address() == point.address())?;
        self.operands.get(index).copied()
    }

    /// Returns all points where `perturb` sets probes.
    pub(super) fn points(&self) -> impl Iterator<Item = &ProbePoint> {
        [&self.store, &self.end].into_iter().chain(&self.between)
    }
}

/// Returns the stores of the module at `path` that may be held back, each with each of the later stores that
/// may pass it, in the order of the module's code. `is_ordered` reports whether the store at a distance in
/// bytes from a function's beginning follows all earlier ones, or may do so.
///
/// # Errors
///
/// Fails if the file cannot be read or is not an x86-64 ELF object.
pub fn held_stores(
    path: &Path,
    mut is_ordered: impl FnMut(&str, u32) -> bool,
) -> Result<Vec<HeldStore>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    in_module(&bytes, &mut is_ordered)
        .with_context(|| format!("{} is not a readable kernel module", path.display()))
}

fn in_module(
    bytes: &[u8],
    is_ordered: &mut dyn FnMut(&str, u32) -> bool,
) -> Result<Vec<HeldStore>> {
    let elf = ElfFile64::<object::LittleEndian>::parse(bytes)?;
    let ordered = named_addresses(&elf, &[ORDER_SECTION])?;
    let patched = named_addresses(&elf, &PATCHES)?;
    let mut stores: Vec<HeldStore> = Vec::new();
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
        let of_function = |addresses: &BTreeSet<(usize, u64)>| {
            let end = begin.saturating_add(symbol.size());
            let range = addresses.range((index.0, begin)..=(index.0, end));
            range.map(|(_, address)| address - begin).collect()
        };
        let function = Function {
            name: symbol.name()?,
            section: index.0,
            begin,
            ordered: of_function(&ordered),
            patched: of_function(&patched),
        };
        stores.extend(function.held_stores(code, is_ordered));
    }
    // A function may have several symbols: `init_module` is an alias.
    stores.sort_by_key(|held| (held.store.address(), held.end.address()));
    stores.dedup_by_key(|held| (held.store.address(), held.end.address()));
    Ok(stores)
}

/// Returns the addresses that the relocations of these sections name: a section's index, and the distance from
/// its beginning in bytes.
fn named_addresses(
    elf: &ElfFile64<'_, object::LittleEndian>,
    names: &[&str],
) -> Result<BTreeSet<(usize, u64)>> {
    let mut addresses = BTreeSet::new();
    for section in elf.sections() {
        if !section.name().is_ok_and(|name| names.contains(&name)) {
            continue;
        }
        for (_, relocation) in section.relocations() {
            let (section, address) = match relocation.target() {
                RelocationTarget::Symbol(index) => {
                    let symbol = elf.symbol_by_index(index)?;
                    (symbol.section_index(), symbol.address())
                }
                RelocationTarget::Section(index) => (Some(index), 0),
                _ => continue,
            };
            if let Some(section) = section {
                let address = address.wrapping_add_signed(relocation.addend());
                addresses.insert((section.0, address));
            }
        }
    }
    Ok(addresses)
}

/// A function of a module. Distances are those from its beginning, in bytes.
struct Function<'a> {
    name: &'a str,
    section: usize,
    begin: u64,
    /// The distances of instructions before which earlier stores are visible.
    ordered: BTreeSet<u64>,
    /// The distances of instructions that the kernel replaces.
    patched: BTreeSet<u64>,
}

/// An instruction that uses memory.
struct Access {
    point: ProbePoint,
    operand: u32,
    writes: bool,
    /// Whether the memory may be other than the task's stack.
    is_shared: bool,
}

impl Function<'_> {
    fn held_stores(
        &self,
        code: &[u8],
        is_ordered: &mut dyn FnMut(&str, u32) -> bool,
    ) -> Vec<HeldStore> {
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let mut instructions = Vec::new();
        let mut accesses = Vec::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let constants = decoder.get_constant_offsets(&instruction);
            let operand = uses_memory(&instruction)
                .then(|| Operand::of_access(&instruction, constants))
                .flatten();
            accesses.push(operand.and_then(|operand| self.access(&instruction, operand)));
            instructions.push(instruction);
        }
        let mut stores = Vec::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let Some(access) = &accesses[index] else {
                continue;
            };
            let may_be_held =
                source(instruction).is_some() && access.is_shared && !self.is_patched(instruction);
            if may_be_held {
                stores.extend(self.held_store(index, &instructions, &accesses, is_ordered));
            }
        }
        stores
    }

    /// Returns the store at this index, once for each later store that may pass it.
    fn held_store(
        &self,
        store: usize,
        instructions: &[Instruction],
        accesses: &[Option<Access>],
        is_ordered: &mut dyn FnMut(&str, u32) -> bool,
    ) -> Vec<HeldStore> {
        let mut found = Vec::new();
        let Some(held) = &accesses[store] else {
            return found;
        };
        let mut between: Vec<&Access> = Vec::new();
        for (index, instruction) in instructions.iter().enumerate().skip(store + 1) {
            // A release may be on the task's stack, or behind a register that often holds its address.
            let is_ordering = self.ordered.contains(&instruction.ip())
                || writes_memory(instruction) && is_ordered(self.name, instruction.ip32());
            if is_ordering || self.is_patched(instruction) || !is_plain(instruction) {
                break;
            }
            if !uses_memory(instruction) {
                continue;
            }
            let Some(access) = &accesses[index] else {
                break;
            };
            let passes = access.writes && access.is_shared;
            if between.len() == MAX_BETWEEN {
                break;
            }
            between.push(access);
            let next = instructions.get(index + 1);
            let end = next.filter(|next| !self.is_patched(next) && !next.is_invalid());
            if let Some(end) = end.filter(|_| passes) {
                let operands = std::iter::once(held.operand);
                let points = between.iter().map(|access| access.point.clone());
                found.push(HeldStore {
                    store: held.point.clone(),
                    passed: access.point.clone(),
                    end: self.point(end, None),
                    between: points.collect(),
                    operands: operands
                        .chain(between.iter().map(|access| access.operand))
                        .collect(),
                });
            }
        }
        found
    }

    fn is_patched(&self, instruction: &Instruction) -> bool {
        let range = instruction.ip()..instruction.next_ip();
        self.patched.range(range).next().is_some()
    }

    fn point(&self, instruction: &Instruction, operand: Option<Operand>) -> ProbePoint {
        ProbePoint {
            function: self.name.to_owned(),
            offset: instruction.ip32(),
            section: self.section,
            section_offset: self.begin + instruction.ip(),
            in_kernel: false,
            kind: ProbeKind::Access,
            operand,
            calls: None,
        }
    }

    /// Returns the access of an instruction with this operand; `None` if `perturb` cannot check it.
    fn access(&self, instruction: &Instruction, operand: Operand) -> Option<Access> {
        let size = match operand.bytes {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => return None,
        };
        let is_shared = !matches!(instruction.memory_base(), Register::RSP | Register::RBP);
        let source = source(instruction).unwrap_or(0);
        Some(Access {
            point: self.point(instruction, Some(operand)),
            operand: operand.bits | size << 21 | source << 23,
            writes: operand.writes,
            is_shared,
        })
    }
}

#[cfg(test)]
mod tests;
