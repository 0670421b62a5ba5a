//! Caches of their own for tests of snapshots.

use std::path::Path;

use anyhow::Result;
use xtask::cache::Cache;

/// Makes a cache in the folder `cache`, which does not exist: it has all builds of the shared one,
/// but no snapshot.
pub fn cache_without_snapshots(cache: &Path) -> Result<()> {
    std::fs::create_dir(cache)?;
    for entry in std::fs::read_dir(Cache::from_env()?.root())? {
        let entry = entry?;
        let own = ["guests", "logs", "locks", "staging"];
        if !own.iter().any(|own| entry.file_name() == *own) {
            std::os::unix::fs::symlink(entry.path(), cache.join(entry.file_name()))?;
        }
    }
    Ok(())
}
