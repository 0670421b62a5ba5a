//! Copies files that are mostly zero, such as the memory of a guest.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes of a page of memory.
const PAGE: usize = 4096;

/// Copies a file to one that does not exist. Holes, and pages of zeros where the file has lost its holes,
/// take no space in the copy.
///
/// # Errors
///
/// If a file cannot be read or written.
pub(super) fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        let (mut source, target) = (File::open(from)?, File::create_new(to)?);
        target.set_len(source.metadata()?.len())?;
        let mut hole = 0;
        // There is no data behind the last (ENXIO).
        while let Some(data) = match rustix::fs::seek(&source, SeekFrom::Data(hole)) {
            Err(Errno::NXIO) => None,
            data => Some(data?),
        } {
            hole = rustix::fs::seek(&source, SeekFrom::Hole(data))?;
            source.seek(std::io::SeekFrom::Start(data))?;
            copy_pages((&source).take(hole - data), &target, data)?;
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Copies the pages that are not zero to the place `at` of a file.
fn copy_pages(mut from: impl std::io::Read, to: &File, mut at: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * PAGE];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        for page in buffer[..length].chunks(PAGE) {
            if page != &[0; PAGE][..page.len()] {
                to.write_all_at(page, at)?;
            }
            at += page.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_holes() -> Result<()> {
        const LONG: u64 = 8 << 20;
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let file = File::create(&from)?;
        file.set_len(LONG)?;
        file.write_all_at(b"begins", 0)?;
        file.write_all_at(b"goes on", LONG / 2 + 5)?;
        copy_sparse(&from, &to)?;
        assert_eq!(std::fs::read(&from)?, std::fs::read(&to)?);
        assert!(std::fs::metadata(&to)?.blocks() * 512 < LONG / 4);
        // A file that is there already is not overwritten.
        assert!(copy_sparse(&from, &to).is_err());
        Ok(())
    }

    #[test]
    fn zeros_take_no_space_in_a_copy() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut memory = vec![0; 2000 * PAGE + 5];
        memory[700 * PAGE + 1] = 1;
        std::fs::write(&from, &memory)?;
        copy_sparse(&from, &to)?;
        assert!(std::fs::read(&to)? == memory);
        let disk = to.metadata()?.blocks() * 512;
        assert!(disk < 100 * PAGE as u64, "{disk} bytes");
        Ok(())
    }
}
