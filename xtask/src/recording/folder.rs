//! The user's folder that recordings are kept in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{EXTENSION, Recording};
use crate::failure::Failure;

/// A folder that can be written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which is made if it is not there. One that cannot
    /// be made or written to is the command line's fault.
    pub fn new(path: &Path) -> Result<Self> {
        let refuse = |error: std::io::Error| {
            Failure::usage(format!("--record: cannot use {}: {error}", path.display()))
        };
        if path.exists() && !path.is_dir() {
            let what = format!("--record: {} is no folder", path.display());
            return Err(Failure::usage(what).into());
        }
        std::fs::create_dir_all(path).map_err(refuse)?;
        // Permission bits do not tell of a file system that is read-only.
        tempfile::NamedTempFile::new_in(path).map_err(refuse)?;
        Ok(Self {
            path: std::path::absolute(path)?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a recording, under its id; returns where. Either the file is
    /// whole, or it is what it was.
    pub fn keep(&self, recording: &Recording) -> Result<PathBuf> {
        use std::io::Write as _;
        let path = self
            .path
            .join(format!("{}.{EXTENSION}", recording.manifest.id));
        let cannot = || format!("cannot write the recording {}", path.display());
        // With the rights that any new file of the user's has.
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let file = tempfile::Builder::new()
            .permissions(rights)
            .tempfile_in(&self.path);
        let mut file = file.with_context(cannot)?;
        file.write_all(&recording.packed()?).with_context(cannot)?;
        file.persist(&path).with_context(cannot)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_folder() -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        for path in [file.path(), &file.path().join("x")] {
            let error = Folder::new(path).expect_err("it is a file");
            assert_eq!(
                crate::failure::fault_of(&error),
                crate::failure::Fault::Usage
            );
        }
        Ok(())
    }

    #[test]
    fn a_folder_that_is_not_there_is_made() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let inner = folder.path().join("a/b");
        Folder::new(&inner)?;
        assert_eq!(std::fs::read_dir(inner)?.count(), 0);
        Ok(())
    }
}
