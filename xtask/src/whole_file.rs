//! Files that appear under their names only when they are whole.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes a file, which is whole or stays as it was, and returns it open. It has the permissions of
/// any new file of the user's.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<File> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // Beside its final path: elsewhere, it could be on another disk.
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(cannot)?;
    file.write_all(contents.as_ref()).with_context(cannot)?;
    file.persist(path).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_another_or_stays_as_it_was() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x");
        write(&path, "old")?;
        write(&path, "new")?;
        assert_eq!(std::fs::read(&path)?, b"new");
        assert!(write(&folder.path().join("none/x"), "").is_err());
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
