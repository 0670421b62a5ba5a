//! Answers that are remembered: small JSON files in the cache folder `resolved/`.
//!
//! An answer took time to find and can be found again, so removing its file is harmless and
//! means: ask again. A file that this xtask does not understand counts as absent.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;

/// Returns the path of the answer called `name`.
fn path(cache: &Cache, name: &str) -> PathBuf {
    path_in(cache.root(), name)
}

fn path_in(root: &Path, name: &str) -> PathBuf {
    root.join("resolved").join(format!("{name}.json"))
}

/// Returns the answer called `name`, if it is remembered: in the cache's own folder, else in one that is
/// only read.
pub fn recall<T: DeserializeOwned>(cache: &Cache, name: &str) -> Option<T> {
    cache.roots().find_map(|root| {
        let text = std::fs::read(path_in(root, name)).ok()?;
        serde_json::from_slice(&text).ok()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_shared_cache_is_recalled() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [shared, own] = ["shared", "own"].map(|name| folder.path().join(name));
        remember(&Cache::at(&shared)?, "x", &1)?;
        let cache = Cache::over(&shared, &own)?;
        assert_eq!(recall::<u32>(&cache, "x"), Some(1));
        remember(&cache, "x", &2)?;
        assert_eq!(recall::<u32>(&cache, "x"), Some(2));
        assert_eq!(recall::<u32>(&Cache::at(&shared)?, "x"), Some(1));
        Ok(())
    }
}
