//! One ELF file with line tables: converts a function's name and an offset to a file
//! and line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use gimli::{EndianArcSlice, LittleEndian, Reader as _};
use object::read::elf::ElfSection64;
use object::{
    Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex,
    SectionKind, SymbolKind,
};

use super::Elf;

type Bytes = EndianArcSlice<LittleEndian>;

/// The kernel or a module. The kernel's functions have their addresses at run time;
/// a module's functions have arbitrary ones, because a module is relocatable.
pub(super) struct ObjectFile {
    /// Functions and sections by name. Several functions may have one name.
    functions: HashMap<String, Vec<FunctionSymbol>>,
    /// The line tables.
    lines: addr2line::Context<Bytes>,
    /// Bytes of a module's first section of code; empty for the kernel.
    text: Vec<u8>,
    /// Bytes of a module's section of code that only its init function needs.
    init: Vec<u8>,
}

/// Opcode of x86's `call` with a 32-bit distance, and length of the instruction.
const CALL: u8 = 0xe8;
const CALL_LENGTH: usize = 5;

/// Bytes of a page. The kernel loads a module's code at the beginning of one.
const PAGE: u64 = 4096;

#[derive(Debug, Clone, Copy)]
struct FunctionSymbol {
    address: u64,
    /// Distance to the next symbol, which is the function's size for the kernel.
    size: u64,
}

/// A function and line of the source. An address in inlined code has several frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Name of the function, as in the source.
    pub function: Option<String>,
    /// The file, as a path from the compiler's working folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Address that is assigned to a module's first section; not 0, which is the address of
/// unresolved symbols.
const FIRST_BASE: u64 = 1 << 32;

/// Name of the section with the code that only a module's init function needs.
const INIT: &str = ".init.text";

/// Returns the offsets in `code` that have the same place in a page as `address` and whose instruction before is a
/// call.
fn after_calls(code: &[u8], address: u64) -> impl Iterator<Item = u64> {
    let is_after_call = |offset: &u64| {
        let at = usize::try_from(*offset).ok();
        let at = at.and_then(|at| at.checked_sub(CALL_LENGTH));
        at.is_some_and(|at| code.get(at) == Some(&CALL))
    };
    let pages = 0..=u64::try_from(code.len()).unwrap_or(0) / PAGE;
    let offsets = pages.map(move |page| page * PAGE + address % PAGE);
    offsets.filter(is_after_call)
}

impl ObjectFile {
    /// Reads the file at `path`.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("cannot parse {}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let elf = Elf::parse(bytes)?;
        let bases = SectionBases::new(&elf);
        let dwarf = gimli::Dwarf::load(|id| -> Result<Bytes> {
            let bytes = match elf.section_by_name(id.name()) {
                Some(section) => bases.relocated(&elf, &section)?,
                None => Cow::Borrowed(&[][..]),
            };
            Ok(Bytes::new(Arc::from(bytes), LittleEndian))
        })?;
        Ok(Self {
            functions: functions(&elf, &bases),
            lines: addr2line::Context::from_dwarf(dwarf)?,
            text: match elf.sections().find(is_code) {
                Some(section) if elf.kind() == ObjectKind::Relocatable => section.data()?.to_vec(),
                _ => Vec::new(),
            },
            init: match elf.section_by_name(INIT) {
                Some(section) if elf.kind() == ObjectKind::Relocatable => section.data()?.to_vec(),
                _ => Vec::new(),
            },
        })
    }

    /// Returns the address of a function or section; of several with this name, that
    /// with the size nearest to `size`.
    pub(super) fn address(&self, name: &str, size: u64) -> Option<u64> {
        let functions = self.functions.get(name)?;
        let nearest = functions.iter().min_by_key(|f| f.size.abs_diff(size))?;
        Some(nearest.address)
    }

    /// Returns the offsets in a module's code that have the same place in a page as `address` and
    /// whose instruction before is a call.
    pub(super) fn after_calls(&self, address: u64) -> impl Iterator<Item = u64> {
        after_calls(&self.text, address)
    }

    /// Returns the offsets in a module's code where a function begins and that have the same place in a page as
    /// `address`.
    pub(super) fn beginnings(&self, address: u64) -> impl Iterator<Item = u64> {
        let symbols = self.functions.values().flatten();
        let offsets = symbols.filter_map(|symbol| symbol.address.checked_sub(FIRST_BASE));
        offsets.filter(move |offset| self.has_code(*offset) && offset % PAGE == address % PAGE)
    }

    /// Returns true if the module's code is longer than `offset` bytes.
    pub(super) fn has_code(&self, offset: u64) -> bool {
        usize::try_from(offset).is_ok_and(|offset| offset < self.text.len())
    }

    /// Returns the frames of a return address in a module's init function, innermost first; none unless it is
    /// behind one call with this place in a page.
    pub(super) fn init_frames(&self, address: u64) -> Vec<Frame> {
        let mut offsets = after_calls(&self.init, address);
        match (self.address(INIT, 0), offsets.next(), offsets.next()) {
            (Some(begin), Some(offset), None) => self.frames(begin + offset - 1),
            _ => Vec::new(),
        }
    }

    /// Returns the address `offset` bytes into a module's code.
    pub(super) fn address_of_code(&self, offset: u64) -> u64 {
        FIRST_BASE + offset
    }

    /// Returns the compiler's working folder for the code at `address`.
    fn folder(&self, address: u64) -> String {
        let unit = self.lines.find_dwarf_and_unit(address).skip_all_loads();
        unit.and_then(|unit| {
            Some(
                unit.unit
                    .comp_dir
                    .as_ref()?
                    .to_string_lossy()
                    .ok()?
                    .into_owned(),
            )
        })
        .unwrap_or_default()
    }

    /// Returns the frames of the code at `address`, innermost first.
    pub(super) fn frames(&self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        let folder = self.folder(address);
        let Ok(mut found) = self.lines.find_frames(address).skip_all_loads() else {
            return frames;
        };
        while let Ok(Some(frame)) = found.next() {
            let Some((file, line)) = frame
                .location
                .and_then(|location| Some((location.file?, location.line?)))
            else {
                continue;
            };
            let file = file
                .strip_prefix(&folder)
                .unwrap_or(file)
                .trim_start_matches('/');
            let file = file.strip_prefix("./").unwrap_or(file).to_owned();
            frames.push(Frame {
                function: frame
                    .function
                    .and_then(|function| Some(short_name(&function.raw_name().ok()?))),
                file,
                line,
            });
        }
        // Line tables alone name only functions that are inlined or inline others.
        if let Some(outermost) = frames.last_mut() {
            let of_symbol = || self.function_at(address).map(demangled);
            outermost.function = outermost.function.take().or_else(of_symbol);
        }
        frames
    }

    /// Returns the file, as the compiler names it, and the line of the code at `address`, of inlined functions
    /// that of the innermost. `None` if the compiler gives no line, because it merged the code of several.
    pub(super) fn innermost_line(&self, address: u64) -> Option<(String, u32)> {
        let mut found = self.lines.find_frames(address).skip_all_loads().ok()?;
        let location = found.next().ok()??.location?;
        let line = location.line.filter(|line| *line > 0)?;
        Some((location.file?.to_owned(), line))
    }

    /// Returns the symbol of the function with the code at `address`.
    fn function_at(&self, address: u64) -> Option<&str> {
        let is_at = |symbol: &FunctionSymbol| {
            (symbol.address..symbol.address + symbol.size).contains(&address)
        };
        self.functions
            .iter()
            .filter(|(name, symbols)| !name.starts_with('.') && symbols.iter().any(is_at))
            .map(|(name, _)| name.as_str())
            // A function may have several names.
            .min()
    }
}

/// Returns a function's name as in its source.
pub(super) fn demangled(name: &str) -> String {
    // `#` omits the hash of the crate.
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Returns the name of a function of debug information, without the path and the types that full debug
/// information has of Rust.
fn short_name(name: &str) -> String {
    let name = demangled(name);
    let (mut depth, mut parts) = (0_u32, vec![String::new()]);
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '<' | '{' | '(' => depth += 1,
            '>' | '}' | ')' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && letters.next_if_eq(&':').is_some() => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    // A generic function's types are the last part.
    let last = parts.iter().rev().find(|part| !part.starts_with('<'));
    last.cloned().unwrap_or(name)
}

fn functions(elf: &Elf<'_>, bases: &SectionBases) -> HashMap<String, Vec<FunctionSymbol>> {
    let mut ends: Vec<u64> = elf
        .sections()
        .filter(is_code)
        .map(|section| bases.of(section.index()) + section.address() + section.size())
        .collect();
    let code: Vec<SectionIndex> = elf.sections().filter(is_code).map(|s| s.index()).collect();
    let mut named = Vec::new();
    for section in elf.sections().filter(is_code) {
        if let Ok(name) = section.name() {
            named.push((name, bases.of(section.index()) + section.address()));
        }
    }
    for symbol in elf.symbols() {
        let Some(section) = symbol.section_index().filter(|index| code.contains(index)) else {
            continue;
        };
        if matches!(symbol.kind(), SymbolKind::Section | SymbolKind::File) {
            continue;
        }
        let address = bases.of(section) + symbol.address();
        ends.push(address);
        if let Ok(name) = symbol.name() {
            named.push((name, address));
        }
    }
    ends.sort_unstable();
    let mut functions: HashMap<String, Vec<FunctionSymbol>> = HashMap::new();
    for (name, address) in named {
        let next = ends.partition_point(|end| *end <= address);
        let size = ends.get(next).map_or(0, |end| end - address);
        functions
            .entry(name.to_owned())
            .or_default()
            .push(FunctionSymbol { address, size });
    }
    functions
}

fn is_code(section: &ElfSection64<'_, '_, object::LittleEndian>) -> bool {
    section.kind() == SectionKind::Text
}

/// Addresses of the sections of a module, which all begin at 0 in its file. Empty for
/// the kernel, whose file has the addresses.
struct SectionBases(HashMap<SectionIndex, u64>);

impl SectionBases {
    fn new(elf: &Elf<'_>) -> Self {
        let mut bases = HashMap::new();
        if elf.kind() == ObjectKind::Relocatable {
            let mut next = FIRST_BASE;
            for section in elf.sections().filter(is_code) {
                bases.insert(section.index(), next);
                // The end of a section must not be the beginning of the next.
                next = (next + section.size() + 1).next_multiple_of(1 << 12);
            }
        }
        Self(bases)
    }

    /// Returns the number to add to an address in this section.
    fn of(&self, section: SectionIndex) -> u64 {
        self.0.get(&section).copied().unwrap_or(0)
    }

    /// Returns the section's bytes after relocation.
    fn relocated<'a>(
        &self,
        elf: &Elf<'a>,
        section: &ElfSection64<'a, '_, object::LittleEndian>,
    ) -> Result<Cow<'a, [u8]>> {
        let mut bytes = Cow::Borrowed(section.data()?);
        for (offset, relocation) in section.relocations() {
            let target = match relocation.target() {
                RelocationTarget::Symbol(index) => {
                    let symbol = elf.symbol_by_index(index)?;
                    let base = symbol.section_index().map_or(0, |index| self.of(index));
                    base + symbol.address()
                }
                RelocationTarget::Section(index) => self.of(index),
                _ => 0,
            };
            let value = target
                .wrapping_add_signed(relocation.addend())
                .to_le_bytes();
            let width = usize::from(relocation.size() / 8);
            let start = usize::try_from(offset)?;
            bytes
                .to_mut()
                .get_mut(start..start + width)
                .zip(value.get(..width))
                .context("a relocation outside its section")
                .map(|(bytes, value)| bytes.copy_from_slice(value))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
