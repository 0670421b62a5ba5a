//! Where the kernel has put a module's sections, found out from outside: by its
//! file, and by the guest's memory when the kernel is about to call the
//! module's first function.
//!
//! The kernel's own list of them (`/sys/module/NAME/sections`) would have to be
//! read in the guest, which would do something else then; and a guest that dies
//! of its module's first function would tell nothing.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use object::read::elf::ElfFile64;
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SectionFlags, SectionIndex, elf,
};

type Elf<'a> = ElfFile64<'a, object::LittleEndian>;

/// The kernel's function that calls a module's first one; its argument is the
/// `struct module` (kernel/module/main.c).
pub const BEFORE_INIT: &str = "do_init_module";

/// The section that the kernel takes for a module's `struct module`: the name
/// is in it, and where its first and its last function come.
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// A module in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModule {
    /// Its name.
    pub name: String,
    /// Its sections, by name, and where each begins.
    pub sections: BTreeMap<String, u64>,
}

impl LoadedModule {
    /// Looks at the module whose file is `file`, if it is that which the kernel
    /// has at the address `module`. `read` gives bytes of the guest's memory.
    pub fn look(
        name: &str,
        file: &[u8],
        module: u64,
        read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>,
    ) -> Result<Option<Self>> {
        let elf = Elf::parse(file).with_context(|| format!("cannot make sense of {name}.ko"))?;
        let Some(this) = elf.section_by_name(THIS_MODULE) else {
            return Ok(None);
        };
        // With the zero at its end.
        let wanted = [name.as_bytes(), &[0]].concat();
        let mut windows = this.data()?.windows(wanted.len());
        let Some(at) = windows.position(|window| window == wanted) else {
            return Ok(None);
        };
        if read(module + at as u64, wanted.len())? != wanted {
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
        beside(&elf, &mut known);
        referred_to(&elf, &mut known, read);
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

/// Sections of code lie side by side, in the order of the file; those that
/// begin with `.init` apart from the others (`__layout_sections`).
fn beside(elf: &Elf<'_>, known: &mut BTreeMap<usize, u64>) {
    for wants_init in [false, true] {
        let mut end = 0_u64;
        let mut offsets = Vec::new();
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let code = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
            let init = section.name().is_ok_and(|name| name.starts_with(".init"));
            if sh_flags & code == code && init == wants_init {
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

/// Sections that one of a known address refers to: the kernel has filled in
/// where they are.
fn referred_to(
    elf: &Elf<'_>,
    known: &mut BTreeMap<usize, u64>,
    read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>,
) {
    let mut looked = Vec::new();
    while let Some((index, base)) = known
        .iter()
        .map(|(index, base)| (*index, *base))
        .find(|(index, _)| !looked.contains(index))
    {
        looked.push(index);
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
            let place = base.wrapping_add(offset);
            let (length, from) = match relocation.flags() {
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_64 => (8, 0),
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_32S => (4, 0),
                RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_PC32 => (4, place),
                _ => continue,
            };
            // A section that is gone cannot be read, and is not needed.
            let Ok(bytes) = read(place, length) else {
                continue;
            };
            let begins = number(&bytes)
                .wrapping_add(from)
                .wrapping_sub(symbol.address())
                .wrapping_add_signed(relocation.addend().wrapping_neg());
            let aligned = elf
                .section_by_index(target)
                .is_ok_and(|section| begins.is_multiple_of(section.align().max(1)));
            if aligned && begins >= super::MODULES {
                known.insert(target.0, begins);
            }
        }
    }
}

/// A signed number of 4 or 8 bytes, least significant first.
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

    /// As a module's file: a `struct module` with a name and two functions.
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

    /// What the kernel's loader does, for a file of few sections.
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

    fn look(name: &str) -> Result<(Option<LoadedModule>, BTreeMap<String, u64>)> {
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
    fn all_that_the_functions_use_is_found() -> Result<()> {
        let (module, mut places) = look("probe")?;
        let module = module.context("it is the module")?;
        for section in [".text", ".init.text", ".exit.text", ".data", ".bss"] {
            assert_eq!(
                module.sections.get(section),
                places.get(section),
                "{section}: {:x?}",
                module.sections
            );
        }
        // And nothing wrong of the others.
        places.retain(|section, _| module.sections.contains_key(section));
        assert_eq!(module.sections, places);
        Ok(())
    }

    #[test]
    fn another_module_is_not_this_one() -> Result<()> {
        assert_eq!(look("other")?.0, None);
        assert_eq!(look("prob")?.0, None);
        Ok(())
    }

    #[test]
    fn numbers_have_signs() {
        assert_eq!(number(&[1, 2]), 0x201);
        assert_eq!(number(&[0, 0, 0, 0xa0]), 0xffff_ffff_a000_0000);
    }
}
