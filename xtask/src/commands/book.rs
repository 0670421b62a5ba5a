//! `cargo xtask book`: builds the package `kmodlab-book` and becomes it.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::bench::cargo;
use crate::workspace::Workspace;

/// Options of `book`.
#[derive(Debug, Clone, clap::Args)]
pub struct BookOptions {
    /// Write the book to this folder [default: target/book in the clone]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// A report of `test --json`, from which console blocks get the kernels that they ran on; may
    /// be given several times
    #[arg(long, value_name = "FILE")]
    pub ran: Vec<PathBuf>,

    /// A folder of `test --timeline`: the page of each lesson in it gets links to its timelines
    #[arg(long, value_name = "FOLDER")]
    pub timelines: Option<PathBuf>,

    /// The repository's address on the web, for links to files that are not in the book
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,

    /// Leave the solutions of the exercises out
    #[arg(long)]
    pub no_solutions: bool,

    /// Open the book in a browser
    #[arg(long)]
    pub open: bool,
}

/// Replaces this process by `cargo run --package kmodlab-book` with the same options.
///
/// # Errors
///
/// Fails if there is no clone of kmodlab, or if cargo cannot be run.
pub fn run() -> Result<Infallible> {
    let manifest = Workspace::find()?.root().join("Cargo.toml");
    // In the current folder, which paths among the options may be relative to.
    let error = cargo()
        .args(["run", "--package", "kmodlab-book", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(std::env::args_os().skip(2))
        .exec();
    Err(error).context("cannot run cargo, which builds the book's program")
}
