//! What a run of lessons came to, for people and for programs: one file a
//! format, and one for what is kept of a failure.

pub mod artifacts;
pub mod asciicast;
mod details;
pub mod json;
pub mod junit;
pub mod ktap;
mod progress;
mod races;
pub mod terminal;
pub mod timelines;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::run::plan::Partition;
use crate::ui::StageTime;

pub use progress::SuiteProgress;

pub use crate::run::RaceFindings;
pub use crate::run::outcome::{Counts, Outcome, fault};

/// A run of the suite, as all formats tell it.
#[derive(Debug)]
pub struct SuiteReport {
    /// The kernel; none if nothing had to be played.
    pub kernel: Option<TestedKernel>,
    /// How time passed in the guests: `virtual` or `real`.
    pub time: &'static str,
    /// How often each play was to be played.
    pub repeat: u32,
    /// The part of the suite that was played, if not all.
    pub partition: Option<Partition>,
    /// The time on the wall, the making of kernel and modules included.
    pub wall: Duration,
    /// What the stages took.
    pub stages: Vec<StageTime>,
    /// What the plays came to, in their order, and of the runs for each.
    pub outcomes: Vec<Outcome>,
    /// Of plays with several schedules, what tells those that fail from the others.
    pub races: Vec<RaceFindings>,
}

/// The kernel that was played with.
#[derive(Debug, Clone)]
pub struct TestedKernel {
    /// Its name in kernels.toml.
    pub name: String,
    /// Its version.
    pub version: String,
    /// QEMU's version.
    pub qemu: String,
}

/// The files that a report is written to, each in its own format.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ReportFiles {
    /// Write the report as JUnit's XML into this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Write the report as JSON into this file; `-` is standard output
    ///
    /// Its fields are described in docs/report.schema.json.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the report as KTAP, the kernel's test format, into this file; `-`
    /// is standard output
    #[arg(long, value_name = "FILE")]
    pub ktap: Option<PathBuf>,
}

/// The file name that means standard output.
const STANDARD_OUTPUT: &str = "-";

impl ReportFiles {
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let Self { junit, json, ktap } = self;
        [("--junit", junit), ("--json", json), ("--ktap", ktap)]
            .into_iter()
            .filter_map(|(option, path)| Some((option, path.as_deref()?)))
    }

    /// True if one of them is standard output, which nothing else may be
    /// written to then.
    pub fn take_standard_output(&self) -> bool {
        self.files()
            .any(|(_, path)| path == Path::new(STANDARD_OUTPUT))
    }

    /// Refuses what cannot be written, before anything is played.
    pub fn check(&self) -> Result<()> {
        let mut seen: Vec<&Path> = Vec::new();
        for (option, path) in self.files() {
            if seen.contains(&path) {
                let what = format!("{option}: another report goes to {} too", path.display());
                return Err(Failure::usage(what).into());
            }
            seen.push(path);
            if path == Path::new(STANDARD_OUTPUT) {
                continue;
            }
            let folder = path.parent().filter(|parent| *parent != Path::new(""));
            if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
                let what = format!(
                    "{option}: {} cannot be a file: {}",
                    path.display(),
                    if path.is_dir() {
                        "it is a folder"
                    } else {
                        "its folder is not there"
                    }
                );
                return Err(Failure::usage(what).into());
            }
        }
        Ok(())
    }

    /// Writes the report in all formats that are asked for.
    pub fn write(&self, report: &SuiteReport) -> Result<()> {
        for (option, path) in self.files() {
            let text = match option {
                "--junit" => junit::text(report)?,
                "--json" => json::text(report)?,
                _ => ktap::text(report),
            };
            write(path, &text)?;
        }
        Ok(())
    }
}

/// Writes a text into a file, or to standard output if that is `-`.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new(STANDARD_OUTPUT) {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to standard output");
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The report of a failure as a person reads it, line by line.
fn detail_lines(outcome: &Outcome) -> Vec<String> {
    let mut text = Vec::new();
    // A Vec takes all that is written to it.
    let _ = details::print(&mut text, outcome, snapbox::report::Palette::plain());
    let text = String::from_utf8_lossy(&text);
    text.trim_matches('\n').lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
