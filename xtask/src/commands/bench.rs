//! `cargo xtask bench`: how long things take, against what they should.

use std::process::ExitCode;

use anyhow::Result;

use super::common::Common;
use super::qemu;
use crate::bench::{Bench, Part};
use crate::kernel::Profile;
use crate::modules::Language;
use crate::vm::{Accel, Console, Machine};
use crate::{lesson, pipeline, play};

/// Options of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchOptions {
    #[command(flatten)]
    common: Common,

    /// How often each quick figure is taken
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,

    /// How often the kernel is built from nothing, through xtask and by bare
    /// make each; 0 leaves these figures out
    #[arg(long, value_name = "N", default_value_t = 1)]
    kernel_builds: u8,

    /// Take only these figures; may be given several times
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and says with status 1 that a figure missed its aim.
pub fn run(options: &BenchOptions) -> Result<ExitCode> {
    let session = options.common.session()?;
    let lessons = lesson::select(&session.workspace, &[])?;
    let mut prepared = pipeline::prepare(
        &session,
        &options.common.source_request(),
        Profile::Teaching,
        &lessons,
        &[Language::Rust, Language::C],
    )?;
    // The guest with a shell gets one language's: both have the same names.
    let (modules, twins) = prepared
        .modules
        .into_iter()
        .partition(|module| module.language == Language::Rust);
    prepared.modules = modules;
    let interactive = Machine {
        console: Console::Output,
        ..qemu::machine(&session, &prepared, &lessons, Accel::Tcg)?
    };
    prepared.modules.extend::<Vec<_>>(twins);
    prepared.saved = play::saved(&session, &prepared);
    let results = Bench {
        session: &session,
        prepared: &prepared,
        interactive: &interactive,
        lessons: &lessons,
        kernel_args: &options.common.kernel_args(),
        runs: usize::from(options.runs),
        kernel_builds: usize::from(options.kernel_builds),
    }
    .take(&options.only)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        print!("{}", results.tables());
    }
    Ok(ExitCode::from(u8::from(results.missed())))
}
