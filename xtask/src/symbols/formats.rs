//! Reads the formats of the kernel's and the modules' messages from their files.

use std::path::Path;

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, SectionFlags, SectionKind, elf};

use super::Elf;
use crate::lesson::kernel_log::{WARNING, is_quiet};
use crate::lesson::origin::Origins;

/// The byte with which `printk` marks a level; a digit follows (include/linux/kern_levels.h).
const LEVEL_MARK: char = '\x01';

/// Maximum length of a format, in bytes.
const MAX_FORMAT: usize = 1000;

/// Reads the formats of a kernel and of modules. Files that cannot be read have none.
pub fn origins<'a>(vmlinux: &Path, modules: impl IntoIterator<Item = &'a Path>) -> Origins {
    let mut origins = Origins::default();
    let _ = constants(vmlinux, |text| match split_level(text) {
        (Some(level), format) if level <= WARNING || is_quiet(format) => {
            origins.kernel.add(format);
        }
        (None, format) if format.ends_with('\n') => origins.kernel_devices.add(format),
        _ => {}
    });
    for module in modules {
        // A line may be printed with several formats, so one without an end is one too.
        let _ = constants(module, |text| origins.add_of_module(split_level(text).1));
    }
    origins
}

fn split_level(text: &str) -> (Option<u8>, &str) {
    let level = |text: &str| u8::try_from(text.chars().next()?.to_digit(8)?).ok();
    match text.strip_prefix(LEVEL_MARK) {
        Some(rest) => (level(rest), rest.get(1..).unwrap_or_default()),
        None => (None, text),
    }
}

/// Calls `found` for each text between two zero bytes in an ELF file's constant data.
fn constants(path: &Path, mut found: impl FnMut(&str)) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = Elf::parse(&*bytes)?;
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        let is_constant = sh_flags.contains(elf::SHF_ALLOC)
            && !sh_flags.contains(elf::SHF_EXECINSTR)
            && section.kind() != SectionKind::UninitializedData;
        if !is_constant {
            continue;
        }
        let data = section.data()?;
        let texts = data.split(|byte| *byte == 0);
        let texts = texts.filter(|text| (1..=MAX_FORMAT).contains(&text.len()));
        for text in texts.filter_map(|text| std::str::from_utf8(text).ok()) {
            let is_plain = |letter: char| !letter.is_control() || "\n\t\x01".contains(letter);
            if text.chars().all(is_plain) {
                found(text);
            }
        }
    }
    Ok(())
}
