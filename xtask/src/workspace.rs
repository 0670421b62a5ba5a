//! Where kmodlab's own files are.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A clone of kmodlab.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The clone that this xtask was built from, or the one that
    /// `KMODLAB_WORKSPACE` names.
    pub fn find() -> Result<Self> {
        let root = std::env::var_os("KMODLAB_WORKSPACE").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            PathBuf::from,
        );
        Self::at(&root)
    }

    /// The clone at `root`.
    pub fn at(root: &Path) -> Result<Self> {
        match std::fs::canonicalize(root) {
            Ok(root) if root.join("kernel-config").is_dir() => Ok(Self { root }),
            _ => bail!(
                "{} is no clone of kmodlab: it has no folder kernel-config",
                root.display()
            ),
        }
    }

    /// The top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `kernel-config/`: kernels.toml, teaching.config, patches.
    pub fn kernel_config(&self) -> PathBuf {
        self.root.join("kernel-config")
    }

    /// `modules/`: kernel_ext, the lessons and the races.
    pub fn modules(&self) -> PathBuf {
        self.root.join("modules")
    }

    /// `modules/lessons/`: one folder a lesson.
    pub fn lessons(&self) -> PathBuf {
        self.modules().join("lessons")
    }

    /// `modules/races/`: one folder a race, and one its mended twin.
    pub fn races(&self) -> PathBuf {
        self.modules().join("races")
    }

    /// The folder of the lesson or race `name`, which has the module's sources,
    /// or of a module that is neither but a tool. No two have the same name.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        let folders = [self.lessons(), self.races()].map(|folder| folder.join(name));
        let known = folders.into_iter().find(|folder| folder.is_dir());
        known.unwrap_or_else(|| self.modules().join("tools").join(name))
    }

    /// `initramfs/`: what runs in the guest besides busybox.
    pub fn initramfs(&self) -> PathBuf {
        self.root.join("initramfs")
    }
}
