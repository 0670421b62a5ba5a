//! Files that appear under their names only when they are whole, and files that a person writes, which
//! may be anything.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Maximum length of a file that [`read`] reads, in bytes: a hundred times that of the longest
/// source.
const LARGEST: u64 = 4 << 20;

/// Reads an ordinary file of at most 4 MiB. A pipe or a device, to which a link may lead, may have no
/// end.
///
/// # Errors
///
/// Fails if the file cannot be read, is not ordinary or is longer.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, LARGEST)
}

/// Reads an ordinary file of at most `largest` bytes as [`read`] does.
///
/// # Errors
///
/// Fails as [`read`] does.
pub fn read_at_most(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    // A pipe would be waited for.
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    if file.take(largest + 1).read_to_end(&mut bytes)? as u64 > largest {
        let why = format!("it is longer than {} MiB", largest >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Reads a text as [`read`] does.
///
/// # Errors
///
/// Fails as [`read`], and if the file is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Writes a file, which is whole or stays as it was, and returns it open. It has the permissions of
/// any new file of the user's.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<File> {
    let written = beside(path, contents.as_ref()).and_then(|file| Ok(file.persist(path)?));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file as [`write`] does, and makes the folders that it is in. It is on the disk before it
/// takes the place of an earlier one.
///
/// # Errors
///
/// Fails if the file or a folder cannot be written.
pub fn write_below(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let written = || -> io::Result<()> {
        std::fs::create_dir_all(folder_of(path))?;
        let file = beside(path, contents.as_ref())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file beside its final path: elsewhere, it could be on another disk.
fn beside(path: &Path, contents: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    file.write_all(contents)?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Reports whether a path leads to something below the folder that it is relative to.
pub fn is_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
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

    #[test]
    fn only_an_ordinary_file_is_read() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        write(&path("text"), "text")?;
        std::os::unix::fs::symlink(path("text"), path("link"))?;
        assert_eq!(read_text(&path("link"))?, "text");
        write(&path("bytes"), b"\xff")?;
        write(&path("long"), "")?.set_len(LARGEST + 1)?;
        std::os::unix::fs::symlink("/dev/zero", path("device"))?;
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), pipe, 0o600.into(), 0)?;
        for (name, why) in [
            ("bytes", "it is not UTF-8"),
            ("long", "it is longer than 4 MiB"),
            ("device", "it is not an ordinary file"),
            ("pipe", "it is not an ordinary file"),
            ("", "it is not an ordinary file"),
            ("none", "No such file or directory (os error 2)"),
        ] {
            let error = read_text(&path(name)).expect_err(name);
            assert_eq!(error.to_string(), why, "{name}");
        }
        Ok(())
    }
}
