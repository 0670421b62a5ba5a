//! The removal of a result that is not in use.
//!
//! A result leaves its name in one step, as it got it: it is moved to `staging/` under its own
//! lock and removed there. If the removal is interrupted, the next xtask finds the rest in
//! `staging/` without an owner, and removes it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::entries::{exists, id};
use super::manifest::{manifest_path, result_of};
use super::{remove, uses};

/// Beginning of the name of a result that is being removed in its folder, which is on another disk
/// than `staging/`.
const REMOVING: &str = ".removing-";

/// Name of the lock of an xtask that removes several entries.
const REMOVALS: &str = "removals";

/// The end of an attempt to remove a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// The result is removed.
    Removed,
    /// An xtask uses, makes or removes the result.
    InUse,
    /// Another xtask has removed the result.
    Gone,
}

/// Removes the result at `path` of the cache folder `root`, unless it is in use.
///
/// # Errors
///
/// Fails if the result cannot be opened or removed.
pub(super) fn evict(root: &Path, path: &Path) -> Result<Eviction> {
    let id = id(path);
    let Some(_lock) = lock(root, &id)? else {
        return Ok(Eviction::InUse);
    };
    let unused = match uses::open_unused(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Eviction::Gone),
        unused => unused.with_context(|| format!("cannot open {}", path.display()))?,
    };
    let Some(unused) = unused else {
        return Ok(Eviction::InUse);
    };
    let aside = move_aside(root, path, &id)?;
    // An xtask that waited for this lock now finds that the result has gone.
    drop(unused);
    remove(&manifest_path(path))?;
    remove(&aside)?;
    Ok(Eviction::Removed)
}

/// Moves a result away from its name, and returns its new path.
fn move_aside(root: &Path, path: &Path, id: &str) -> Result<PathBuf> {
    let aside = root.join("staging").join(id);
    remove(&aside)?;
    let cannot = || format!("cannot remove {}", path.display());
    match std::fs::rename(path, &aside) {
        // A folder of the cache may be another disk's.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let aside = path.with_file_name(format!("{REMOVING}{name}"));
            remove(&aside)?;
            std::fs::rename(path, &aside).with_context(cannot)?;
            Ok(aside)
        }
        moved => moved.map(|()| aside).with_context(cannot),
    }
}

/// Removes what an interrupted removal left in `folder`, the results of a kind: a manifest without
/// a result, and the rest of a result on another disk.
///
/// # Errors
///
/// Fails if the folder cannot be listed, or the rest cannot be removed.
pub(super) fn sweep(root: &Path, folder: &Path) -> Result<()> {
    let list = || format!("cannot list {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let result = match name.strip_prefix(REMOVING) {
            Some(name) => Some(folder.join(name)),
            None => result_of(&path).filter(|result| !exists(result)),
        };
        let Some(result) = result.filter(|result| is_entry_name(result)) else {
            continue;
        };
        // The manifest of a new result is written shortly before the result has its name.
        if let Some(_lock) = lock(root, &id(&result))?
            && (is_removing(&path) || !exists(&result))
        {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Returns true if the path is that of a result in the course of its removal.
pub(super) fn is_removing(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(REMOVING)
}

/// Returns true if the file name is that of a result: it ends with a hyphen and a key.
pub(super) fn is_entry_name(path: &Path) -> bool {
    let name = path.file_name().and_then(std::ffi::OsStr::to_str);
    name.and_then(|name| name.rsplit_once('-'))
        .is_some_and(|(name, key)| {
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            !name.is_empty() && key.len() == 12 && key.bytes().all(digit)
        })
}

/// Takes the lock of the cache folder that xtasks hold while they remove several entries; `None` if
/// another xtask holds it.
pub(super) fn try_lock_removals(root: &Path) -> Result<Option<File>> {
    lock(root, REMOVALS)
}

/// Takes the same lock, and waits for another xtask that holds it.
pub(super) fn lock_removals(root: &Path) -> Result<File> {
    if let Some(lock) = lock(root, REMOVALS)? {
        return Ok(lock);
    }
    crate::errln!("waiting for another xtask that removes entries from the cache");
    let file = open_lock(root, REMOVALS)?;
    let locked = file.lock();
    locked.with_context(|| {
        format!(
            "cannot lock {}",
            root.join("locks").join(REMOVALS).display()
        )
    })?;
    Ok(file)
}

/// Takes the lock `name` of the cache folder; `None` if another xtask holds it.
fn lock(root: &Path, name: &str) -> Result<Option<File>> {
    let file = open_lock(root, name)?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn open_lock(root: &Path, name: &str) -> Result<File> {
    let path = root.join("locks").join(name);
    let made = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    made.or_else(|_| File::open(&path))
        .with_context(|| format!("cannot open the lock {}", path.display()))
}
