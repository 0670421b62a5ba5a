//! Temporary folders of guests, which the next xtask removes if their owner was killed.
//!
//! Such a folder is outside of the cache, because the path of a socket has at most 108 bytes
//! (unix(7)). Its owner holds the lock of a file in it. The lock goes with the owner, however
//! that ends, and holds in each container that shares the folder's file system: process
//! identifiers would mean other processes there.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use tempfile::TempDir;

use crate::cache::remove;

/// Beginning of the folders' names.
const PREFIX: &str = "kmodlab-guest-";

/// File whose lock the owner of a folder holds.
const LOCK: &str = "kmodlab.lock";

/// A temporary folder; dropping it removes it.
#[derive(Debug)]
pub struct GuestFolder {
    // Dropped in this order: a folder without a lock would be swept while it is being removed.
    folder: TempDir,
    _lock: File,
}

impl GuestFolder {
    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a folder for a guest's sockets and files in `TMPDIR`, and removes the folders there
/// that have lost their owner.
///
/// # Errors
///
/// Fails if the folder cannot be made or locked.
pub fn guest_folder() -> Result<GuestFolder> {
    let parent = std::env::temp_dir();
    sweep(&parent);
    let make = || format!("cannot make a folder in {}", parent.display());
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(&parent)
        .with_context(make)?;
    // Locked before it has its name: another xtask may sweep at any moment.
    let unnamed = folder.path().join("new");
    let lock = File::create(&unnamed).with_context(make)?;
    lock.lock().with_context(make)?;
    std::fs::rename(&unnamed, folder.path().join(LOCK)).with_context(make)?;
    Ok(GuestFolder {
        folder,
        _lock: lock,
    })
}

/// Removes the folders in `parent` that have a lock nobody holds.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        // The lock of another user's folder cannot be opened, so that folder stays. A symbolic
        // link or a FIFO with a lock's name is not a lock: the flags prevent a wait for it.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let mut options = File::options();
        options.write(true).custom_flags(flags);
        if is_ours
            && let Ok(lock) = options.open(entry.path().join(LOCK))
            && lock
                .metadata()
                .is_ok_and(|lock| lock.is_file() && lock.len() == 0)
            && lock.try_lock().is_ok()
        {
            let _ = remove(&entry.path());
        }
    }
}
