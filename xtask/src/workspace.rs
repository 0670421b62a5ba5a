//! The clone of kmodlab whose files a command uses.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cache::Cache;
use crate::embedded;

/// Environment variable that names a clone to use instead of the one around the current folder.
pub const VARIABLE: &str = "KMODLAB_WORKSPACE";

/// Files by which the top folder of a clone is recognised.
const LANDMARKS: [&str; 2] = ["kernel-config/kernels.toml", "modules/Kbuild"];

/// Returns the clone that the environment names.
fn named() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|root| !root.is_empty())
}

/// A clone of kmodlab.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the clone that `KMODLAB_WORKSPACE` names, else the one that the current folder is in,
    /// else the files that an installed program has with it.
    ///
    /// The search is at run time, as cargo's and git's: a program that was built in one clone
    /// and runs in a copy of it uses the copy's files.
    ///
    /// # Errors
    ///
    /// Fails if the named folder is not a clone, or if no folder from the current one up to the
    /// root is one and the program has no files with it.
    pub fn find() -> Result<Self> {
        if let Some(root) = named() {
            return Self::at(Path::new(&root)).context(VARIABLE);
        }
        let current = std::env::current_dir().context("cannot find the current folder")?;
        Self::around(&current).or_else(|error| match embedded::clone_folder(&Cache::from_env()?)? {
            Some(folder) => Self::at(&folder),
            None => Err(error),
        })
    }

    /// Reports whether a clone is chosen: `KMODLAB_WORKSPACE` names one, or `folder` is in one.
    pub fn is_chosen(folder: &Path) -> bool {
        named().is_some() || Self::around(folder).is_ok()
    }

    /// Finds the clone that `folder` is in: the nearest folder, from `folder` upwards, that has
    /// the landmarks of a clone.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub fn around(folder: &Path) -> Result<Self> {
        let is_clone = |root: &&Path| LANDMARKS.iter().all(|file| root.join(file).is_file());
        match folder.ancestors().find(is_clone) {
            Some(root) => Self::at(root),
            None => bail!(
                "{} is not in a clone of kmodlab: neither it nor a folder above it has {}. Change \
                 into a clone, or set {VARIABLE} to its top folder",
                folder.display(),
                LANDMARKS.join(" and ")
            ),
        }
    }

    /// Opens the clone with the top folder `root`.
    ///
    /// # Errors
    ///
    /// Fails if `root` has no folder `kernel-config`.
    pub fn at(root: &Path) -> Result<Self> {
        match std::fs::canonicalize(root) {
            Ok(root) if root.join("kernel-config").is_dir() => Ok(Self { root }),
            _ => bail!(
                "{} is not a clone of kmodlab: it has no folder kernel-config",
                root.display()
            ),
        }
    }

    /// Returns the top folder, free of symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a path for messages: relative to the top folder, if it is below that.
    pub fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Returns `kernel-config/`: kernels.toml, teaching.config, patches.
    pub fn kernel_config(&self) -> PathBuf {
        self.root.join("kernel-config")
    }

    /// Returns `modules/`: kernel_ext, the lessons and the races.
    pub fn modules(&self) -> PathBuf {
        self.root.join("modules")
    }

    /// Returns `modules/lessons/`, which has a folder for each lesson.
    pub fn lessons(&self) -> PathBuf {
        self.modules().join("lessons")
    }

    /// Returns `modules/races/`, which has a folder for each race and for its corrected version.
    pub fn races(&self) -> PathBuf {
        self.modules().join("races")
    }

    /// Returns the folder with the sources of the module `name`: a lesson's, a race's or, if
    /// neither has that name, a tool's. No two modules have the same name.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        let folders = [self.lessons(), self.races()].map(|folder| folder.join(name));
        let known = folders.into_iter().find(|folder| folder.is_dir());
        known.unwrap_or_else(|| self.modules().join("tools").join(name))
    }

    /// Returns `initramfs/`: the files of the guest besides busybox.
    pub fn initramfs(&self) -> PathBuf {
        self.root.join("initramfs")
    }
}
