//! Answers that are remembered: small JSON files in the cache folder `resolved/`.
//!
//! An answer took time to find and can be found again, so removing its file is harmless and
//! means: ask again. A file that this xtask does not understand counts as absent.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;

/// Returns the path of the answer called `name`.
pub fn path(cache: &Cache, name: &str) -> PathBuf {
    cache.root().join("resolved").join(format!("{name}.json"))
}

/// Returns the answer called `name`, if it is remembered.
pub fn recall<T: DeserializeOwned>(cache: &Cache, name: &str) -> Option<T> {
    let text = std::fs::read(path(cache, name)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Remembers an answer.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn remember(cache: &Cache, name: &str, answer: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(answer)?;
    text.push(b'\n');
    cache.write(&path(cache, name), &text)
}

/// Returns the seconds since 1970, for answers that become outdated.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
