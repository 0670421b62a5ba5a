//! `cargo xtask bench`: measures how long kmodlab takes, and compares each
//! figure with its aim.
//!
//! A program of its own, so that a first `cargo xtask test` does not wait for
//! its compilation. `cargo xtask bench` builds it and runs it in its own place
//! (see `xtask/src/commands/bench.rs`).

mod clone;
mod figures;
mod languages;
mod measure;
mod races;
mod replay;
mod results;
mod schedules;
mod suite;
mod verdicts;
mod wake_ups;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use xtask::commands::bench::BenchOptions;
use xtask::kernel::Configuration;
use xtask::lesson::LessonText;
use xtask::modules::Language;
use xtask::run::plan::plan;
use xtask::run::{GuestKind, GuestSettings, Prepared, SuiteNeeds};
use xtask::{failure, lesson, process};

use figures::Bench;

/// Measure how long kmodlab takes, and compare each figure with its aim
#[derive(Debug, clap::Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    version,
    max_term_width = 100
)]
struct Arguments {
    #[command(flatten)]
    options: BenchOptions,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    process::on_signals(|| ())
        .and_then(|()| run(&options))
        .unwrap_or_else(|error| {
            process::park_if_interrupted();
            xtask::errln!("error: {error:#}");
            failure::exit_code(&error)
        })
}

/// Takes the figures and prints them; status 1 if one misses its aim.
fn run(options: &BenchOptions) -> Result<ExitCode> {
    let session = options.common.session()?;
    let lessons = lesson::all(&session.workspace)?;
    let texts: Vec<LessonText> = lessons.iter().cloned().map(Ok).collect();
    let languages = [Language::Rust, Language::C];
    let needs = SuiteNeeds {
        source: &options.common.source_request(),
        configuration: &Configuration::default(),
        settings: &GuestSettings::default(),
        cases: &plan(&texts, &languages, None),
        schedules: false,
        guests: GuestKind::Resumed,
    };
    let prepared = Prepared::new(&session, needs)?;
    prepared.built.all_modules()?;
    let results = Bench {
        session: &session,
        built: &prepared.built,
        runner: prepared.runner(&session),
        lessons: &lessons,
        kernel_args: &options.common.kernel_args(),
        runs: usize::from(options.runs),
        kernel_builds: usize::from(options.kernel_builds),
        block: usize::from(options.block),
        blocks: usize::from(options.blocks),
        plain_runs: usize::from(options.plain),
        races: &options.race,
    }
    .take(&options.only)?;
    if options.json {
        xtask::outln!("{}", serde_json::to_string_pretty(&results)?)?;
    } else {
        write!(xtask::streams::stdout(), "{}", results.tables())?;
    }
    Ok(ExitCode::from(u8::from(results.missed())))
}
