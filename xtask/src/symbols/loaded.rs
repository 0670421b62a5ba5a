//! Finds the addresses of a loaded module's sections from outside the guest: from the
//! module's file, and from the guest's memory when the kernel is about to call the
//! module's init function.
//!
//! The kernel's own list (`/sys/module/NAME/sections`) can be read only in the guest.
//! Reading would change the guest's run, and a guest whose module crashes in its init
//! function could not read it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SectionFlags, SectionIndex, elf,
};

use super::Elf;
use crate::kernel::MODULE_ADDRESSES;
use crate::modules::kernel_name;

/// The kernel's function that calls a module's init function. Its argument is the
/// `struct module` (kernel/module/main.c).
pub const BEFORE_INIT: &str = "do_init_module";

/// The section that becomes a module's `struct module`, with the module's name and
/// the addresses of its init and exit functions.
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// The kernel's list of modules, and the distance of a module's `list` from its beginning
/// (include/linux/module.h).
pub const MODULE_LIST: &str = "modules";
const LIST: u64 = 8;

/// Reads the addresses of all `struct module` in the kernel's list at the address `list`. `read` returns
/// bytes of the guest's memory.
///
/// # Errors
///
/// If the memory of an entry cannot be read.
pub fn listed_modules(
    list: u64,
    read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>,
) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut entry = number(&read(list, 8)?);
    // The memory of a guest that has not started yet has other contents.
    while entry != list && MODULE_ADDRESSES.contains(&entry) && !found.contains(&(entry - LIST)) {
        found.push(entry - LIST);
        entry = number(&read(entry, 8)?);
    }
    Ok(found)
}

/// A module in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModule {
    /// Name of the module.
    pub name: String,
    /// Address of each section, by name.
    pub sections: BTreeMap<String, u64>,
}

impl LoadedModule {
    /// Checks that a module's file can be read.
    ///
    /// # Errors
    ///
    /// If it is not an object file for this machine.
    pub fn check(file: &[u8]) -> Result<()> {
        Elf::parse(file).map(drop).context("it cannot be parsed")
    }

    /// Finds the sections of the module with the file `file`, if its `struct module` is
    /// at the address `module`. `read` returns bytes of the guest's memory.
    ///
    /// # Errors
    ///
    /// If the file is not a module, or the memory of its `struct module` cannot be
    /// read.
    pub fn look(
        name: &str,
        file: &[u8],
        module: u64,
        read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>,
    ) -> Result<Option<Self>> {
        let elf = Elf::parse(file).with_context(|| format!("cannot parse {name}.ko"))?;
        let Some(this) = elf.section_by_name(THIS_MODULE) else {
            return Ok(None);
        };
        // With the zero at the name's end.
        let name_bytes = [kernel_name(name).as_bytes(), &[0]].concat();
        let mut windows = this.data()?.windows(name_bytes.len());
        let Some(at) = windows.position(|window| window == name_bytes) else {
            return Ok(None);
        };
        if read(module + at as u64, name_bytes.len())? != name_bytes {
            return Ok(None);
        }
        let mut known = BTreeMap::new();
        for (offset, relocation) in this.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = elf.symbol_by_index(index)?;
            if let Some(section) = symbol.section_index() {
                let function = number(&read(module + offset, 8)?);
                known.insert(section.0, function.wrapping_sub(symbol.address()));
            }
        }
        add_adjacent_sections(&elf, &mut known);
        add_referenced_sections(&elf, &mut known, read);
        let named = known.into_iter().filter_map(|(index, address)| {
            let section = elf.section_by_index(SectionIndex(index)).ok()?;
            Some((section.name().ok()?.to_owned(), address))
        });
        Ok(Some(Self {
            name: name.to_owned(),
            sections: named.collect(),
        }))
    }
}

impl LoadedModule {
    /// Removes the sections that the kernel frees after a module's init function: another module may have
    /// that memory.
    pub fn remove_init(&mut self) {
        let sections = &mut self.sections;
        sections.retain(|section, _| !section.starts_with(".init"));
    }

    /// Returns the address of a function of the module with the file `file`.
    ///
    /// # Errors
    ///
    /// If the file is not a module, or has no such function in a section of a known address.
    pub fn function(&self, file: &[u8], function: &str) -> Result<u64> {
        let elf = Elf::parse(file).with_context(|| format!("cannot parse {}.ko", self.name))?;
        let mut symbols = elf.symbols();
        let symbol = symbols.find(|symbol| symbol.name() == Ok(function));
        let address = symbol.and_then(|symbol| {
            let section = elf.section_by_index(symbol.section_index()?).ok()?;
            let base = self.sections.get(section.name().ok()?)?;
            Some(base.wrapping_add(symbol.address()))
        });
        address.with_context(|| format!("{}.ko has no function {function}", self.name))
    }
}

/// Adds the sections of code that are adjacent to a known one. The kernel loads them in
/// the order of the file, with the `.init` sections apart (`__layout_sections`).
fn add_adjacent_sections(elf: &Elf<'_>, known: &mut BTreeMap<usize, u64>) {
    for is_init_pass in [false, true] {
        let mut end = 0_u64;
        let mut offsets = Vec::new();
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let code = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
            let init = section.name().is_ok_and(|name| name.starts_with(".init"));
            if sh_flags & code == code && init == is_init_pass {
                let offset = end.next_multiple_of(section.align().max(1));
                offsets.push((section.index().0, offset));
                end = offset + section.size();
            }
        }
        let base = offsets
            .iter()
            .find_map(|(index, offset)| Some(known.get(index)?.wrapping_sub(*offset)));
        if let Some(base) = base {
            let all = offsets.iter();
            known.extend(all.map(|(index, offset)| (*index, base.wrapping_add(*offset))));
        }
    }
}

/// Adds the sections to which a section of a known address has relocations: the
/// kernel has written their addresses to the guest's memory.
fn add_referenced_sections(
    elf: &Elf<'_>,
    known: &mut BTreeMap<usize, u64>,
    read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>,
) {
    let mut visited = Vec::new();
    while let Some((index, base)) = known
        .iter()
        .map(|(index, base)| (*index, *base))
        .find(|(index, _)| !visited.contains(index))
    {
        visited.push(index);
        let Ok(section) = elf.section_by_index(SectionIndex(index)) else {
            continue;
        };
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let Ok(symbol) = elf.symbol_by_index(symbol) else {
                continue;
            };
            let Some(target) = symbol.section_index() else {
                continue;
            };
            if known.contains_key(&target.0) {
                continue;
            }
            let address = base.wrapping_add(offset);
            let (length, from) = match relocation.flags() {
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_64 => (8, 0),
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_32S => (4, 0),
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_PC32 => (4, address),
                _ => continue,
            };
            // The kernel frees some sections, which are not needed.
            let Ok(bytes) = read(address, length) else {
                continue;
            };
            let start = number(&bytes)
                .wrapping_add(from)
                .wrapping_sub(symbol.address())
                .wrapping_add_signed(relocation.addend().wrapping_neg());
            let aligned = elf
                .section_by_index(target)
                .is_ok_and(|section| start.is_multiple_of(section.align().max(1)));
            if aligned && start >= super::MODULES {
                known.insert(target.0, start);
            }
        }
    }
}

/// Parses a signed number of 4 or 8 bytes in little endian.
fn number(bytes: &[u8]) -> u64 {
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    for (all, byte) in all.iter_mut().zip(bytes) {
        *all = *byte;
    }
    u64::from_le_bytes(all)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A module in C: a `struct module` with a name and two functions.
    const SOURCE: &str = r#"
int counter = 1;
const int limit = 5;
int stop;
int helper(void) { return counter++ < limit; }
__attribute__((section(".init.text"))) int init(void) { return helper() + stop; }
__attribute__((section(".exit.text"))) void leave(void) { counter = 0; }
__attribute__((section(".gnu.linkonce.this_module")))
struct { long state; char name[16]; int (*init)(void); void (*exit)(void); }
this = { .name = "probe", .init = init, .exit = leave };
"#;

    const MODULE: u64 = 0xffff_ffff_a000_2000;
    const CODE: u64 = 0xffff_ffff_a000_0000;
    const INIT: u64 = 0xffff_ffff_a000_4000;
    const DATA: u64 = 0xffff_ffff_a000_6000;

    /// Loads a file with few sections as the kernel does.
    fn loaded(file: &[u8]) -> Result<(BTreeMap<String, u64>, BTreeMap<u64, u8>)> {
        let elf = Elf::parse(file)?;
        let place = |name: &str| match name {
            ".text" => Some(CODE),
            ".exit.text" => {
                let text = elf.section_by_name(".text")?;
                Some(CODE + text.size())
            }
            ".init.text" => Some(INIT),
            ".data" => Some(DATA),
            ".bss" => Some(DATA + 0x100),
            ".rodata" => Some(DATA + 0x200),
            THIS_MODULE => Some(MODULE),
            _ => None,
        };
        let (mut places, mut memory) = (BTreeMap::new(), BTreeMap::new());
        for section in elf.sections() {
            let Some(base) = place(section.name()?) else {
                continue;
            };
            places.insert(section.name()?.to_owned(), base);
            memory.extend((base..).zip(section.data()?.iter().copied()));
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    continue;
                };
                let symbol = elf.symbol_by_index(index)?;
                let target = symbol.section_index().context("a symbol of its own")?;
                let target = place(elf.section_by_index(target)?.name()?);
                let value = target.context("a section of its own")? + symbol.address();
                let value = value.wrapping_add_signed(relocation.addend());
                let RelocationFlags::Elf { r_type } = relocation.flags() else {
                    continue;
                };
                let (value, width) = match r_type {
                    elf::R_X86_64_64 => (value, 8),
                    elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => {
                        (value.wrapping_sub(base + offset), 4)
                    }
                    elf::R_X86_64_32S => (value, 4),
                    _ => continue,
                };
                memory.extend((base + offset..).zip(value.to_le_bytes().into_iter().take(width)));
            }
        }
        Ok((places, memory))
    }

    fn compiled() -> Result<Vec<u8>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("some.c"), SOURCE)?;
        let status = Command::new("cc")
            .current_dir(folder.path())
            .args(["-O1", "-fno-pic", "-mcmodel=kernel", "-fno-inline"])
            .args(["-fno-asynchronous-unwind-tables", "-fcf-protection=none"])
            .args(["-c", "some.c"])
            .status()
            .context("cannot run cc")?;
        anyhow::ensure!(status.success(), "cc failed");
        Ok(std::fs::read(folder.path().join("some.o"))?)
    }

    fn find(name: &str) -> Result<(Option<LoadedModule>, BTreeMap<String, u64>)> {
        let file = compiled()?;
        let (places, memory) = loaded(&file)?;
        let mut read = |address: u64, length: usize| {
            let bytes: Option<Vec<u8>> = (address..)
                .take(length)
                .map(|address| memory.get(&address).copied())
                .collect();
            bytes.with_context(|| format!("nothing at {address:x}"))
        };
        Ok((LoadedModule::look(name, &file, MODULE, &mut read)?, places))
    }

    #[test]
    fn all_sections_that_functions_use_are_found() -> Result<()> {
        let (module, mut places) = find("probe")?;
        let module = module.context("it is the module")?;
        for section in [".text", ".init.text", ".exit.text", ".data", ".bss"] {
            assert_eq!(
                module.sections.get(section),
                places.get(section),
                "{section}: {:x?}",
                module.sections
            );
        }
        // The other sections have no wrong addresses.
        places.retain(|section, _| module.sections.contains_key(section));
        assert_eq!(module.sections, places);
        Ok(())
    }

    #[test]
    fn another_module_is_not_this_one() -> Result<()> {
        assert_eq!(find("other")?.0, None);
        assert_eq!(find("prob")?.0, None);
        Ok(())
    }

    #[test]
    fn numbers_have_signs() {
        assert_eq!(number(&[1, 2]), 0x201);
        assert_eq!(number(&[0, 0, 0, 0xa0]), 0xffff_ffff_a000_0000);
    }
}
