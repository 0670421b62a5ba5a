//! Copies a snapshot out of a cache that is only read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Bytes of a page of memory.
const PAGE: usize = 4096;

/// Copies the files in the folder `from` to the folder `to`, which does not exist. Most of a guest's memory
/// is zero, and takes no space in the copy.
///
/// # Errors
///
/// If a file cannot be read or written.
pub(super) fn copy_snapshot(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir(to).with_context(cannot)?;
    for entry in std::fs::read_dir(from).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let copied = || -> std::io::Result<()> {
            let target = File::create_new(to.join(entry.file_name()))?;
            copy_pages(&mut File::open(entry.path())?, &target)
        };
        copied().with_context(cannot)?;
    }
    Ok(())
}

/// Copies the pages that are not zero.
fn copy_pages(from: &mut impl Read, to: &File) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * PAGE];
    let mut end = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.set_len(end);
        }
        for page in buffer[..length].chunks(PAGE) {
            if page != &[0; PAGE][..page.len()] {
                to.write_all_at(page, end)?;
            }
            end += page.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_copy_is_equal_and_smaller() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        std::fs::create_dir(&from)?;
        let mut memory = vec![0; 2000 * PAGE + 5];
        memory[700 * PAGE + 1] = 1;
        std::fs::write(from.join("memory"), &memory)?;
        std::fs::write(from.join("state"), "state")?;
        copy_snapshot(&from, &to)?;
        assert!(std::fs::read(to.join("memory"))? == memory);
        assert_eq!(std::fs::read(to.join("state"))?, b"state");
        let disk = to.join("memory").metadata()?.blocks() * 512;
        assert!(disk < 100 * PAGE as u64, "{disk} bytes");
        assert!(copy_snapshot(&from, &to).is_err());
        Ok(())
    }
}
