//! The contents of a cache folder: results, records, and files that are not kmodlab's.
//!
//! Only results can be removed. A result is a file or a folder with a key at the end of its name,
//! in the folder of a known kind. Everything else may be a user's own: it is listed and stays. So
//! does everything behind a symbolic link.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use super::evict::{is_entry_name, is_removing};
use super::manifest::result_of;
use super::sizes::{KnownSizes, disk_use};
use super::{uses, words};

/// A cache folder and everything in it.
#[derive(Debug)]
pub struct Inventory {
    /// The cache folder.
    pub root: PathBuf,
    /// The contents: results by kind, then records, then the rest.
    pub items: Vec<CacheItem>,
}

/// A result in a cache folder, or something else in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheItem {
    /// The path in the cache folder: `kernels/6.12.117-e30b4d72c193`.
    pub name: String,
    /// The whole path.
    pub path: PathBuf,
    /// The kind of thing.
    pub status: ItemStatus,
    /// Title of the group in which a list shows it: `kernels`.
    pub group: &'static str,
    /// A description for people: `Linux 6.12.117, profile debug`.
    pub what: String,
    /// Disk use in bytes, with the manifest.
    pub bytes: u64,
    /// Time of the last use.
    pub used: SystemTime,
    /// True if an xtask uses it now.
    pub in_use: bool,
}

/// The kinds of things in a cache folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// A cache entry: a result, which is made again if it is removed.
    Entry,
    /// Logs, artifacts and the like, which kmodlab keeps small by other rules.
    Record,
    /// Something that kmodlab has not made, or that it reaches through a symbolic link.
    Foreign,
}

/// The part of a cache folder that is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything.
    All,
    /// All that kmodlab has made.
    Own,
}

impl Inventory {
    /// Reads the cache folder `root`, and remembers the sizes of results if `root` can be written.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be listed.
    pub fn of(root: &Path) -> Result<Self> {
        Self::read(root, Scope::All)
    }

    pub(super) fn read(root: &Path, scope: Scope) -> Result<Self> {
        let mut reader = Reader {
            root,
            scope,
            known: KnownSizes::load(root),
            items: Vec::new(),
        };
        reader.read_all()?;
        let Reader {
            known, mut items, ..
        } = reader;
        let results = items.iter().filter(|item| item.is_result());
        let names: BTreeSet<&str> = results.map(|item| item.name.as_str()).collect();
        // The sizes are measured again if they cannot be written.
        let _ = known.save(root, &names);
        items.sort_by_key(|item| (words::rank(item.group), item.what.clone(), item.used));
        Ok(Self {
            root: root.to_owned(),
            items,
        })
    }

    /// Returns the results.
    pub fn entries(&self) -> impl Iterator<Item = &CacheItem> {
        self.items.iter().filter(|item| item.is_result())
    }

    /// Returns the disk use of everything that kmodlab has made, in bytes.
    pub fn total(&self) -> u64 {
        let own = |item: &&CacheItem| item.status != ItemStatus::Foreign;
        self.items.iter().filter(own).map(|item| item.bytes).sum()
    }
}

impl CacheItem {
    fn is_result(&self) -> bool {
        self.status == ItemStatus::Entry
    }

    /// Returns the seconds from 1970 to the last use.
    pub fn used_seconds(&self) -> u64 {
        let since = self.used.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

/// Reads a cache folder.
struct Reader<'a> {
    root: &'a Path,
    scope: Scope,
    known: KnownSizes,
    items: Vec<CacheItem>,
}

impl Reader<'_> {
    fn read_all(&mut self) -> Result<()> {
        for (name, path, metadata) in contents(self.root)? {
            if metadata.is_dir() && words::is_kind(&name) {
                self.read_kind(&name, &path)?;
            } else if let Some(what) = words::of_record(&name).filter(|_| metadata.is_dir()) {
                self.add(ItemStatus::Record, name, path, &metadata, what.to_owned());
            } else {
                self.foreign(name, path, &metadata);
            }
        }
        Ok(())
    }

    /// Reads the folder of a kind of results.
    fn read_kind(&mut self, kind: &str, folder: &Path) -> Result<()> {
        for (name, path, metadata) in contents(folder)? {
            // Part of a result, or left by an interrupted removal.
            let is_part = result_of(&path).is_some_and(|result| is_entry_name(&result));
            if is_removing(&path) || is_part && metadata.is_file() {
                continue;
            }
            let full = format!("{kind}/{name}");
            if (metadata.is_dir() || metadata.is_file()) && is_entry_name(&path) {
                let what = words::of_result(kind, &name);
                self.add(ItemStatus::Entry, full, path, &metadata, what);
            } else {
                self.foreign(full, path, &metadata);
            }
        }
        Ok(())
    }

    fn foreign(&mut self, name: String, path: PathBuf, metadata: &Metadata) {
        if self.scope == Scope::Own {
            return;
        }
        let what = match std::fs::read_link(&path) {
            Ok(target) => format!("link to {}", target.display()),
            Err(_) => "unknown".to_owned(),
        };
        self.add(ItemStatus::Foreign, name, path, metadata, what);
    }

    fn add(
        &mut self,
        status: ItemStatus,
        name: String,
        path: PathBuf,
        metadata: &Metadata,
        what: String,
    ) {
        let (bytes, in_use) = match status {
            ItemStatus::Entry => {
                let bytes = self.known.of(&name, &path, metadata);
                (bytes, self.scope == Scope::All && uses::is_in_use(&path))
            }
            ItemStatus::Record | ItemStatus::Foreign => (disk_use(&path), false),
        };
        self.items.push(CacheItem {
            group: words::group(status, &name),
            name,
            path,
            status,
            what,
            bytes,
            used: metadata.modified().unwrap_or(UNIX_EPOCH),
            in_use,
        });
    }
}

/// Returns the names, paths and properties of a folder's contents. Links are not followed.
fn contents(folder: &Path) -> Result<Vec<(String, PathBuf, Metadata)>> {
    let list = || format!("cannot list {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        // Another xtask may have removed it.
        if let Ok(metadata) = entry.metadata() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, entry.path(), metadata));
        }
    }
    Ok(found)
}
