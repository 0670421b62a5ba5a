//! `cargo xtask bench`: builds the package `kmodlab-bench` and becomes it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// Arguments of `bench`, which are options of `kmodlab-bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchOptions {
    /// Options of the benchmark; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Replaces this process by `cargo run --package kmodlab-bench`, which hands on
/// the benchmark's exit status.
///
/// # Errors
///
/// Fails if there is no clone of kmodlab, or if cargo cannot be run.
pub fn run(options: &BenchOptions) -> Result<Infallible> {
    let manifest = Workspace::find()?.root().join("Cargo.toml");
    // In the current folder, which paths among the options may be relative to.
    let error = cargo()
        .args(["run", "--package", "kmodlab-bench", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(&options.args)
        .exec();
    Err(error).context("cannot run cargo, which builds the benchmark")
}

/// Returns a `cargo` without the variables that the cargo around this process
/// has set: with them, the new one would compile everything again.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.env_remove("LD_LIBRARY_PATH");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && text != "CARGO_HOME" && text != "CARGO_TARGET_DIR" {
            command.env_remove(&name);
        }
    }
    command
}
