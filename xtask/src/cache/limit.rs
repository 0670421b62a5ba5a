//! The limit of the cache's size, which kmodlab keeps at the end of each command.
//!
//! The cache grows when a result is made. So its size is taken again only after that, and is
//! remembered in `resolved/total.json` until the next result is made: a run that makes nothing
//! reads one small file.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::collect::{Evicted, evict_least_recently_used};
use super::evict::try_lock_removals;
use super::inventory::{Inventory, Scope};
use super::location::{CacheFolders, FolderState, folder_state};
use super::write_whole;
use crate::failure::Failure;
use crate::ui::size;

/// Variable with the limit.
const VARIABLE: &str = "KMODLAB_CACHE_LIMIT";

/// Maximum size in bytes without the variable. Three kernels with all profiles take 8 GB, and each
/// later version of a kernel 2 GB.
const DEFAULT: u64 = 20 << 30;

/// The file with the size of the cache in bytes, in the cache folder.
const TOTAL: &str = "resolved/total.json";

/// A result that was used within this time stays. It may be in use by an xtask of an older clone,
/// which has no locks on the results that it uses.
const RECENT: Duration = Duration::from_secs(3600);

/// The size of a cache when no result was made since.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct KnownTotal {
    /// Size in bytes.
    bytes: u64,
    /// The limit that was kept, in bytes.
    limit: u64,
    /// The time.
    now: SystemTime,
}

impl KnownTotal {
    /// Returns true if a cache of this size keeps the limit, or if nothing could be removed to keep
    /// it and that was recently.
    fn holds(self, limit: u64, now: SystemTime) -> bool {
        let since = now.duration_since(self.now);
        self.bytes <= limit || self.limit == limit && since.is_ok_and(|since| since < RECENT)
    }
}

/// The limit of the cache's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeLimit {
    /// Maximum size in bytes.
    Bytes(u64),
    /// No limit.
    None,
}

impl SizeLimit {
    /// Returns the limit that `KMODLAB_CACHE_LIMIT` sets, or else the default one.
    ///
    /// # Errors
    ///
    /// Fails if the variable's value is not a size.
    pub fn from_env() -> Result<Self> {
        match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            None => Ok(Self::Bytes(DEFAULT)),
            Some(value) => Self::parse(&value.to_string_lossy()),
        }
    }

    /// Parses a limit: `none`, or a size with a unit such as `20G` (powers of 1,000) or `20GiB`
    /// (powers of 1,024). A number without a unit is more likely a mistake than a number of bytes.
    ///
    /// # Errors
    ///
    /// Fails if the text is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let has_unit = text.ends_with(|letter: char| letter.is_ascii_alphabetic());
        match text.parse::<ByteSize>() {
            _ if text == "none" => Ok(Self::None),
            Ok(size) if has_unit => Ok(Self::Bytes(size.as_u64())),
            _ => Err(Failure::usage(format!(
                "{VARIABLE} is {text:?}, which is not a size; a size is a number with a unit, \
                 such as 20G; `none` removes the limit"
            ))
            .into()),
        }
    }
}

/// Keeps the limit of the cache that the environment names: if it is larger, removes the results
/// that were used least recently. Whatever is in use, or was used within the last hour, stays. A
/// cache that is only read stays as it is.
///
/// # Errors
///
/// Fails if the limit is not a size, if the cache cannot be listed, or if a result cannot be
/// removed.
pub fn keep_limit() -> Result<()> {
    let SizeLimit::Bytes(limit) = SizeLimit::from_env()? else {
        return Ok(());
    };
    let root = std::path::absolute(CacheFolders::from_env()?.own)?;
    if !matches!(folder_state(&root), Ok(FolderState::Cache)) {
        return Ok(());
    }
    if let Some(note) = keep_within(&root, limit, SystemTime::now())? {
        crate::errln!("{note}");
    }
    Ok(())
}

/// Keeps the limit of the cache folder `root`, in bytes, as [`keep_limit`]; returns a line for
/// the user if anything was removed, or could not be.
///
/// # Errors
///
/// Fails if the cache cannot be listed, or if an entry cannot be removed.
pub fn keep_within(root: &Path, limit: u64, now: SystemTime) -> Result<Option<String>> {
    let known = std::fs::read(root.join(TOTAL)).ok();
    let known = known.and_then(|text| serde_json::from_slice::<KnownTotal>(&text).ok());
    if known.is_some_and(|known| known.holds(limit, now)) {
        return Ok(None);
    }
    // Another xtask that removes entries keeps the limit as well, or the next run does.
    let Some(_lock) = try_lock_removals(root)? else {
        return Ok(None);
    };
    let inventory = Inventory::read(root, Scope::Own)?;
    let before = inventory.total();
    let evicted = match before > limit {
        true => evict_least_recently_used(&inventory, before - limit, now, RECENT)?,
        false => Evicted::default(),
    };
    let bytes = before.saturating_sub(evicted.bytes);
    let total = KnownTotal { bytes, limit, now };
    // The size is taken again if it cannot be written.
    let _ = write_whole(&root.join(TOTAL), &serde_json::to_vec(&total)?);
    if evicted.count == 0 && bytes <= limit {
        return Ok(None);
    }
    let mut note = format!(
        "the cache {} is limited to {} ({VARIABLE})",
        root.display(),
        size(limit)
    );
    if evicted.count > 0 {
        note += &format!(
            ": removed the {} least recently used, {}",
            entries(evicted.count),
            size(evicted.bytes)
        );
    }
    if bytes > limit {
        note += &format!(
            ". It has {}, because the rest is in use or was used within the last hour",
            size(bytes)
        );
    }
    Ok(Some(note))
}

/// Returns a number of entries in words.
pub(super) fn entries(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// Forgets the size of the cache folder `root`, to which a result was added.
pub(super) fn forget_total(root: &Path) {
    // The size is only smaller than it should be if this fails.
    let _ = std::fs::remove_file(root.join(TOTAL));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_with_a_unit_or_none() -> Result<()> {
        for (text, bytes) in [
            ("20G", 20_000_000_000),
            ("20 GB", 20_000_000_000),
            ("1.5GiB", 3 << 29),
            ("500M", 500_000_000),
            ("0B", 0),
        ] {
            assert_eq!(SizeLimit::parse(text)?, SizeLimit::Bytes(bytes), "{text}");
        }
        assert_eq!(SizeLimit::parse("none")?, SizeLimit::None);
        for text in [
            "20", "-1G", "much", "G", "20 X", "1e3", "20G!", "1..2G", " ",
        ] {
            let error = SizeLimit::parse(text).expect_err(text);
            assert!(error.to_string().contains("not a size"), "{error}");
            assert_eq!(
                crate::failure::fault_of(&error),
                crate::failure::Fault::Usage
            );
        }
        Ok(())
    }
}
