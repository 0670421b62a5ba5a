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
    /// All `*.patch` in `folder`, by name; none if there is no such folder.
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

    /// How many there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Adds all patches to the inputs of a tree.
    pub fn add_to(&self, inputs: &mut Inputs) -> Result<()> {
        for file in &self.files {
            inputs.file("patch", file)?;
        }
        Ok(())
    }

    /// Applies all patches to `tree`, which is a copy of kernel `version` that
    /// nobody else has. patch(1) writes new files and renames them.
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
                    "the patch {} does not apply to Linux {version}:\n{}\nNothing of the patched \
                     tree was kept. The patch is written for another version, or the source was \
                     changed where the patch changes it.",
                    file.display(),
                    failures(&stdout, &stderr)
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// What of patch(1)'s output tells of a failure: each hunk that does not
/// apply, below the name of its file.
fn failures(stdout: &str, stderr: &str) -> String {
    let mut told = Vec::new();
    let mut file = None;
    for line in stdout.lines().chain(stderr.lines()) {
        if line.starts_with("patching file ") {
            file = Some(line);
        } else if !line.contains("succeeded at") && !line.trim().is_empty() {
            told.extend(file.take());
            told.push(line);
        }
    }
    told.iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_is_told() {
        let output = "patching file a\npatching file b\nHunk #1 succeeded at 4 (offset 2 lines).\n\
                      Hunk #2 FAILED at 9.\n1 out of 2 hunks FAILED\n";
        assert_eq!(
            failures(output, ""),
            "  patching file b\n  Hunk #2 FAILED at 9.\n  1 out of 2 hunks FAILED"
        );
    }
}
