//! The cache folder: every result that took time, under the key of its inputs.
//!
//! A result appears under its final name only when it is whole: it is made in `staging/` and
//! then renamed. Each result has a lock of its own, so that two xtasks wait for each other only
//! if they make the same result. The kernel releases a lock when its owner ends, however it
//! ends, and the next xtask removes what the owner left in `staging/`.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};

use crate::failure::{self, Failure};
use crate::key::Key;

/// A cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// A whole result in the cache.
#[derive(Debug, Clone)]
pub struct CacheEntry {
    /// Path of the result, a folder or a file.
    pub path: PathBuf,
    /// True if the cache had the result already.
    pub cached: bool,
}

impl Cache {
    /// Opens the cache at `KMODLAB_CACHE`, else `$XDG_CACHE_HOME/kmodlab`, else
    /// `~/.cache/kmodlab`, and makes the folder if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if none of the three variables is set, and as [`Cache::at`] does.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = variable("KMODLAB_CACHE")
            .map(PathBuf::from)
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| Path::new(&cache).join("kmodlab")))
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/kmodlab")))
            .ok_or_else(|| {
                anyhow!("HOME is not set: set KMODLAB_CACHE to a folder for built kernels")
            })?;
        Self::at(&root)
    }

    /// Opens the cache at `root`, makes the folder if it does not exist, and removes what killed
    /// xtasks left in `staging/`.
    ///
    /// # Errors
    ///
    /// Fails if make cannot build in a folder of that name, or if the folder cannot be made.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        if let Some(letter) = root
            .to_string_lossy()
            .chars()
            .find(|letter| !is_plain(*letter))
        {
            return Err(Failure::usage(format!(
                "the cache folder {} has {letter:?} in its name, which make cannot build in; set \
                 KMODLAB_CACHE to another",
                root.display()
            ))
            .into());
        }
        std::fs::create_dir_all(&root).with_context(|| {
            format!(
                "cannot make the cache folder {}; set KMODLAB_CACHE to one that can be written",
                root.display()
            )
        })?;
        let cache = Self { root };
        cache.sweep()?;
        Ok(cache)
    }

    /// Removes what killed owners left in staging. A staged result has the name of its owner's
    /// lock; if nobody holds that lock, the owner has ended.
    fn sweep(&self) -> Result<()> {
        let staging = self.folder("staging")?;
        let locks = self.folder("locks")?;
        for entry in std::fs::read_dir(&staging)
            .with_context(|| format!("cannot list {}", staging.display()))?
        {
            let entry = entry?;
            let Ok(lock) = OpenOptions::new()
                .write(true)
                .open(locks.join(entry.file_name()))
            else {
                continue;
            };
            if lock.try_lock().is_ok() {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Returns the cache folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of all results of a kind, and makes it if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made.
    pub fn folder(&self, kind: &str) -> Result<PathBuf> {
        let folder = self.root.join(kind);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Returns the path that the result `kind/name-key` has once it is whole.
    pub fn path(&self, kind: &str, name: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(format!("{name}-{key}"))
    }

    /// Returns the result `kind/name-key`, which `make` makes if the cache does not have it.
    ///
    /// `make` gets a path in staging where nothing exists, and leaves a file or a folder there.
    ///
    /// # Errors
    ///
    /// Fails if `make` does, in which case the cache keeps nothing, or if the result cannot be
    /// moved into place.
    pub fn entry(
        &self,
        kind: &str,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<CacheEntry> {
        let path = self.path(kind, name, key);
        if path.exists() {
            return Ok(CacheEntry { path, cached: true });
        }
        let id = format!("{kind}-{name}-{key}");
        let _lock = self.lock(&id)?;
        if path.exists() {
            return Ok(CacheEntry { path, cached: true });
        }
        self.folder(kind)?;
        let staging = self.folder("staging")?.join(&id);
        // A killed owner may have left something.
        remove(&staging)?;
        let made = make(&staging).and_then(|()| {
            std::fs::rename(&staging, &path)
                .with_context(|| format!("cannot move {} into place", path.display()))
        });
        if let Err(error) = made {
            // The first error is the one to report.
            let _ = remove(&staging);
            return Err(self.explain_full_disk(error));
        }
        Ok(CacheEntry {
            path,
            cached: false,
        })
    }

    /// Records that `entry` is used now, and then removes the least recently used entries of its
    /// folder until at most `keep` are left. An entry that was used within the last `rest` stays.
    ///
    /// Another xtask that uses a removed entry finds it gone, so this is for entries that are
    /// made again quickly.
    ///
    /// # Errors
    ///
    /// Fails if the use cannot be recorded, or if an old entry cannot be removed.
    pub fn used(&self, entry: &Path, keep: usize, rest: Duration) -> Result<()> {
        let folder = entry.parent().unwrap_or(entry);
        let now = SystemTime::now();
        File::open(entry)
            .and_then(|entry| entry.set_modified(now))
            .with_context(|| format!("cannot record the use of {}", entry.display()))?;
        let list = || format!("cannot list {}", folder.display());
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let entry = entry.with_context(list)?;
            // Another xtask may be removing it.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            all.push((metadata.modified()?, entry.path()));
        }
        all.sort_by(|a, b| b.cmp(a));
        for (used, old) in all.into_iter().skip(keep) {
            if now.duration_since(used).is_ok_and(|since| since > rest) {
                remove(&old)?;
            }
        }
        Ok(())
    }

    /// Makes an empty folder in staging, for work whose results go elsewhere, and waits for
    /// another xtask that uses the folder.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be locked, emptied or made.
    pub fn work_folder(&self, name: &str) -> Result<WorkFolder> {
        let id = format!("work-{name}");
        let lock = self.lock(&id)?;
        let path = self.folder("staging")?.join(&id);
        remove(&path)?;
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(WorkFolder { path, _lock: lock })
    }

    /// Adds advice to an error that a full disk caused; returns any other error as it is.
    pub fn explain_full_disk(&self, error: anyhow::Error) -> anyhow::Error {
        if !failure::is_full_disk(&error) {
            return error;
        }
        error.context(Failure::host(format!(
            "no space left in {}: a kernel's source needs about 2 GiB there, and its build 1 GiB \
             more. Nothing half-made was kept. Make room, or move the cache with \
             KMODLAB_CACHE=FOLDER",
            self.root.display()
        )))
    }

    /// Takes the lock `name`; if another xtask holds it, prints so on standard error and waits.
    /// Dropping the file releases the lock.
    ///
    /// # Errors
    ///
    /// Fails if the lock's file cannot be opened or locked.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.folder("locks")?.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open the lock {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another xtask that makes {name}");
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }

    /// Writes a small file so that it appears under its name in one step.
    ///
    /// # Errors
    ///
    /// Fails if the file or its folder cannot be written.
    pub fn write(&self, path: &Path, contents: &[u8]) -> Result<()> {
        use std::io::Write as _;
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        // Beside its final path, which may be on another disk than the cache's top folder.
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(|| {
            format!(
                "cannot write in the cache, {}; KMODLAB_CACHE=FOLDER moves it",
                folder.display()
            )
        })?;
        file.write_all(contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.persist(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }
}

/// Returns true if a letter of a path means nothing to make and the shell.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+@~^=".contains(letter)
}

/// An empty folder to work in; dropping it removes the folder.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    _lock: File,
}

impl WorkFolder {
    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // The next owner removes what cannot be removed now.
        let _ = remove(&self.path);
    }
}

/// Removes a file or a folder with its contents, if it exists.
///
/// # Errors
///
/// Fails if it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Inputs;

    fn cache() -> Result<(tempfile::TempDir, Cache, Key)> {
        let folder = tempfile::tempdir()?;
        let cache = Cache::at(folder.path())?;
        Ok((folder, cache, Inputs::new("test").key()))
    }

    #[test]
    fn a_folder_that_make_cannot_build_in_is_refused() -> Result<()> {
        let folder = tempfile::tempdir()?;
        for name in ["a b", "a:b", "$a", "a#b"] {
            let error = Cache::at(&folder.path().join(name)).expect_err(name);
            assert!(error.to_string().contains("KMODLAB_CACHE"), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn a_failed_maker_leaves_nothing() -> Result<()> {
        let (_folder, cache, key) = cache()?;
        let made = cache.entry("things", "x", &key, |staging| {
            std::fs::create_dir(staging)?;
            std::fs::write(staging.join("half"), "")?;
            Err(anyhow!("broke"))
        });
        assert!(made.is_err());
        assert!(!cache.path("things", "x", &key).exists());
        assert_eq!(std::fs::read_dir(cache.folder("staging")?)?.count(), 0);
        Ok(())
    }

    #[test]
    fn leftovers_of_a_killed_owner_are_removed() -> Result<()> {
        let (_folder, cache, key) = cache()?;
        let left = cache.folder("staging")?.join(format!("things-x-{key}"));
        std::fs::create_dir(&left)?;
        std::fs::write(left.join("half"), "")?;
        let entry = cache.entry("things", "x", &key, |staging| {
            assert!(!staging.exists());
            Ok(std::fs::write(staging, "whole")?)
        })?;
        assert_eq!(std::fs::read_to_string(entry.path)?, "whole");
        Ok(())
    }

    #[test]
    fn leftovers_are_removed_unless_they_are_in_use() -> Result<()> {
        let (folder, cache, _key) = cache()?;
        let left = cache.folder("staging")?.join("kernels-left");
        std::fs::create_dir(&left)?;
        std::fs::write(cache.folder("locks")?.join("kernels-left"), "")?;
        let used = cache.work_folder("used")?;
        Cache::at(folder.path())?;
        assert!(!left.exists());
        assert!(used.path().exists());
        Ok(())
    }

    #[test]
    fn the_least_recently_used_entries_are_removed() -> Result<()> {
        let (_folder, cache, key) = cache()?;
        let entry = |name: &str| -> Result<PathBuf> {
            let made = cache.entry("guests", name, &key, |staging| {
                Ok(std::fs::create_dir(staging)?)
            })?;
            Ok(made.path)
        };
        let hour = Duration::from_secs(3600);
        let (old, older, young) = (entry("old")?, entry("older")?, entry("young")?);
        File::open(&old)?.set_modified(SystemTime::now() - 2 * hour)?;
        File::open(&older)?.set_modified(SystemTime::now() - 3 * hour)?;
        cache.used(&entry("new")?, 3, hour)?;
        assert!(old.exists() && !older.exists() && young.exists());
        cache.used(&entry("new")?, 1, hour)?;
        assert!(!old.exists() && young.exists());
        Ok(())
    }

    #[test]
    fn two_makers_of_one_thing_make_it_once() -> Result<()> {
        let (_folder, cache, key) = cache()?;
        let count = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.entry("things", "x", &key, |staging| {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(std::fs::write(staging, "x")?)
                    })
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
        Ok(())
    }
}
