//! As much of ELF as it takes to tell a static program from a dynamic one.

use std::path::Path;

/// A program header that names a dynamic loader (elf.h).
const PT_INTERP: u32 = 3;

/// True if `program` is a 64-bit ELF file that needs no dynamic loader, and so
/// runs in a guest that has nothing else.
pub fn is_static(program: &Path) -> bool {
    std::fs::read(program)
        .ok()
        .and_then(|bytes| headers(&bytes))
        .is_some_and(|headers| !headers.contains(&PT_INTERP))
}

/// The types of the program headers of a 64-bit little-endian ELF file.
fn headers(bytes: &[u8]) -> Option<Vec<u32>> {
    // e_ident: magic, ELFCLASS64, ELFDATA2LSB.
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(number(bytes, 32, 8)?).ok()?; // e_phoff
    let size = usize::try_from(number(bytes, 54, 2)?).ok()?; // e_phentsize
    let count = usize::try_from(number(bytes, 56, 2)?).ok()?; // e_phnum
    (0..count)
        .map(|index| {
            let at = table.checked_add(index.checked_mul(size)?)?;
            u32::try_from(number(bytes, at, 4)?).ok()
        })
        .collect()
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(types: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 * types.len()];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(types.len()).unwrap_or(0);
        for (index, kind) in types.iter().enumerate() {
            let at = 64 + 56 * index;
            bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_program_with_an_interpreter_is_dynamic() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let program = folder.path().join("p");
        for (bytes, fixed) in [
            (elf(&[1, 1, 4]), true),
            (elf(&[6, PT_INTERP, 1]), false),
            (elf(&[1])[..60].to_vec(), false),
            (b"#!/bin/sh\n".to_vec(), false),
            (Vec::new(), false),
        ] {
            std::fs::write(&program, bytes)?;
            assert_eq!(is_static(&program), fixed);
        }
        assert!(!is_static(Path::new("/nonexistent")));
        Ok(())
    }
}
