//! `cargo xtask bench`: how long things take, against what they should.

use std::process::ExitCode;

use anyhow::Result;

use super::common::Common;
use super::qemu;
use crate::bench::{self, Bench};
use crate::modules::Language;
use crate::vm::{Accel, Console, Machine};
use crate::{lesson, pipeline};

/// Options of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    common: Common,

    /// How often each quick figure is taken
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,

    /// How often the kernel is built from nothing, through xtask and by bare
    /// make each; 0 leaves these figures out
    #[arg(long, value_name = "N", default_value_t = 1)]
    kernel_builds: u8,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and says with status 1 that a figure missed its aim.
pub fn run(options: &Options) -> Result<ExitCode> {
    let session = options.common.session()?;
    let lessons = lesson::select(&session.workspace, &[])?;
    let prepared = pipeline::prepare(
        &session,
        &options.common.wanted(),
        &lessons,
        &[Language::Rust],
    )?;
    let interactive = Machine {
        console: Console::Output,
        ..qemu::machine(&session, &prepared, &lessons, Accel::Tcg)?
    };
    let figures = bench::all(&Bench {
        session: &session,
        prepared: &prepared,
        interactive: &interactive,
        lessons: &lessons,
        kernel_args: &options.common.kernel_args(),
        runs: usize::from(options.runs),
        kernel_builds: usize::from(options.kernel_builds),
    })?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", bench::table(&figures));
    }
    let missed = figures.iter().any(|figure| figure.reached() == Some(false));
    Ok(ExitCode::from(u8::from(missed)))
}
