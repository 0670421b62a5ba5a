//! The removal of results that nobody needs: by request, and by the limit of the cache's size.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use super::evict::{Eviction, evict, lock_removals, sweep};
use super::inventory::{CacheItem, Inventory, Scope};
use super::words;

/// The rule by which results stay.
#[derive(Debug)]
pub struct CollectionRule {
    /// Paths of results that stay, such as those that a clone uses.
    pub keep: BTreeSet<PathBuf>,
    /// Results that were used within this time stay.
    pub recent: Duration,
    /// True if nothing is to be removed.
    pub dry_run: bool,
}

/// The outcome of a collection.
#[derive(Debug, Default)]
pub struct Collected {
    /// Results that were removed; in a dry run, that would be.
    pub removed: Vec<CacheItem>,
    /// Results that stay because of the rule.
    pub kept: Vec<CacheItem>,
    /// Results that stay because an xtask uses them.
    pub in_use: Vec<CacheItem>,
    /// Descriptions of the errors of results that could not be removed.
    pub errors: Vec<String>,
}

/// Number and size of evicted results.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) count: usize,
    /// Disk use in bytes.
    pub(super) bytes: u64,
}

/// Removes the results of the cache folder `root` that the rule does not keep and that are not in
/// use, and what interrupted removals left. A result that cannot be removed does not stop this.
///
/// # Errors
///
/// Fails if a folder cannot be listed.
pub fn collect(root: &Path, rule: &CollectionRule) -> Result<Collected> {
    let _lock = match rule.dry_run {
        true => None,
        false => Some(lock_removals(root)?),
    };
    let inventory = Inventory::read(root, Scope::All)?;
    let now = SystemTime::now();
    let stays = |item: &CacheItem| {
        rule.keep.contains(&item.path) || was_used_within(item, rule.recent, now)
    };
    let kernels = inventory.entries().filter(|item| stays(item));
    let trees: BTreeSet<PathBuf> = kernels.filter_map(|item| tree_of(&item.path)).collect();
    let mut collected = Collected::default();
    for item in inventory.entries() {
        if stays(item) || trees.contains(&item.path) {
            collected.kept.push(item.clone());
            continue;
        }
        let eviction = match (rule.dry_run, item.in_use) {
            (_, true) => Ok(Eviction::InUse),
            (true, false) => Ok(Eviction::Removed),
            (false, false) => evict(root, &item.path),
        };
        match eviction {
            Ok(Eviction::Removed) => collected.removed.push(item.clone()),
            Ok(Eviction::InUse) => collected.in_use.push(item.clone()),
            Ok(Eviction::Gone) => {}
            Err(error) => collected.errors.push(format!("{error:#}")),
        }
    }
    if !rule.dry_run {
        sweep_kinds(root)?;
        super::limit::forget_total(root);
    }
    Ok(collected)
}

/// Removes the results that were used least recently until `bytes` are free or nothing is left
/// that may be removed. A result that is in use, or that was used within `recent` before `now`,
/// stays.
///
/// # Errors
///
/// Fails if a result cannot be removed.
pub(super) fn evict_least_recently_used(
    inventory: &Inventory,
    bytes: u64,
    now: SystemTime,
    recent: Duration,
) -> Result<Evicted> {
    sweep_kinds(&inventory.root)?;
    let mut candidates: Vec<&CacheItem> = inventory
        .entries()
        .filter(|item| !was_used_within(item, recent, now))
        .collect();
    candidates.sort_by_key(|item| item.used);
    let mut evicted = Evicted::default();
    for item in candidates {
        if evicted.bytes >= bytes {
            break;
        }
        match evict(&inventory.root, &item.path)? {
            Eviction::Removed => {
                evicted.count += 1;
                evicted.bytes += item.bytes;
            }
            Eviction::Gone => evicted.bytes += item.bytes,
            Eviction::InUse => {}
        }
    }
    Ok(evicted)
}

/// Removes what interrupted removals left in the folders of results.
fn sweep_kinds(root: &Path) -> Result<()> {
    let list = || format!("cannot list {}", root.display());
    for entry in std::fs::read_dir(root).with_context(list)? {
        let entry = entry.with_context(list)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && words::is_kind(&entry.file_name().to_string_lossy()) {
            sweep(root, &entry.path())?;
        }
    }
    Ok(())
}

/// Returns true if a result was used within `recent` before `now`. So is one with a time in the
/// future, which a clock that was set may leave.
fn was_used_within(item: &CacheItem, recent: Duration, now: SystemTime) -> bool {
    match now.duration_since(item.used) {
        Ok(since) => since < recent,
        Err(_) => recent > Duration::ZERO,
    }
}

/// Returns the source tree that a built kernel links to; `None` if the result is not a kernel.
fn tree_of(path: &Path) -> Option<PathBuf> {
    std::fs::read_link(path.join("source")).ok()
}
