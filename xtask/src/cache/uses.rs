//! The use of results: who uses a result now, and when a result was last used.
//!
//! An xtask holds a shared lock on each result that it uses, on the file or folder itself, until
//! it ends. A result on which nobody holds a lock is not in use, and may be removed. The lock
//! works in a cache that can only be read as well, so that a teacher's gc does not take a result
//! from a student. The time of the last use is the result's time of modification.
//!
//! Where a file system has no locks (some network file systems), only the time of use protects a
//! result: see `RECENT` in `cache/collect.rs`.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The results that an xtask uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    held: Mutex<HashMap<PathBuf, File>>,
}

/// The results that a lookup has found: see [`super::Cache::lookup`].
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<BTreeSet<PathBuf>>);

impl Found {
    /// Returns true if a result is at `path`, and remembers its path.
    pub(super) fn look(&self, path: &Path) -> bool {
        let exists = std::fs::symlink_metadata(path).is_ok();
        if exists {
            lock(&self.0).insert(path.to_owned());
        }
        exists
    }

    /// Returns the paths of all results that were found.
    pub(super) fn paths(&self) -> BTreeSet<PathBuf> {
        lock(&self.0).clone()
    }
}

impl Uses {
    /// Takes the lock on the result at `path` until this xtask ends, and records the time of use
    /// if `record` is true. Returns false if nothing is at `path`.
    pub(super) fn hold(&self, path: &Path, record: bool) -> bool {
        if std::fs::symlink_metadata(path).is_err() {
            self.release(path);
            return false;
        }
        let mut held = lock(&self.held);
        while let Ok(metadata) = path.metadata() {
            if held.get(path).is_some_and(|file| is_same(file, &metadata)) {
                return true;
            }
            allow_files(held.len());
            let Ok(file) = open(path) else { break };
            if file.lock_shared().is_err() {
                break;
            }
            // Another xtask may have removed the result while this one waited for the lock.
            if path.metadata().is_ok_and(|now| is_same(&file, &now)) {
                if record {
                    record_use(&file);
                }
                held.insert(path.to_owned(), file);
                return true;
            }
        }
        // A result that cannot be opened or locked is for its caller to judge.
        std::fs::symlink_metadata(path).is_ok()
    }

    /// Takes the lock on the result at `staging`, which is about to be moved to `path`.
    pub(super) fn hold_new(&self, staging: &Path, path: &Path) {
        let mut held = lock(&self.held);
        allow_files(held.len());
        if let Ok(file) = open(staging)
            && file.lock_shared().is_ok()
        {
            held.insert(path.to_owned(), file);
        }
    }

    /// Releases the lock on the result at `path`, if this xtask holds it.
    pub(super) fn release(&self, path: &Path) {
        lock(&self.held).remove(path);
    }
}

/// Returns the open result at `path` with the only lock on it; `None` if it is in use, or if it
/// is no longer there.
pub(super) fn open_unused(path: &Path) -> std::io::Result<Option<File>> {
    let file = open(path)?;
    let is_unused = file.try_lock().is_ok() && is_same(&file, &path.metadata()?);
    Ok(is_unused.then_some(file))
}

/// Returns true if an xtask uses the result at `path`.
pub(super) fn is_in_use(path: &Path) -> bool {
    open(path).is_ok_and(|file| file.try_lock().is_err())
}

/// Records that a result is used now. In a cache that users share, the owner of a result may be
/// another one: then its group's right to write is enough.
fn record_use(file: &File) {
    let now = |nanoseconds| Timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: now(UTIME_OMIT),
        last_modification: now(UTIME_NOW),
    };
    // Without the right to write, the result only seems older than it is.
    let _ = rustix::fs::futimens(file, &times);
}

/// Raises the limit of this process for open files, if `held` locks come near to it.
fn allow_files(held: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let held = u64::try_from(held).unwrap_or(u64::MAX);
    if current.is_some_and(|limit| held >= limit / 2) && current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        // A result beyond the limit is used without a lock.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Opens a file or a folder. A pipe with a result's name does not delay this.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn is_same(file: &File, metadata: &Metadata) -> bool {
    file.metadata()
        .is_ok_and(|file| (file.dev(), file.ino()) == (metadata.dev(), metadata.ino()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
