//! The results in a cache: finds, checks, makes and removes them.
//!
//! A result is checked against its manifest whenever it is used. One without a manifest comes
//! from an older kmodlab. If it is quickly made, it is made anew, because nothing shows that it is
//! whole; if that would take minutes or the network, its manifest is recorded as it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};

use super::evict::{evict, is_removing};
use super::manifest::{self, EntryState, Parts, is_manifest, manifest_path};
use super::{Cache, CacheEntry, limit, remove, write_whole};
use crate::key::Key;

/// Kinds of results whose making takes minutes or the network.
const ADOPTED: [&str; 4] = ["downloads", "kernels", "sources", "toolchain"];

impl Cache {
    /// Returns the result `kind/name-key`, which `make` makes if the cache does not have it or
    /// has it damaged.
    ///
    /// `make` gets a path in staging where nothing exists, and leaves a file or a folder there.
    ///
    /// # Errors
    ///
    /// Fails if `make` does, in which case the cache keeps nothing, or if the result cannot be
    /// moved into place; in a lookup, if the cache does not have the result.
    pub fn entry(
        &self,
        kind: &str,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<CacheEntry> {
        self.entry_with(kind, name, key, Parts::All, make)
    }

    /// Returns a result as [`Cache::entry`], and checks only these parts of one that the cache
    /// has.
    ///
    /// # Errors
    ///
    /// Fails as [`Cache::entry`] does.
    pub fn entry_with(
        &self,
        kind: &str,
        name: &str,
        key: &Key,
        parts: Parts<'_>,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<CacheEntry> {
        if let Some(path) = self.find(kind, name, key, parts)? {
            return Ok(CacheEntry { path, cached: true });
        }
        if self.found.is_some() {
            bail!("the cache does not have {kind}/{name}-{key}");
        }
        self.make(self.path(kind, name, key), parts, make)
    }

    /// Makes the result at `path`, unless another xtask has made it meanwhile.
    pub(super) fn make(
        &self,
        path: PathBuf,
        parts: Parts<'_>,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<CacheEntry> {
        let id = id(&path);
        let lock = self.lock(&id)?;
        if self.is_usable(&path, parts, Some(&lock))? {
            return Ok(CacheEntry { path, cached: true });
        }
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let staging = self.folder("staging")?.join(&id);
        // A killed owner may have left something.
        remove(&staging)?;
        let made = make(&staging)
            .and_then(|()| self.write_manifest(&path, &manifest::record(&staging)?))
            .and_then(|()| {
                self.uses.hold_new(&staging, &path);
                std::fs::rename(&staging, &path)
                    .with_context(|| format!("cannot move {} into place", path.display()))
            });
        if let Err(error) = made {
            self.uses.release(&path);
            // The first error is the one to report.
            let _ = remove(&staging);
            return Err(self.explain_full_disk(error));
        }
        limit::forget_total(&self.root);
        Ok(CacheEntry {
            path,
            cached: false,
        })
    }

    /// Returns the path of the result `kind/name-key`, if the cache has it and these parts of it
    /// are whole. Removes a damaged result, with a note.
    ///
    /// # Errors
    ///
    /// Fails if a damaged result cannot be removed.
    pub fn find(
        &self,
        kind: &str,
        name: &str,
        key: &Key,
        parts: Parts<'_>,
    ) -> Result<Option<PathBuf>> {
        let entry = format!("{name}-{key}");
        for root in self.roots() {
            let path = root.join(kind).join(&entry);
            if self.is_usable(&path, parts, None)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Returns the path of a result as [`Cache::find`], if the cache that is only read has the result.
    ///
    /// # Errors
    ///
    /// Fails as [`Cache::find`] does.
    pub fn find_shared(&self, kind: &str, name: &str, key: &Key) -> Result<Option<PathBuf>> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        let path = shared.join(kind).join(format!("{name}-{key}"));
        Ok(self.is_usable(&path, Parts::All, None)?.then_some(path))
    }

    /// Returns false if the result that has the file or folder `path` in it is missing, or if
    /// these parts of it are damaged. Removes a damaged result, with a note. A path outside of
    /// the cache is none of its results, which is not an error.
    ///
    /// # Errors
    ///
    /// Fails if a damaged result cannot be removed.
    pub fn is_whole(&self, path: &Path, parts: Parts<'_>) -> Result<bool> {
        let entry = self.roots().find_map(|root| {
            let mut names = path.strip_prefix(root).ok()?.iter();
            Some(root.join(names.next()?).join(names.next()?))
        });
        entry.map_or(Ok(true), |entry| self.is_usable(&entry, parts, None))
    }

    /// Returns the results of a kind, unchecked and in any order.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be listed.
    pub fn list(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for folder in self.roots().map(|root| root.join(kind)) {
            if !folder.is_dir() {
                continue;
            }
            let list = || format!("cannot list {}", folder.display());
            for entry in std::fs::read_dir(&folder).with_context(list)? {
                paths.push(entry.with_context(list)?.path());
            }
        }
        paths.retain(|path| !is_manifest(path) && !is_removing(path));
        Ok(paths)
    }

    /// Records that `entry` is used now, and then removes the least recently used entries of its
    /// folder until at most `keep` are left. An entry that is in use, or was used within the last
    /// `rest`, stays. Entries of a cache that is only read stay as they are.
    ///
    /// # Errors
    ///
    /// Fails if the use cannot be recorded, or if an old entry cannot be removed.
    pub fn used(&self, entry: &Path, keep: usize, rest: Duration) -> Result<()> {
        if self.is_shared(entry) || self.found.is_some() {
            return Ok(());
        }
        let folder = entry.parent().unwrap_or(entry);
        let now = SystemTime::now();
        let recorded = File::open(entry).and_then(|entry| entry.set_modified(now));
        match recorded {
            // Another user of the cache made it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(()),
            recorded => {
                recorded.with_context(|| format!("cannot record the use of {}", entry.display()))?
            }
        }
        let list = || format!("cannot list {}", folder.display());
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let path = entry.with_context(list)?.path();
            // Another xtask may be removing it.
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            if !is_manifest(&path) && !is_removing(&path) {
                all.push((metadata.modified()?, path));
            }
        }
        all.sort_by(|a, b| b.cmp(a));
        for (used, old) in all.into_iter().skip(keep) {
            if now.duration_since(used).is_ok_and(|since| since > rest) {
                evict(&self.root, &old)?;
            }
        }
        Ok(())
    }

    /// Returns true if the result at `path` exists and these parts of it are whole. Otherwise
    /// nothing is at `path` afterwards, or it is in a cache that is only read. `lock` is the
    /// result's lock, if the caller holds it.
    pub(super) fn is_usable(
        &self,
        path: &Path,
        parts: Parts<'_>,
        lock: Option<&File>,
    ) -> Result<bool> {
        if let Some(found) = &self.found {
            return Ok(found.look(path));
        }
        // Held before it is checked, so that nobody removes it afterwards.
        if !self.uses.hold(path, !self.is_shared(path)) {
            return Ok(false);
        }
        if matches!(parts, Parts::None) {
            return Ok(true);
        }
        let state = self.state(path, parts);
        if !exists(path) {
            return Ok(false);
        }
        if state == Some(EntryState::Whole) {
            return Ok(true);
        }
        if self.is_shared(path) {
            return Ok(self.is_usable_in_shared(path, parts, state));
        }
        let _lock = match lock {
            Some(_) => None,
            None => Some(self.lock(&id(path))?),
        };
        // Another xtask may have mended it before this one had the lock.
        let state = self.state(path, parts);
        if !exists(path) {
            return Ok(false);
        }
        match state {
            Some(EntryState::Whole) => Ok(true),
            Some(EntryState::Restamped(manifest)) => {
                self.write_manifest(path, &manifest)?;
                Ok(true)
            }
            Some(EntryState::Damaged(why)) => {
                self.note_damage(path, &why);
                self.discard(path)?;
                Ok(false)
            }
            None if is_adopted(path, parts) => {
                self.write_manifest(path, &manifest::record(path)?)?;
                Ok(true)
            }
            None => {
                self.discard(path)?;
                Ok(false)
            }
        }
    }

    /// Does the same for a result that can only be read: a manifest with new stamps goes to the user's own cache.
    fn is_usable_in_shared(
        &self,
        path: &Path,
        parts: Parts<'_>,
        state: Option<EntryState>,
    ) -> bool {
        match state {
            Some(EntryState::Whole) => true,
            None if is_adopted(path, parts) => true,
            None => {
                self.note_damage(path, "it has no whole manifest");
                false
            }
            Some(EntryState::Restamped(manifest)) => {
                if let Some(own) = self.own_manifest(path) {
                    // The next run reads the contents again if this cannot be written.
                    let _ = self.write(&own, manifest.as_bytes());
                }
                true
            }
            Some(EntryState::Damaged(why)) => {
                self.note_damage(path, &why);
                false
            }
        }
    }

    /// Compares the result at `path` with its manifest; `None` without a manifest.
    fn state(&self, path: &Path, parts: Parts<'_>) -> Option<EntryState> {
        let compare = |manifest: PathBuf| {
            let manifest = std::fs::read_to_string(manifest).ok()?;
            manifest::compare(&manifest, path, parts)
        };
        let own = self.own_manifest(path).and_then(compare);
        // The manifest in the user's own cache may be that of another result.
        own.filter(|state| *state == EntryState::Whole)
            .or_else(|| compare(manifest_path(path)))
    }

    /// Returns the path in the user's own cache for the manifest of a result that can only be
    /// read.
    fn own_manifest(&self, path: &Path) -> Option<PathBuf> {
        let inner = path.strip_prefix(self.shared.as_ref()?).ok()?;
        Some(manifest_path(&self.root.join(inner)))
    }

    fn is_shared(&self, path: &Path) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| path.starts_with(shared))
    }

    fn note_damage(&self, path: &Path, why: &str) {
        self.notes.add(format!(
            "the cache was damaged, and this part is made anew: {}: {why}",
            path.display()
        ));
    }

    /// Removes the result at `path`, whose lock the caller holds, in one step.
    fn discard(&self, path: &Path) -> Result<()> {
        self.uses.release(path);
        let aside = self.folder("staging")?.join(id(path));
        remove(&aside)?;
        // A folder of the cache may be a link to another disk.
        if std::fs::rename(path, &aside).is_ok() {
            remove(&manifest_path(path))?;
            return remove(&aside);
        }
        remove_entry(path)
    }

    /// Writes the manifest of the result at `path`, and waits until it is on the disk.
    fn write_manifest(&self, path: &Path, manifest: &str) -> Result<()> {
        let file = write_whole(&manifest_path(path), manifest.as_bytes())?;
        file.sync_all()
            .with_context(|| format!("cannot sync {}", manifest_path(path).display()))
    }
}

/// Removes a result with its manifest, if it exists.
///
/// # Errors
///
/// Fails if it cannot be removed.
pub fn remove_entry(path: &Path) -> Result<()> {
    remove(path)?;
    remove(&manifest_path(path))
}

/// Returns the name of a result's lock, and of its folder in staging.
pub(super) fn id(path: &Path) -> String {
    let name = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    format!("{}-{}", name(path.parent()), name(Some(path)))
}

/// Returns true if a result without a manifest is used as it is.
fn is_adopted(path: &Path, parts: Parts<'_>) -> bool {
    let kind = path.parent().and_then(Path::file_name);
    let is_lasting = kind.is_some_and(|kind| ADOPTED.iter().any(|adopted| kind == *adopted));
    let is_there = |part: &&str| path.join(part).metadata().is_ok_and(|part| part.len() > 0);
    is_lasting
        && match parts {
            Parts::All | Parts::None => true,
            Parts::Of(parts) => parts.iter().all(is_there),
        }
}

pub(super) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
