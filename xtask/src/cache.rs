//! The cache folder: every result that took time, under the key of its inputs.
//!
//! A result appears under its final name only when it is whole: it is made in `staging/` and
//! then renamed. Each result has a lock of its own, so that two xtasks wait for each other only
//! if they make the same result. The kernel releases a lock when its owner ends, however it
//! ends, and the next xtask removes what the owner left in `staging/`. Only work that takes minutes and
//! can be continued has a folder elsewhere (`cache/unfinished.rs`).
//!
//! A cache can be damaged from outside: by a power cut, a full disk or a hand. Beside each result
//! is a manifest (`cache/manifest.rs`), written before the result gets its final name. A result
//! that differs from its manifest is removed with a note and made anew (`cache/entries.rs`).
//!
//! A cache that this user cannot write, such as a teacher's for a class, is only read. Results
//! that it does not have go to the user's own cache, which is searched first.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

mod collect;
mod entries;
mod evict;
mod import;
mod inventory;
mod limit;
mod listing;
mod location;
mod manifest;
mod sizes;
mod unfinished;
mod uses;
mod words;

use crate::failure::{self, Failure};
use crate::key::Key;
use crate::ui::Notes;
use crate::whole_file;
use location::plain_path;
use uses::{Found, Uses};

pub use collect::{Collected, CollectionRule, collect};
pub use entries::remove_entry;
pub use import::EntryName;
pub use inventory::{CacheItem, Inventory, ItemStatus};
pub use limit::{SizeLimit, keep_limit, keep_within};
pub use listing::{collected_text, listing, listing_json};
pub use location::{CacheFolders, FolderState, folder_state};
pub use manifest::Parts;
pub use unfinished::Unfinished;

/// Maximum number of folders for work of one name, which as many xtasks use at the same time.
const MAX_WORK_FOLDERS: usize = 8;

/// A cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// A cache that is only read.
    shared: Option<PathBuf>,
    notes: Notes,
    /// The results in use; all clones have the same ones.
    uses: Arc<Uses>,
    /// The results that were found, if this is a lookup.
    found: Option<Arc<Found>>,
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
    /// `~/.cache/kmodlab`, and makes the folder if it does not exist. If `KMODLAB_CACHE` is a
    /// folder that this user cannot write, opens it to be read only, over the user's own cache at
    /// one of the other two paths.
    ///
    /// # Errors
    ///
    /// Fails if none of the three variables is set, and as [`Cache::at`] does.
    pub fn from_env() -> Result<Self> {
        let CacheFolders { own, shared } = CacheFolders::from_env()?;
        match shared {
            Some(shared) => Self::over(&shared, &own),
            None => Self::at(&own),
        }
    }

    /// Opens the cache at `root`, makes the folder if it does not exist, and removes what killed
    /// xtasks left in `staging/`.
    ///
    /// # Errors
    ///
    /// Fails if make cannot build in a folder of that name, or if the folder cannot be made.
    pub fn at(root: &Path) -> Result<Self> {
        let root = plain_path(root)?;
        std::fs::create_dir_all(&root).with_context(|| {
            format!(
                "cannot make the cache folder {}; set KMODLAB_CACHE to one that can be written",
                root.display()
            )
        })?;
        let cache = Self {
            root,
            shared: None,
            notes: Notes::default(),
            uses: Arc::default(),
            found: None,
        };
        cache.sweep()?;
        Ok(cache)
    }

    /// Opens the cache at `shared` to be read only, and puts results that it does not have into
    /// the cache at `own`.
    ///
    /// # Errors
    ///
    /// Fails as [`Cache::at`] does.
    pub fn over(shared: &Path, own: &Path) -> Result<Self> {
        let shared = plain_path(shared)?;
        let is_new = !own.exists();
        let cache = Self {
            shared: Some(shared.clone()),
            ..Self::at(own).with_context(|| {
                format!(
                    "{} cannot be written, and a cache of your own is necessary",
                    shared.display()
                )
            })?
        };
        if is_new {
            cache.notes.add(format!(
                "{} cannot be written: results that it does not have go to {}",
                shared.display(),
                cache.root.display()
            ));
        }
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
            let Ok(lock) = File::open(locks.join(entry.file_name())) else {
                continue;
            };
            if lock.try_lock().is_ok() {
                // The remains of another user of the cache stay.
                let _ = remove(&entry.path());
            }
        }
        Ok(())
    }

    /// Returns the cache folder that can be written.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the part of the cache that can be written, for results that cannot be used from
    /// a cache that is only read.
    pub fn own(&self) -> Self {
        Self {
            shared: None,
            ..self.clone()
        }
    }

    /// Returns the cache for a lookup: every stage finds its results, unchecked, and none can be
    /// made. So the stages themselves answer which results they would use, and nothing changes.
    pub fn lookup(&self) -> Self {
        Self {
            found: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// Returns the paths of the results that stages have found in this lookup; none if this is
    /// not a lookup.
    pub fn found(&self) -> BTreeSet<PathBuf> {
        let found = self.found.as_ref();
        found.map_or_else(BTreeSet::new, |found| found.paths())
    }

    /// Returns the notes about the cache so far.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Returns the cache folders in the order in which they are searched.
    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.root), self.shared.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
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

    /// Returns the path that the result `kind/name-key` has once it is made here; for
    /// a result that may exist, see [`Cache::find`].
    pub fn path(&self, kind: &str, name: &str, key: &Key) -> PathBuf {
        self.root.join(kind).join(format!("{name}-{key}"))
    }

    /// Makes an empty folder in staging, for work whose results go elsewhere. An xtask that works
    /// on the same beside this one has a folder of its own; with [`MAX_WORK_FOLDERS`] in use, this
    /// one waits.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be locked, emptied or made, and in a lookup.
    pub fn work_folder(&self, name: &str) -> Result<WorkFolder> {
        if self.found.is_some() {
            bail!("a lookup does not make {name}");
        }
        let first = format!("work-{name}");
        let (id, lock) = self.work_lock(first)?;
        let path = self.folder("staging")?.join(&id);
        remove(&path)?;
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(WorkFolder { path, _lock: lock })
    }

    /// Takes the lock of a folder for work that no other xtask uses, and returns its name.
    fn work_lock(&self, first: String) -> Result<(String, File)> {
        for number in 1..=MAX_WORK_FOLDERS {
            let id = match number {
                1 => first.clone(),
                _ => format!("{first}-{number}"),
            };
            let file = self.lock_file(&id)?;
            if file.try_lock().is_ok() {
                return Ok((id, file));
            }
        }
        let lock = self.lock(&first)?;
        Ok((first, lock))
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
        let file = self.lock_file(name)?;
        if file.try_lock().is_err() {
            crate::errln!("waiting for another xtask that makes {name}");
            file.lock().with_context(|| format!("cannot lock {name}"))?;
        }
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.folder("locks")?.join(name);
        let made = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        // A lock that another user of the cache made can be read.
        made.or_else(|_| File::open(&path))
            .with_context(|| format!("cannot open the lock {}", path.display()))
    }

    /// Writes a small file so that it appears under its name in one step.
    ///
    /// # Errors
    ///
    /// Fails if the file or its folder cannot be written.
    pub fn write(&self, path: &Path, contents: &[u8]) -> Result<()> {
        write_whole(path, contents).map(drop)
    }
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

/// Writes a small file as [`Cache::write`], and returns the open file. All whom the umask lets read
/// can read it, because users may share a cache.
fn write_whole(path: &Path, contents: &[u8]) -> Result<File> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    whole_file::write(path, contents).with_context(|| {
        format!(
            "cannot write in the cache, {}; KMODLAB_CACHE=FOLDER moves it",
            folder.display()
        )
    })
}

/// Removes a file or a folder with its contents, if it exists. Another process may remove it meanwhile.
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
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove {}", path.display())),
    }
}

#[cfg(test)]
mod tests;
