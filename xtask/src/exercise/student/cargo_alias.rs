//! The file by which `cargo xtask` works in a student's folder too.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::StudentFolder;
use crate::whole_file;
use crate::workspace::{VARIABLE, Workspace};

/// The file, in a student's folder.
const FILE: &str = ".cargo/config.toml";

/// Its first line. kmodlab replaces no file without it.
const HEAD: &str = "# Written by kmodlab: here, `cargo xtask` runs the program of this clone.";

/// The part of cargo's configuration that the file has.
#[derive(Serialize)]
struct CargoConfig<'a> {
    alias: Alias<'a>,
    env: toml::Table,
}

#[derive(Serialize)]
struct Alias<'a> {
    xtask: [&'a str; 6],
}

impl StudentFolder {
    /// Writes `.cargo/config.toml`, unless the folder is in the clone or has another such file. Without it,
    /// `cargo xtask` is known in the clone alone.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or written.
    pub fn write_cargo_alias(&self, workspace: &Workspace) -> Result<()> {
        let root = std::path::absolute(&self.root).context("cannot find the current folder")?;
        // A path that is not UTF-8 cannot be in the file.
        let Some(clone) = workspace.root().to_str() else {
            return Ok(());
        };
        let path = root.join(FILE);
        let is_own = || Ok::<_, std::io::Error>(whole_file::read_text(&path)?.starts_with(HEAD));
        let has_other = path.exists() && !is_own().with_context(|| path.display().to_string())?;
        if root.starts_with(clone) || has_other {
            return Ok(());
        }
        let manifest = format!("{clone}/Cargo.toml");
        let xtask = [
            "run",
            "--manifest-path",
            &manifest,
            "--package",
            "xtask",
            "--",
        ];
        let config = CargoConfig {
            alias: Alias { xtask },
            env: [(VARIABLE.to_owned(), clone.into())].into_iter().collect(),
        };
        whole_file::write_below(&path, format!("{HEAD}\n{}", toml::to_string(&config)?))
    }
}
