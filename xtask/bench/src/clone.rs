//! Copies of the clone whose lessons the benchmark chooses.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use xtask::key::files_below;

/// A module that does nothing, for lessons whose commands need no module.
const MODULE: &str = r#"// SPDX-License-Identifier: GPL-2.0
use kernel::prelude::*;

module! {
    type: Empty,
    name: "empty",
    authors: ["kmodlab"],
    description: "Does nothing",
    license: "GPL",
}

struct Empty;

impl kernel::Module for Empty {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Empty)
    }
}
"#;

/// A copy of the parts of a clone that xtask uses, in a temporary folder.
pub struct ScratchClone(TempDir);

impl ScratchClone {
    /// Copies the clone at `root` with all of its lessons.
    pub fn of(root: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // The manifests and `xtask` belong to the workspace of the agent.
        for file in ["Cargo.toml", "Cargo.lock"] {
            std::fs::copy(root.join(file), folder.path().join(file))?;
        }
        for part in ["kernel-config", "modules", "initramfs", "xtask"] {
            copy_tree(&root.join(part), &folder.path().join(part))?;
        }
        Ok(Self(folder))
    }

    /// Copies the clone at `root`, with one lesson instead of all: `empty`, with
    /// this console block.
    pub fn with_commands(root: &Path, console: &str) -> Result<Self> {
        let clone = Self::without_lessons(root)?;
        let lesson = clone.lesson("empty");
        std::fs::create_dir_all(&lesson)?;
        std::fs::write(lesson.join("empty.rs"), MODULE)?;
        let text = format!("# Commands\n\n```console\n{console}```\n");
        std::fs::write(lesson.join("README.md"), text)?;
        Ok(clone)
    }

    /// Copies the clone at `root`, with these modules of `modules/tests` as its
    /// lessons.
    pub fn with_test_modules(root: &Path, names: &[&str]) -> Result<Self> {
        let clone = Self::without_lessons(root)?;
        for name in names {
            let from = root.join("modules/tests").join(name);
            copy_tree(&from, &clone.lesson(name))?;
        }
        Ok(clone)
    }

    fn without_lessons(root: &Path) -> Result<Self> {
        let clone = Self::of(root)?;
        std::fs::remove_dir_all(clone.root().join("modules/lessons"))?;
        Ok(clone)
    }

    /// Returns the top folder.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Returns the folder of a lesson.
    pub fn lesson(&self, name: &str) -> PathBuf {
        self.root().join("modules/lessons").join(name)
    }
}

/// Copies all files below `from` into the folder `to`.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let target = to.join(file.strip_prefix(from)?);
        std::fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        std::fs::copy(&file, target)?;
    }
    Ok(())
}
