//! The cache folder: every result that took time, under the key of its inputs.
//!
//! A result appears under its final name only when it is whole: it is made in
//! `staging/` and renamed. Each result has a lock of its own, so two xtasks
//! wait for each other where they make the same thing and work apart where
//! they do not. A lock belongs to a file descriptor: it goes with its owner,
//! however that ends, and the next owner sweeps what was left in staging.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};

use crate::failure::{self, Failure};
use crate::key::Key;

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// A whole result in the cache.
#[derive(Debug, Clone)]
pub struct CacheEntry {
    /// Where it is: a folder, or a file if its maker made one.
    pub path: PathBuf,
    /// True if it was there already.
    pub cached: bool,
}

impl Cache {
    /// The cache at `KMODLAB_CACHE`, else `$XDG_CACHE_HOME/kmodlab`, else
    /// `~/.cache/kmodlab`. Made if it is not there.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = variable("KMODLAB_CACHE")
            .map(PathBuf::from)
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| Path::new(&cache).join("kmodlab")))
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/kmodlab")))
            .ok_or_else(|| anyhow!("no HOME: set KMODLAB_CACHE to a folder for built kernels"))?;
        Self::at(&root)
    }

    /// The cache at `root`, which is made if it is not there.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        if let Some(letter) = root
            .to_string_lossy()
            .chars()
            .find(|letter| !is_tame(*letter))
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

    /// Removes what killed owners left in staging: an entry has its owner's
    /// lock by its name, and a lock that can be had has no owner.
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

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of all results of a kind, made if it is not there.
    pub fn folder(&self, kind: &str) -> Result<PathBuf> {
        let folder = self.root.join(kind);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// The path that the result `kind/name-key` has once it is whole.
    pub fn path(&self, kind: &str, name: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(format!("{name}-{key}"))
    }

    /// The result `kind/name-key`, made by `make` if it is not there.
    ///
    /// `make` gets a path in staging where nothing is; it leaves a file or a
    /// folder there. If it fails, nothing stays.
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
        remove(&staging)?; // of an owner that was killed
        let made = make(&staging).and_then(|()| {
            std::fs::rename(&staging, &path)
                .with_context(|| format!("cannot move {} into place", path.display()))
        });
        if let Err(error) = made {
            // The first error is the one to tell of.
            let _ = remove(&staging);
            return Err(self.explain_full_disk(error));
        }
        Ok(CacheEntry {
            path,
            cached: false,
        })
    }

    /// Notes that `entry` is used now, and removes those of its kind that were used
    /// the longest ago, so that `keep` are left, and none that was used within the
    /// last `rest`. For what is quickly made again: who uses one just then finds it
    /// gone.
    pub fn used(&self, entry: &Path, keep: usize, rest: Duration) -> Result<()> {
        let folder = entry.parent().unwrap_or(entry);
        let now = SystemTime::now();
        File::open(entry)
            .and_then(|entry| entry.set_modified(now))
            .with_context(|| format!("cannot note the use of {}", entry.display()))?;
        let list = || format!("cannot list {}", folder.display());
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let entry = entry.with_context(list)?;
            // It may be going just now.
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

    /// An empty folder in staging, for work whose results are kept elsewhere;
    /// another xtask that uses the folder is waited for.
    pub fn work_folder(&self, name: &str) -> Result<WorkFolder> {
        let id = format!("work-{name}");
        let lock = self.lock(&id)?;
        let path = self.folder("staging")?.join(&id);
        remove(&path)?;
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(WorkFolder { path, _lock: lock })
    }

    /// Says of an error that comes of a full disk what to do about that.
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

    /// Takes the lock `name`, waiting for another xtask that holds it; the
    /// wait is announced on stderr. Dropping the file releases it.
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

    /// Writes a small file under its name in one step. It is staged beside its
    /// place, which may be on another disk than the cache's top folder.
    pub fn write(&self, path: &Path, contents: &[u8]) -> Result<()> {
        use std::io::Write as _;
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
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

/// Whether make and the shell leave a letter of a path alone.
fn is_tame(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+@~^=".contains(letter)
}

/// A folder to work in; it goes when this is dropped.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    _lock: File,
}

impl WorkFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next owner.
        let _ = remove(&self.path);
    }
}

/// Removes a file or a folder with all in it; fine if it is not there.
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
    fn what_a_killed_owner_left_is_swept() -> Result<()> {
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
    fn what_was_left_under_another_name_is_swept_unless_it_is_in_use() -> Result<()> {
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
    fn what_was_not_used_for_long_goes_if_there_is_much_of_it() -> Result<()> {
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
