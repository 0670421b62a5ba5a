//! Manifests: the size, hash and stamp of each file of a cache entry, in a file beside the entry.
//!
//! A file whose stamp (times, inode number) and size are those of the manifest is unchanged and
//! is not read. Otherwise its contents decide: a cache that was copied has other stamps and equal
//! contents. So a check of a suite's entries costs a few system calls for each file (6 ms for 14
//! lessons, November 2026), and finds all damage except that of the disk itself.
//!
//! ```text
//! kmodlab manifest 1 HASH-OF-THE-LINES
//! HASH SIZE STAMP PATH
//! ```

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::key::files_in;
use crate::workers;

/// End of the name of a result's manifest.
const EXTENSION: &str = ".manifest";

/// First words of a manifest.
const HEAD: &str = "kmodlab manifest 1 ";

/// Path of the only file of an entry that is a file.
const ITSELF: &str = ".";

/// Stamp of a file that is always read. An entry that is a file is one: its time of change is
/// that of the move to its final name, which comes after the manifest.
const ALWAYS_READ: &str = "-";

/// Most files of an entry that are synced one by one. More files are synced with all others of
/// their file system.
const FEW: usize = 100;

/// The files of an entry that a caller uses.
#[derive(Debug, Clone, Copy)]
pub enum Parts<'a> {
    /// All files.
    All,
    /// The files with these paths in the entry, and those in folders with these paths.
    Of(&'a [&'a str]),
    /// No file: the entry only has to exist.
    None,
}

impl Parts<'_> {
    fn include(self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Of(parts) => parts.iter().any(|part| {
                let rest = path.strip_prefix(part);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
        }
    }
}

/// The state of an entry, compared with its manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EntryState {
    /// The files are unchanged.
    Whole,
    /// The contents are unchanged, but not the stamps: the manifest with the new ones.
    Restamped(String),
    /// The first difference, as a clause.
    Damaged(String),
}

/// Returns the manifest of the entry at `path`, and waits until its files are on the disk, so
/// that a power cut cannot empty them.
pub(super) fn record(path: &Path) -> Result<String> {
    let files = files_of(path)?;
    let record = |file: &PathBuf| -> Result<String> {
        let cannot = || format!("cannot read {}", file.display());
        let metadata = std::fs::symlink_metadata(file).with_context(cannot)?;
        let hash = hash(file, &metadata).with_context(cannot)?;
        if files.len() <= FEW && metadata.is_file() {
            let synced = File::open(file).and_then(|file| file.sync_all());
            synced.with_context(|| format!("cannot sync {}", file.display()))?;
        }
        let name = name(path, file)?;
        let stamp = match name {
            ITSELF => ALWAYS_READ.to_owned(),
            _ => stamp(&metadata),
        };
        Ok(format!("{hash} {} {stamp} {name}\n", metadata.len()))
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lines = workers::map(threads, &files, record);
    let lines = lines.into_iter().collect::<Result<String>>()?;
    let entry = File::open(path);
    let synced = entry.and_then(|entry| match files.len() {
        ..=FEW => entry.sync_all(),
        _ => Ok(rustix::fs::syncfs(&entry)?),
    });
    synced.with_context(|| format!("cannot sync {}", path.display()))?;
    Ok(with_head(&lines))
}

/// Compares the entry at `path` with its manifest; `None` if `manifest` is not a whole manifest.
pub(super) fn compare(manifest: &str, path: &Path, parts: Parts<'_>) -> Option<EntryState> {
    let (head, lines) = manifest.split_once('\n')?;
    if head.strip_prefix(HEAD)? != hash_of(lines.as_bytes()) {
        return None;
    }
    let mut restamped = Vec::new();
    for line in lines.lines() {
        let mut words = line.splitn(4, ' ');
        let (hash, size, stamp, name) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        if !parts.include(name) && name != ITSELF {
            continue;
        }
        match compare_file(path, name, (hash, size, stamp)) {
            Ok(None) => {}
            Ok(Some(stamp)) => restamped.push((line, format!("{hash} {size} {stamp} {name}"))),
            Err(damage) => return Some(EntryState::Damaged(damage)),
        }
    }
    if restamped.is_empty() {
        return Some(EntryState::Whole);
    }
    let mut restamped = restamped.into_iter().peekable();
    let lines: String = lines
        .lines()
        .map(|line| {
            let new = restamped.next_if(|(old, _)| *old == line);
            new.map_or_else(|| line.to_owned(), |(_, new)| new) + "\n"
        })
        .collect();
    Some(EntryState::Restamped(with_head(&lines)))
}

/// Compares a file with its line of the manifest: returns a new stamp if only the stamp differs,
/// and as an error what else differs.
fn compare_file(
    entry: &Path,
    name: &str,
    (hash_then, size_then, stamp_then): (&str, &str, &str),
) -> Result<Option<String>, String> {
    let file = match name {
        ITSELF => entry.to_owned(),
        _ => entry.join(name),
    };
    let shown = match name {
        ITSELF => "it",
        _ => name,
    };
    let metadata = std::fs::symlink_metadata(&file).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => format!("{shown} is missing"),
        _ => format!("{shown} cannot be read: {error}"),
    })?;
    let size = metadata.len();
    if size.to_string() != size_then {
        return Err(format!("{shown} has {size} bytes instead of {size_then}"));
    }
    let stamp = stamp(&metadata);
    if stamp == stamp_then {
        return Ok(None);
    }
    let hash =
        hash(&file, &metadata).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if hash != hash_then {
        return Err(format!("{shown} has other contents than when it was made"));
    }
    Ok((stamp_then != ALWAYS_READ).then_some(stamp))
}

/// Returns the path of the manifest of the result at `entry`.
pub(super) fn manifest_path(entry: &Path) -> PathBuf {
    let mut path = entry.as_os_str().to_owned();
    path.push(EXTENSION);
    path.into()
}

/// Reports whether a path is that of a manifest.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.to_string_lossy().ends_with(EXTENSION)
}

/// Returns the path of the result whose manifest has this path; `None` if it is not a manifest's.
pub(super) fn result_of(manifest: &Path) -> Option<PathBuf> {
    let name = manifest.file_name()?.to_str()?;
    Some(manifest.with_file_name(name.strip_suffix(EXTENSION)?))
}

/// Returns the files and symbolic links of the entry at `path`.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    match path.is_dir() {
        true => files_in(path),
        false => Ok(vec![path.to_owned()]),
    }
}

/// Returns the name of a file in the manifest of its entry.
fn name<'a>(entry: &Path, file: &'a Path) -> Result<&'a str> {
    let name = file.strip_prefix(entry)?.to_str();
    let name = name.filter(|name| !name.contains('\n'));
    let name = name.with_context(|| format!("{} has a name that is not text", file.display()))?;
    Ok(if name.is_empty() { ITSELF } else { name })
}

fn with_head(lines: &str) -> String {
    format!("{HEAD}{}\n{lines}", hash_of(lines.as_bytes()))
}

/// Returns 128 bits of a hash: enough for accidents.
fn hash_of(bytes: &[u8]) -> String {
    short(&blake3::hash(bytes))
}

fn short(hash: &blake3::Hash) -> String {
    hash.to_hex()[..32].to_owned()
}

/// Returns the hash of a file's contents, or of a link's target.
fn hash(file: &Path, metadata: &Metadata) -> std::io::Result<String> {
    if metadata.is_symlink() {
        let target = std::fs::read_link(file)?;
        return Ok(hash_of(target.as_os_str().as_bytes()));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(short(&hasher.finalize()))
}

/// Returns a file's times of modification and change and its inode number.
fn stamp(metadata: &Metadata) -> String {
    format!(
        "{}.{}-{}.{}-{}",
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.ino()
    )
}
