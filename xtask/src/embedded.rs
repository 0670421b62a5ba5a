//! The files of the clone that an installed program has with it (see `build.rs`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::Cache;
use crate::key::Inputs;

/// A file: its path from the clone's top folder, whether it is executable, and its contents.
type EmbeddedFile = (&'static str, bool, &'static [u8]);

/// The files; none in a program that was not built for release.
static FILES: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/embedded_clone.rs"));

/// Returns true if the program has the files.
pub fn has_files() -> bool {
    !FILES.is_empty()
}

/// Returns a folder with the files, in the cache; `None` if the program has none.
///
/// # Errors
///
/// Fails if the files cannot be written.
pub fn clone_folder(cache: &Cache) -> Result<Option<PathBuf>> {
    unpacked(cache, FILES)
}

fn unpacked(cache: &Cache, files: &[EmbeddedFile]) -> Result<Option<PathBuf>> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut inputs = Inputs::new("clone 1");
    for (name, executable, contents) in files {
        inputs
            .text("executable", executable.to_string())
            .bytes(name, contents);
    }
    let entry = cache.entry("clones", "kmodlab", &inputs.key(), |staging| {
        for (name, executable, contents) in files {
            write(&staging.join(name), *executable, contents)?;
        }
        Ok(())
    })?;
    Ok(Some(entry.path))
}

fn write(path: &Path, executable: bool, contents: &[u8]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    let written = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, contents)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_files_has_no_folder() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let cache = Cache::at(folder.path())?;
        assert_eq!(unpacked(&cache, &[])?, None);
        Ok(())
    }

    #[test]
    fn files_are_unpacked_once() -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir()?;
        let cache = Cache::at(folder.path())?;
        let files: &[EmbeddedFile] = &[("a/b.txt", false, b"text"), ("run", true, b"#!/bin/sh\n")];
        let first = unpacked(&cache, files)?.context("a folder")?;
        assert_eq!(std::fs::read(first.join("a/b.txt"))?, b"text");
        let mode = std::fs::metadata(first.join("run"))?.permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
        assert_eq!(unpacked(&cache, files)?, Some(first));
        Ok(())
    }
}
