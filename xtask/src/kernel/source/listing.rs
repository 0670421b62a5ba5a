//! Listings of trees that the user may change: recognises an unchanged tree without reading it,
//! and hashes and copies its files.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::key::{Inputs, Key};
use crate::ui::Stage;
use crate::workers;

/// Age in seconds from which a change is safe: a file that changed later may change again within
/// the same tick of the file system's clock, and nobody would notice.
const SETTLED: i64 = 2;

/// Number of files or folders that a thread takes at once.
const BATCH: usize = 64;

/// All files and symbolic links below a folder, without git's own.
pub struct FileListing {
    root: PathBuf,
    /// Files, sorted by path.
    files: Vec<ListedFile>,
    /// Time at which the listing began, in seconds since 1970.
    began: i64,
}

struct ListedFile {
    /// Path relative to the root.
    path: PathBuf,
    metadata: Metadata,
}

impl FileListing {
    /// Lists `root`, a folder or a single file.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be listed.
    pub fn of(root: &Path) -> Result<Self> {
        let began = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let mut listing = Self {
            root: root.to_owned(),
            files: Vec::new(),
            began: i64::try_from(began)?,
        };
        let metadata = std::fs::metadata(root)
            .with_context(|| format!("cannot look at {}", root.display()))?;
        if !metadata.is_dir() {
            let path = PathBuf::new();
            listing.files.push(ListedFile { path, metadata });
            return Ok(listing);
        }
        let mut level = vec![PathBuf::new()];
        while !level.is_empty() {
            let listed = on_all_cores(&level, None, |folder| list(root, folder))?;
            level.clear();
            for (files, folders) in listed {
                listing.files.extend(files);
                level.extend(folders);
            }
        }
        listing.files.sort_unstable_by(|one, two| {
            // Comparing bytes is faster than comparing the parts of paths.
            one.path.as_os_str().cmp(two.path.as_os_str())
        });
        Ok(listing)
    }

    /// Returns the number of files and links.
    pub fn count(&self) -> u64 {
        self.files.len() as u64
    }

    /// Returns a hash that changes whenever a file does, of the files' names, sizes, modes, inode
    /// numbers and times of change.
    pub fn fingerprint(&self) -> Key {
        let mut bytes = Vec::with_capacity(self.files.len() * 128);
        for ListedFile { path, metadata } in &self.files {
            bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
            bytes.push(0);
            for number in [
                metadata.size(),
                u64::from(metadata.mode()),
                metadata.ino(),
                metadata.mtime().cast_unsigned(),
                metadata.mtime_nsec().cast_unsigned(),
                metadata.ctime().cast_unsigned(),
                metadata.ctime_nsec().cast_unsigned(),
            ] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        Inputs::new("stamp 1").bytes("files", &bytes).key()
    }

    /// Returns true if the fingerprint can be trusted, because no file changed in the seconds
    /// before the listing.
    pub fn is_settled(&self) -> bool {
        let newest = self.files.iter().map(|file| file.metadata.ctime()).max();
        newest.is_none_or(|newest| newest + SETTLED < self.began)
    }

    /// Returns the key of the contents: names, bytes, and which files are executable.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub fn key(&self, stage: &Stage<'_>) -> Result<Key> {
        let hashes = on_all_cores(&self.files, Some(stage), |ListedFile { path, metadata }| {
            let full = self.full(path);
            let cannot = || format!("cannot read {}", full.display());
            if metadata.is_symlink() {
                let target = std::fs::read_link(&full).with_context(cannot)?;
                let target = target.as_os_str().as_encoded_bytes();
                return Ok(("link", blake3::hash(target)));
            }
            let mut hasher = blake3::Hasher::new();
            let mut file = std::fs::File::open(&full).with_context(cannot)?;
            std::io::copy(&mut file, &mut hasher).with_context(cannot)?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            let kind = if executable { "program" } else { "file" };
            Ok((kind, hasher.finalize()))
        })?;
        let mut bytes = Vec::with_capacity(self.files.len() * 96);
        for (ListedFile { path, .. }, (kind, hash)) in self.files.iter().zip(hashes) {
            bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
            bytes.push(0);
            bytes.extend_from_slice(kind.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(hash.as_bytes());
        }
        Ok(Inputs::new("content 1").bytes("files", &bytes).key())
    }

    /// Copies all files into `folder`, which is made. Files are never hard links, so that a patch
    /// cannot change the original.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be copied.
    pub fn copy_to(&self, folder: &Path, stage: &Stage<'_>) -> Result<()> {
        let mut last = None;
        for ListedFile { path, .. } in &self.files {
            let parent = path.parent();
            if parent != last {
                let parent = folder.join(parent.unwrap_or(Path::new("")));
                std::fs::create_dir_all(&parent)
                    .with_context(|| format!("cannot make {}", parent.display()))?;
            }
            last = parent;
        }
        on_all_cores(&self.files, Some(stage), |ListedFile { path, metadata }| {
            let (from, to) = (self.full(path), folder.join(path));
            let copied = if metadata.is_symlink() {
                std::fs::read_link(&from).and_then(|target| std::os::unix::fs::symlink(target, &to))
            } else {
                std::fs::copy(&from, &to).map(|_size| ())
            };
            copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
        })?;
        Ok(())
    }

    fn full(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() {
            // The root is a single file; `join` would append a slash.
            return self.root.clone();
        }
        self.root.join(path)
    }
}

/// Returns the files and the folders in `folder` of `root`, relative to `root`.
fn list(root: &Path, folder: &Path) -> Result<(Vec<ListedFile>, Vec<PathBuf>)> {
    let full = root.join(folder);
    let cannot = || format!("cannot list {}", full.display());
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&full).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name();
        if name == ".git" {
            continue;
        }
        let path = folder.join(name);
        let kind = entry.file_type().with_context(cannot)?;
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_file() || kind.is_symlink() {
            let metadata = entry.metadata().with_context(cannot)?;
            files.push(ListedFile { path, metadata });
        }
    }
    Ok((files, folders))
}

/// Runs `work` on every item, on all cores, and returns the results in the order of the items.
fn on_all_cores<I: Sync, T: Send>(
    items: &[I],
    stage: Option<&Stage<'_>>,
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let batches = items.chunks(BATCH).collect::<Vec<_>>();
    let done = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let results = workers::map(cores, &batches, |batch| -> Result<Vec<T>> {
        if failed.load(Ordering::Relaxed) {
            // The error of the batch that failed is reported.
            return Ok(Vec::new());
        }
        let results = batch.iter().map(&work).collect::<Result<Vec<_>>>();
        failed.fetch_or(results.is_err(), Ordering::Relaxed);
        let count = batch.len() as u64;
        let before = done.fetch_add(count, Ordering::Relaxed);
        if let Some(stage) = stage {
            stage.position(before + count);
        }
        results
    });
    let results = results.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(results.into_iter().flatten().collect())
}
