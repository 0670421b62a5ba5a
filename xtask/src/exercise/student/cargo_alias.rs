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
    /// Makes `cargo xtask` work in the folder too, unless this is the installed program; notes a failure.
    pub fn write_cargo_alias(&self, workspace: &Workspace) {
        if crate::program::is_installed() {
            return;
        }
        if let Err(error) = self.try_cargo_alias(workspace) {
            crate::errln!(
                "note: `cargo xtask` does not work in the folder of your answers: {error:#}"
            );
        }
    }

    /// Writes `.cargo/config.toml`, unless the folder is in the clone or has another such file. Without it,
    /// `cargo xtask` is known in the clone alone.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    fn try_cargo_alias(&self, workspace: &Workspace) -> Result<()> {
        let root = std::path::absolute(&self.root).context("cannot find the current folder")?;
        // A path that is not UTF-8 cannot be in the file.
        let Some(clone) = workspace.root().to_str() else {
            return Ok(());
        };
        let path = root.join(FILE);
        let is_own = || whole_file::read_text(&path).is_ok_and(|text| text.starts_with(HEAD));
        let has_other = path.symlink_metadata().is_ok() && !is_own();
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
