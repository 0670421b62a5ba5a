//! Folders of long work, which an interruption does not lose.
//!
//! Results are made in `staging/`, and what a killed owner leaves there is removed. A program that
//! can continue its own work, as make can, works in a folder of `unfinished/` instead. The folder stays if
//! its owner is killed, and the next xtask with the same inputs continues in it.
//!
//! Files that were written before the host started last do not count: their contents may be lost while
//! their names and times are there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Cache, remove};
use crate::key::Key;

/// The folder of this kind of entries.
pub(super) const KIND: &str = "unfinished";

/// File in a folder of work with the number of the host's start in which the work began.
const STARTED: &str = ".kmodlab-boot";

/// A file with the number of the host's last start (Documentation/admin-guide/sysctl/kernel.rst).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A folder for work that can be continued.
#[derive(Debug)]
pub struct Unfinished<'a> {
    cache: &'a Cache,
    path: PathBuf,
    /// True if an earlier xtask has begun the work.
    pub is_begun: bool,
}

impl Cache {
    /// Returns the folder for the work on the result `name-key`, which the caller has the lock of. It is
    /// empty unless an earlier xtask was killed while it worked there.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made or emptied.
    pub fn unfinished(&self, name: &str, key: &Key) -> Result<Unfinished<'_>> {
        let host = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        self.unfinished_since(name, key, &host)
    }

    /// Does the same on a host whose last start has the number `host`.
    pub(super) fn unfinished_since(
        &self,
        name: &str,
        key: &Key,
        host: &str,
    ) -> Result<Unfinished<'_>> {
        let path = self.path(KIND, name, key);
        let started = path.join(STARTED);
        let begun = std::fs::read_to_string(&started).ok();
        // Held before it is trusted, so that no `gc` removes it afterwards.
        let is_begun = !host.is_empty()
            && begun.is_some_and(|begun| begun == host)
            && self.uses.hold(&path, true);
        if !is_begun {
            self.uses.release(&path);
            remove(&path)?;
            std::fs::create_dir_all(&path)
                .with_context(|| format!("cannot make {}", path.display()))?;
            self.uses.hold(&path, false);
            std::fs::write(&started, host)
                .with_context(|| format!("cannot write {}", started.display()))?;
        }
        Ok(Unfinished {
            cache: self,
            path,
            is_begun,
        })
    }
}

impl Unfinished<'_> {
    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the finished work to `staging`, where nothing exists.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be moved.
    pub fn finish(self, staging: &Path) -> Result<()> {
        remove(&self.path.join(STARTED))?;
        self.cache.uses.release(&self.path);
        std::fs::rename(&self.path, staging)
            .with_context(|| format!("cannot move {}", self.path.display()))
    }

    /// Removes the folder: the work has failed, and would fail again.
    pub fn discard(self) {
        self.cache.uses.release(&self.path);
        // The failure of the work is the one to report.
        let _ = remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::tests::cache;
    use super::super::{CollectionRule, collect};
    use super::*;

    #[test]
    fn work_that_was_interrupted_continues_until_the_host_starts_again() -> Result<()> {
        let (folder, cache, key) = cache()?;
        let begin = |cache: &Cache| -> Result<()> {
            let work = cache.unfinished_since("x", &key, "first")?;
            assert!(!work.is_begun);
            assert!(!work.path().join("half").exists());
            Ok(std::fs::write(work.path().join("half"), "done")?)
        };
        begin(&cache)?;
        // The owner was killed: nothing has called `finish` or `discard`.
        drop(cache);
        let cache = Cache::at(folder.path())?;
        let work = cache.unfinished_since("x", &key, "first")?;
        assert!(work.is_begun);
        let staging = cache.folder("staging")?.join("x");
        work.finish(&staging)?;
        let files = crate::key::files_below(&staging)?;
        assert_eq!(files, [staging.join("half")]);
        remove(&staging)?;
        for host in ["second", ""] {
            begin(&cache)?;
            let work = cache.unfinished_since("x", &key, host)?;
            assert!(!work.is_begun && !work.path().join("half").exists());
            work.discard();
            assert_eq!(std::fs::read_dir(cache.folder("unfinished")?)?.count(), 0);
        }
        // Without a number of the host's start, nothing says that the files are whole.
        cache.unfinished_since("x", &key, "")?;
        assert!(!cache.unfinished_since("x", &key, "")?.is_begun);
        Ok(())
    }

    #[test]
    fn unfinished_work_is_listed_and_collected_unless_it_is_in_use() -> Result<()> {
        let (folder, cache, key) = cache()?;
        let rule = CollectionRule {
            keep: BTreeSet::new(),
            recent: Duration::ZERO,
            dry_run: false,
        };
        let path = cache.unfinished("6.12", &key)?.path().to_owned();
        assert!(collect(folder.path(), &rule)?.removed.is_empty());
        assert!(path.exists());
        // The owner was killed.
        drop(cache);
        let removed = collect(folder.path(), &rule)?.removed;
        let [item] = &removed[..] else {
            panic!("{removed:?}");
        };
        assert_eq!(item.group, "kernels whose build was interrupted");
        assert_eq!(item.what, "Linux 6.12");
        assert!(!path.exists());
        Ok(())
    }
}
