//! What was found out and need not be asked again: small JSON files in the
//! cache folder `resolved/`. Each can be removed by hand, which means: ask
//! again.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;

/// Where the answer called `name` is kept.
pub fn path(cache: &Cache, name: &str) -> PathBuf {
    cache.root().join("resolved").join(format!("{name}.json"))
}

/// The answer called `name`, if there is one that this xtask understands.
pub fn recall<T: DeserializeOwned>(cache: &Cache, name: &str) -> Option<T> {
    let text = std::fs::read(path(cache, name)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Keeps an answer.
pub fn remember(cache: &Cache, name: &str, answer: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(answer)?;
    text.push(b'\n');
    cache.write(&path(cache, name), &text)
}

/// Seconds since 1970, for answers that grow old.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
