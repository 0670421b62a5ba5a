//! newc archives whose bytes depend only on their files.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use cpio::newc::Builder;

use super::GuestFile;

// File types of st_mode, inode(7).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive under construction. Every entry belongs to root and has timestamp 0; inode numbers
/// count up from 1.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Creates an empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the bytes of an archive with these files.
    ///
    /// # Errors
    ///
    /// Fails if a file is larger than 4 GiB.
    pub fn of(files: &[GuestFile]) -> Result<Vec<u8>> {
        let mut archive = Self::new();
        for GuestFile {
            path,
            mode,
            contents,
        } in files
        {
            archive.file(path, *mode, contents)?;
        }
        archive.finish()
    }

    /// Adds a folder and its parents, if the archive does not have them.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be packed.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        let path = relative(path);
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        self.parents(path)?;
        self.entry(path, FOLDER | 0o755, (0, 0), &[])
    }

    /// Adds a file with these permission bits.
    ///
    /// # Errors
    ///
    /// Fails if the file is larger than 4 GiB.
    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let path = relative(path);
        self.parents(path)?;
        self.entry(path, FILE | mode, (0, 0), contents)
    }

    /// Adds a symbolic link to `target`.
    ///
    /// # Errors
    ///
    /// Fails if the link cannot be packed.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let path = relative(path);
        self.parents(path)?;
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a character device, which does not take root.
    ///
    /// # Errors
    ///
    /// Fails if the device cannot be packed.
    pub fn character_device(
        &mut self,
        path: &str,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<()> {
        let path = relative(path);
        self.parents(path)?;
        self.entry(path, CHARACTER_DEVICE | mode, (major, minor), &[])
    }

    /// Ends the archive and returns its bytes, whose number is a multiple of 512: the kernel expects
    /// the next archive at a multiple of four.
    ///
    /// # Errors
    ///
    /// Fails if the end cannot be packed.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        cpio::newc::trailer(&mut self.bytes).context("cannot end the archive")?;
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        Ok(self.bytes)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        match Path::new(path).parent() {
            Some(parent) => self.folder(&parent.to_string_lossy()),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), contents: &[u8]) -> Result<()> {
        self.entries += 1;
        let size = u32::try_from(contents.len()).with_context(|| {
            format!("{path} is too large for a newc archive: 4 GiB are the limit")
        })?;
        let mut writer = Builder::new(path)
            .ino(self.entries)
            .mode(mode)
            .nlink(1)
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(&mut self.bytes, size);
        writer.write_all(contents)?;
        writer
            .finish()
            .with_context(|| format!("cannot pack {path}"))?;
        Ok(())
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_once_and_before_their_contents() -> Result<()> {
        let mut archive = Archive::new();
        archive.file("/a/b/c", 0o644, b"x")?;
        archive.file("/a/b/d", 0o755, b"yy")?;
        let bytes = archive.finish()?;
        let mut names = Vec::new();
        let mut rest = bytes.as_slice();
        loop {
            let reader = cpio::newc::Reader::new(rest)?;
            if reader.entry().is_trailer() {
                break;
            }
            names.push((reader.entry().name().to_owned(), reader.entry().mode()));
            rest = reader.finish()?;
        }
        assert_eq!(
            names,
            [
                ("a".to_owned(), 0o040_755),
                ("a/b".to_owned(), 0o040_755),
                ("a/b/c".to_owned(), 0o100_644),
                ("a/b/d".to_owned(), 0o100_755),
            ]
        );
        Ok(())
    }

    #[test]
    fn archives_can_follow_one_another() -> Result<()> {
        assert_eq!(Archive::new().finish()?.len() % 512, 0);
        Ok(())
    }
}
