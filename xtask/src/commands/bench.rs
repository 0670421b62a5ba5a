//! `cargo xtask bench`: builds the package `kmodlab-bench` and becomes it.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::common::Common;
use crate::workspace::Workspace;

/// Options of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchOptions {
    /// The options of every building command.
    #[command(flatten)]
    pub common: Common,

    /// Number of times that each quick figure is taken
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    pub runs: u8,

    /// Number of times that the kernel is built from nothing, through xtask and
    /// by bare make each; 0 leaves these figures out
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub kernel_builds: u8,

    /// Number of blocks of seeds for which `--only races` counts the schedules to the first failure
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..))]
    pub blocks: u8,

    /// Number of seeds in each of these blocks
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub block: u16,

    /// Number of plain repetitions of each race in real time for `--only races`; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub plain: u16,

    /// Run only this race for `--only races` and `--only schedules`; may be given several times
    #[arg(long, value_name = "NAME")]
    pub race: Vec<String>,

    /// Take only these figures; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Vec<BenchPart>,

    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A group of figures that can be taken alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchPart {
    /// Builds with nothing to do, boots, the suite, sizes
    Quick,
    /// A command typed in real time
    Typed,
    /// The time until the verdict on a dead guest
    Verdicts,
    /// Schedules: speed, repetition of a seed, races found (half an hour)
    Schedules,
    /// Runs until each race shows: aimed, random and plain (hours; only if it is named here)
    Races,
    /// The duration of a replay over its recording's
    Replay,
    /// Rust and C side by side
    Languages,
    /// The cold compile of xtask
    Compile,
    /// The cold builds of the kernel
    Kernel,
}

/// Replaces this process by `cargo run --package kmodlab-bench` with the same options,
/// which hands on the benchmark's exit status.
///
/// # Errors
///
/// Fails if there is no clone of kmodlab, or if cargo cannot be run.
pub fn run() -> Result<Infallible> {
    let manifest = Workspace::find()?.root().join("Cargo.toml");
    // In the current folder, which paths among the options may be relative to.
    let error = cargo()
        .args(["run", "--package", "kmodlab-bench", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(std::env::args_os().skip(2))
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
