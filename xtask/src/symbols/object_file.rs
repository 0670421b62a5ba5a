//! One ELF file with line tables: from a function's name and an offset in it to
//! file and line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use gimli::{EndianArcSlice, LittleEndian, Reader as _};
use object::read::elf::{ElfFile64, ElfSection64};
use object::{
    Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex,
    SectionKind, SymbolKind,
};

type Elf<'a> = ElfFile64<'a, object::LittleEndian>;
type Bytes = EndianArcSlice<LittleEndian>;

/// A kernel or a module. Its functions have the addresses that they run at in
/// the kernel, and addresses of our own choice in a module.
pub(super) struct ObjectFile {
    /// By name, for several may have the same; sections are there too.
    functions: HashMap<String, Vec<FunctionSymbol>>,
    /// The tables of lines.
    lines: addr2line::Context<Bytes>,
    /// The first section of code.
    text: Vec<u8>,
}

/// x86's `call` of a function at a distance of 32 bits, and how long it is.
const CALL: u8 = 0xe8;
const CALL_LENGTH: usize = 5;

#[derive(Debug, Clone, Copy)]
struct FunctionSymbol {
    address: u64,
    /// To the next symbol, which is what the kernel calls a function's size.
    size: u64,
}

/// Where code comes from. The compiler may put one function's code into
/// another's; then an address has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The function that the source has there, as the source calls it.
    pub function: Option<String>,
    /// The file, as a path from the folder that the compiler ran in.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// A module's sections are laid out from here on; nothing real is at 0.
const FIRST_BASE: u64 = 1 << 32;

impl ObjectFile {
    /// Reads the file at `path`.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("cannot make sense of {}", path.display()))
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
        })
    }

    /// The address of the function or the section `name`. Of several with this name it is the
    /// one whose size is nearest to `size`.
    pub(super) fn address(&self, name: &str, size: u64) -> Option<u64> {
        let functions = self.functions.get(name)?;
        let nearest = functions.iter().min_by_key(|f| f.size.abs_diff(size))?;
        Some(nearest.address)
    }

    /// The address `offset` bytes into the code of a module, if it comes right
    /// after a call, as what a call returns to does.
    pub(super) fn after_call(&self, offset: u64) -> Option<u64> {
        let at = usize::try_from(offset).ok()?.checked_sub(CALL_LENGTH)?;
        (self.text.get(at) == Some(&CALL)).then(|| FIRST_BASE + offset)
    }

    /// The folder that the compiler ran in for the code at `address`.
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

    /// Where the code at `address` comes from, the innermost function first.
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
                    .and_then(|function| Some(demangled(&function.raw_name().ok()?))),
                file,
                line,
            });
        }
        frames
    }
}

/// A function's name as its source has it.
pub(super) fn demangled(name: &str) -> String {
    // `#` leaves out the hash of the crate.
    format!("{:#}", rustc_demangle::demangle(name))
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

/// Addresses for the sections of a module, which all begin at 0 until the
/// module is loaded. A kernel's are what they are.
struct SectionBases(HashMap<SectionIndex, u64>);

impl SectionBases {
    fn new(elf: &Elf<'_>) -> Self {
        let mut bases = HashMap::new();
        if elf.kind() == ObjectKind::Relocatable {
            let mut next = FIRST_BASE;
            for section in elf.sections().filter(is_code) {
                bases.insert(section.index(), next);
                // A gap, so that no end is another's beginning.
                next = (next + section.size() + 1).next_multiple_of(1 << 12);
            }
        }
        Self(bases)
    }

    /// What to add to an address in this section.
    fn of(&self, section: SectionIndex) -> u64 {
        self.0.get(&section).copied().unwrap_or(0)
    }

    /// The section's bytes, with the addresses in them filled in.
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
            let place = usize::try_from(offset)?;
            bytes
                .to_mut()
                .get_mut(place..place + width)
                .zip(value.get(..width))
                .context("an address outside of its section")
                .map(|(bytes, value)| bytes.copy_from_slice(value))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Two sections of code, a function that is put into another, and two of
    /// one name, as two files of C may have.
    const SOURCE: &str = r#"
static inline __attribute__((always_inline)) int inner(volatile int *p)
{
	return *p;
}
__attribute__((noinline)) int outer(volatile int *p)
{
	return 1 + inner(p);
}
__attribute__((section(".init.text"), noinline)) int first(volatile int *p)
{
	return 2 + *p;
}
"#;

    fn compiled(source: &str) -> Result<ObjectFile> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("some.c"), source)?;
        let status = Command::new("cc")
            .current_dir(folder.path())
            .args(["-g", "-O2", "-c", "some.c"])
            .status()
            .context("cannot run cc")?;
        anyhow::ensure!(status.success(), "cc failed");
        ObjectFile::load(&folder.path().join("some.o"))
    }

    fn places(object: &ObjectFile, name: &str) -> Vec<String> {
        let address = object.address(name, 0).expect("it is there");
        let shown = |frame: Frame| {
            let function = frame.function.unwrap_or_default();
            format!("{function} {}:{}", frame.file, frame.line)
        };
        object.frames(address).into_iter().map(shown).collect()
    }

    #[test]
    fn a_module_tells_lines_in_each_of_its_sections() -> Result<()> {
        let object = compiled(SOURCE)?;
        let outer = places(&object, "outer");
        assert!(outer[0].contains(" some.c:"), "{outer:?}");
        let first = places(&object, "first");
        assert_eq!(first.len(), 1);
        assert!(
            ["first some.c:11", "first some.c:12", "first some.c:13"].contains(&&*first[0]),
            "{first:?}"
        );
        let address = object.address("outer", 0).context("outer")?;
        let mut inlined = (address..address + 8).map(|address| object.frames(address));
        let inlined = inlined.rfind(|frames| frames.len() == 2);
        let inlined = inlined.context("nothing is inlined")?;
        assert_eq!(inlined[0].function.as_deref(), Some("inner"));
        assert_eq!((inlined[0].line, inlined[1].line), (4, 8));
        assert_eq!(inlined[1].function.as_deref(), Some("outer"));
        assert_eq!(object.address(".init.text", 0), object.address("first", 0));
        assert_eq!(object.address("nothing", 0), None);
        assert!(object.frames(1).is_empty());
        Ok(())
    }

    #[test]
    fn of_two_with_one_name_the_size_decides() {
        let function = |address, size| FunctionSymbol { address, size };
        let mut object = compiled(SOURCE).expect("cc");
        let two = vec![function(100, 0x20), function(200, 0x40)];
        object.functions.insert("two".to_owned(), two);
        assert_eq!(object.address("two", 0x21), Some(100));
        assert_eq!(object.address("two", 0x40), Some(200));
    }

    #[test]
    fn a_program_tells_its_own_lines() -> Result<()> {
        let object = ObjectFile::load(Path::new("/proc/self/exe"))?;
        let mangled = object
            .functions
            .keys()
            .find(|name| demangled(name).ends_with("object_file::demangled"))
            .context("this program has no such function")?;
        let places = places(&object, mangled);
        let last = places.last().context("it has no lines")?;
        assert!(last.contains("src/symbols/object_file.rs:"), "{places:?}");
        Ok(())
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        for bytes in [&b""[..], b"\x7fELF", &[0x7f; 4096]] {
            assert!(ObjectFile::parse(bytes).is_err());
        }
    }

    #[test]
    fn where_a_call_returns_to_is_after_a_call() -> Result<()> {
        let mut object = compiled(SOURCE)?;
        object.text = vec![0x90, CALL, 0, 0, 0, 0, 0x90];
        assert_eq!(object.after_call(6), Some(FIRST_BASE + 6));
        for offset in [0, 5, 7, 100, u64::MAX] {
            assert_eq!(object.after_call(offset), None);
        }
        Ok(())
    }
}
