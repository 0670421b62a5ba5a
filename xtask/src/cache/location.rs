//! The folders that are the cache: which ones the environment names, and whether a folder is one.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use rustix::fs::{Access, access};

use crate::failure::Failure;
use crate::text::printable;

/// Folders that every cache has from its first use on.
const LANDMARKS: [&str; 2] = ["locks", "staging"];

/// The folders of the cache, which may not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFolders {
    /// The folder for new results.
    pub own: PathBuf,
    /// A folder that is only read.
    pub shared: Option<PathBuf>,
}

/// The state of a folder that is to be a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderState {
    /// The folder does not exist, or is empty.
    Unused,
    /// The folder is a cache.
    Cache,
}

impl CacheFolders {
    /// Returns the folders that `KMODLAB_CACHE`, `XDG_CACHE_HOME` and `HOME` name.
    ///
    /// # Errors
    ///
    /// Fails if none of the three variables is set.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let chosen = variable("KMODLAB_CACHE").map(PathBuf::from);
        let own = variable("XDG_CACHE_HOME")
            .map(|cache| Path::new(&cache).join("kmodlab"))
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/kmodlab")));
        match (chosen, own) {
            (Some(shared), Some(own)) if is_read_only(&shared) => Ok(Self {
                own,
                shared: Some(shared),
            }),
            (Some(own), _) | (None, Some(own)) => Ok(Self { own, shared: None }),
            (None, None) => Err(anyhow!(
                "HOME is not set: set KMODLAB_CACHE to a folder for built kernels"
            )),
        }
    }
}

/// Returns the state of the folder at `root`.
///
/// # Errors
///
/// Fails if something else than a cache is at `root`.
pub fn folder_state(root: &Path) -> Result<FolderState> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|folder| folder.is_dir());
    if !root.exists() {
        return Ok(FolderState::Unused);
    }
    if LANDMARKS.iter().all(|name| is_folder(&root.join(name))) {
        return Ok(FolderState::Cache);
    }
    if std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(FolderState::Unused);
    }
    Err(Failure::usage(format!(
        "{} is not a cache of kmodlab: it has no folders {}. Nothing in it was removed. \
         KMODLAB_CACHE names the cache",
        root.display(),
        LANDMARKS.join(" and ")
    ))
    .into())
}

/// Returns the absolute path of a cache folder.
///
/// # Errors
///
/// Fails if make cannot build in a folder of that name, or in the folder that a symbolic link leads
/// to: compilers see that one.
pub(super) fn plain_path(root: &Path) -> Result<PathBuf> {
    let root = std::path::absolute(root)?;
    let real = root.ancestors().find_map(|path| path.canonicalize().ok());
    for path in std::iter::once(&root).chain(&real) {
        let path = path.to_string_lossy();
        if let Some(letter) = path.chars().find(|letter| !is_plain(*letter)) {
            let path = printable(&path);
            return Err(Failure::usage(format!(
                "the cache folder {path} has {letter:?} in its name, which make cannot build in; \
                 set KMODLAB_CACHE to another"
            ))
            .into());
        }
    }
    Ok(root)
}

/// Returns true if this user cannot write a cache folder that exists, or a folder in it.
fn is_read_only(root: &Path) -> bool {
    let cannot_be_written =
        |path: &Path| path.is_dir() && access(path, Access::WRITE_OK | Access::EXEC_OK).is_err();
    cannot_be_written(root)
        || std::fs::read_dir(root).is_ok_and(|mut folders| {
            folders.any(|folder| folder.is_ok_and(|folder| cannot_be_written(&folder.path())))
        })
}

/// Returns true if a letter of a path means nothing to make and the shell.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "/._-+@~^=".contains(letter)
}
