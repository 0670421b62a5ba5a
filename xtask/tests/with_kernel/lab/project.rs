//! Projects in temporary folders.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{XtaskOutput, original, run, xtask};

/// A copy of a project in a temporary folder.
pub struct TestProject {
    /// The folder around the project.
    pub folder: tempfile::TempDir,
    /// The project's folder.
    pub path: PathBuf,
}

impl TestProject {
    /// Copies a folder of `xtask/tests/projects` to one with this name.
    pub fn named(project: &str, name: &str) -> Result<Self> {
        let source = original().join("xtask/tests/projects").join(project);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(name);
        let copied = Command::new("cp")
            .arg("-r")
            .args([&source, &path])
            .status()?;
        ensure!(copied.success(), "cp failed on {}", source.display());
        Ok(Self { folder, path })
    }

    /// Copies a folder of `xtask/tests/projects`.
    pub fn of(project: &str) -> Result<Self> {
        Self::named(project, project)
    }

    /// Makes a project named `own` of these files.
    pub fn new(files: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("own");
        std::fs::create_dir(&path)?;
        let project = Self { folder, path };
        for (name, text) in files {
            project.write(name, text)?;
        }
        Ok(project)
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Runs xtask in the folder around the project.
    pub fn xtask(&self, args: &[&str]) -> Result<XtaskOutput> {
        run(&mut self.command(args))
    }

    /// Returns the command of [`TestProject::xtask`].
    pub fn command(&self, args: &[&str]) -> Command {
        let mut xtask = xtask(original(), args);
        xtask.current_dir(self.folder.path());
        xtask
    }
}
