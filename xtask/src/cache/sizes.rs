//! The disk use of results, which is measured once: a result never changes.
//!
//! A kernel's source has 90,000 files, whose measurement takes a third of a second. So the sizes
//! are remembered in `resolved/sizes.json`, each with the inode number of the result, which a
//! result that is made anew does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::manifest::manifest_path;
use super::write_whole;

/// Bytes of a block in `st_blocks` (stat(2)).
const BLOCK: u64 = 512;

/// The file with the remembered sizes, in the cache folder.
const FILE: &str = "resolved/sizes.json";

/// The known disk use of results.
#[derive(Debug)]
pub(super) struct KnownSizes {
    /// By the paths of the results in the cache folder.
    sizes: BTreeMap<String, KnownSize>,
    changed: bool,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy, Serialize, Deserialize)]
struct KnownSize {
    inode: u64,
    bytes: u64,
}

impl KnownSizes {
    /// Reads the sizes that the cache folder `root` has.
    pub(super) fn load(root: &Path) -> Self {
        let text = std::fs::read(root.join(FILE)).unwrap_or_default();
        Self {
            sizes: serde_json::from_slice(&text).unwrap_or_default(),
            changed: false,
        }
    }

    /// Returns the disk use of the result `name`, at `path`, with its manifest, in bytes.
    pub(super) fn of(&mut self, name: &str, path: &Path, metadata: &Metadata) -> u64 {
        let inode = metadata.ino();
        if let Some(known) = self.sizes.get(name)
            && known.inode == inode
        {
            return known.bytes;
        }
        let bytes = disk_use(path) + disk_use(&manifest_path(path));
        self.sizes
            .insert(name.to_owned(), KnownSize { inode, bytes });
        self.changed = true;
        bytes
    }

    /// Writes the sizes of these results to the cache folder `root`, if the file has others.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub(super) fn save(mut self, root: &Path, names: &BTreeSet<&str>) -> Result<()> {
        let before = self.sizes.len();
        self.sizes.retain(|name, _| names.contains(name.as_str()));
        if self.changed || self.sizes.len() != before {
            write_whole(&root.join(FILE), &serde_json::to_vec(&self.sizes)?)?;
        }
        Ok(())
    }
}

/// Returns the disk use of a file, or of a folder with everything in it, in bytes. Symbolic links
/// are not followed. A folder that cannot be read counts as empty.
pub(super) fn disk_use(path: &Path) -> u64 {
    let mut bytes = 0;
    let mut paths = vec![path.to_owned()];
    while let Some(path) = paths.pop() {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        bytes += metadata.blocks() * BLOCK;
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            paths.extend(entries.map(|entry| entry.path()));
        }
    }
    bytes
}
