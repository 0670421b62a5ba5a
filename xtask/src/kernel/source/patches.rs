//! A kernel's patches: `kernel-config/patches/<kernel>/*.patch`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::key::Inputs;
use crate::process::Tool;

/// The patches of a kernel, in the order they are applied.
#[derive(Debug)]
pub struct Patches {
    files: Vec<PathBuf>,
}

impl Patches {
    /// Returns all `*.patch` in `folder`, sorted by name; none if the folder does not exist.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be listed.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        if folder.is_dir() {
            let entries = std::fs::read_dir(folder)
                .with_context(|| format!("cannot list {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "patch")
                {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(Self { files })
    }

    /// Returns the number of patches.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Adds all patches to the inputs of a tree.
    ///
    /// # Errors
    ///
    /// Fails if a patch cannot be read.
    pub fn add_to(&self, inputs: &mut Inputs) -> Result<()> {
        for file in &self.files {
            inputs.file("patch", file)?;
        }
        Ok(())
    }

    /// Applies all patches to `tree`, a private copy of kernel `version`. patch(1) writes new files
    /// and renames them.
    ///
    /// # Errors
    ///
    /// Fails if a patch does not apply.
    pub fn apply(&self, tree: &Path, version: &str) -> Result<()> {
        for file in &self.files {
            let (status, stdout, stderr) = Tool::new("patch")
                .args(["-p1", "--forward", "--batch", "--no-backup-if-mismatch"])
                .arg("-i")
                .arg(file)
                .env("LC_ALL", "C")
                .current_dir(tree)
                .capture()?;
            if !status.success() {
                return Err(Failure::host(format!(
                    "the patch {} does not apply to Linux {version}:\n{}\nThe patched tree was not \
                     kept. The patch is for another version, or the source has other changes in \
                     the same lines.",
                    file.display(),
                    failures(&stdout, &stderr)
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// Returns the lines of patch(1)'s output about failures: each hunk that does not apply, below
/// the name of its file.
fn failures(stdout: &str, stderr: &str) -> String {
    let mut failures = Vec::new();
    let mut file = None;
    for line in stdout.lines().chain(stderr.lines()) {
        if line.starts_with("patching file ") {
            file = Some(line);
        } else if !line.contains("succeeded at") && !line.trim().is_empty() {
            failures.extend(file.take());
            failures.push(line);
        }
    }
    failures
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_are_shown() {
        let output = "patching file a\npatching file b\nHunk #1 succeeded at 4 (offset 2 lines).\n\
                      Hunk #2 FAILED at 9.\n1 out of 2 hunks FAILED\n";
        assert_eq!(
            failures(output, ""),
            "  patching file b\n  Hunk #2 FAILED at 9.\n  1 out of 2 hunks FAILED"
        );
    }
}
