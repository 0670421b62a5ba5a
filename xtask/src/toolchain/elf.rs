//! Distinguishes static programs from dynamic ones.

use std::path::Path;

use object::LittleEndian;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// Returns true if `program` is a 64-bit ELF file without a dynamic loader, so that it runs in a
/// guest that has no library.
pub fn is_static(program: &Path) -> bool {
    let interpreters = |bytes: &[u8]| -> object::Result<usize> {
        let file = FileHeader64::<LittleEndian>::parse(bytes)?;
        let endian = file.endian()?;
        let headers = file.program_headers(endian, bytes)?;
        Ok(headers
            .iter()
            .filter(|header| header.p_type(endian) == PT_INTERP)
            .count())
    };
    std::fs::read(program).is_ok_and(|bytes| interpreters(&bytes) == Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(types: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 * types.len()];
        // 64 bits, little-endian, version 1.
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
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
        for (bytes, expected) in [
            (elf(&[1, 1, 4]), true),
            (elf(&[6, 3, 1]), false),
            (elf(&[1])[..60].to_vec(), false),
            (b"#!/bin/sh\n".to_vec(), false),
            (Vec::new(), false),
        ] {
            std::fs::write(&program, bytes)?;
            assert_eq!(is_static(&program), expected);
        }
        assert!(!is_static(Path::new("/nonexistent")));
        Ok(())
    }
}
