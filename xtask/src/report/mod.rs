//! The report of a run of the suite, for people and for programs: a module per
//! format, and one for the artifacts of failures.

pub mod artifacts;
pub mod asciicast;
mod check;
mod clean;
mod details;
pub mod json;
pub mod junit;
pub mod ktap;
mod narrowed;
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
use crate::streams;
use crate::ui::StageTime;

pub use check::{print_check, print_hint};
pub use progress::SuiteProgress;

pub use crate::run::outcome::{Counts, Outcome, fault};
pub use crate::run::{CleanSchedules, RaceFindings};

/// The results of a run of the suite, from which every format is written.
#[derive(Debug)]
pub struct SuiteReport {
    /// The kernel; `None` if no guest had to run.
    pub kernel: Option<TestedKernel>,
    /// How time passes in the guests: `virtual` or `real`.
    pub time: &'static str,
    /// How often each test case runs.
    pub repeat: u32,
    /// The part of the suite that ran, if not all of it.
    pub partition: Option<Partition>,
    /// Duration of the whole command, builds included.
    pub wall: Duration,
    /// Durations of the stages.
    pub stages: Vec<StageTime>,
    /// Outcomes, ordered by test case and then by run.
    pub outcomes: Vec<Outcome>,
    /// Comparisons of failing with passing schedules, one for each test case of which a
    /// schedule failed.
    pub races: Vec<RaceFindings>,
    /// Bounds for the test cases of which all schedules passed.
    pub clean: Vec<CleanSchedules>,
}

/// The kernel under test.
#[derive(Debug, Clone)]
pub struct TestedKernel {
    /// Name of the kernel in kernels.toml.
    pub name: String,
    /// Version of the kernel.
    pub version: String,
    /// Version of QEMU.
    pub qemu: String,
}

/// Options that name a file per format of the report.
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

    /// Returns true if one of the files is standard output, which must then contain
    /// nothing else.
    pub fn take_standard_output(&self) -> bool {
        self.files()
            .any(|(_, path)| path == Path::new(STANDARD_OUTPUT))
    }

    /// Checks that the files can be written, before a test case runs.
    ///
    /// # Errors
    ///
    /// If two reports go to one file, or the file cannot exist.
    pub fn check(&self) -> Result<()> {
        let mut used: Vec<PathBuf> = Vec::new();
        for (option, path) in self.files() {
            let file = resolved(path);
            if used.contains(&file) {
                let what = format!("{option}: another report goes to {} too", path.display());
                return Err(Failure::usage(what).into());
            }
            used.push(file);
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
                        "its folder does not exist"
                    }
                );
                return Err(Failure::usage(what).into());
            }
        }
        Ok(())
    }

    /// Writes the report in all requested formats.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
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

/// Returns the path with its symbolic links and `..` resolved: two paths may name one file. The
/// file itself need not exist.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(file) = path.canonicalize() {
        return file;
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Writes a text to a file, or to standard output if the path is `-`.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new(STANDARD_OUTPUT) {
        return streams::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to standard output");
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the details of a failed part of an exercise, line by line.
pub fn check_details(outcome: &Outcome) -> Vec<String> {
    detail_lines(outcome)
}

/// Returns the details of a failure without colours, line by line.
fn detail_lines(outcome: &Outcome) -> Vec<String> {
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = details::print(&mut text, outcome, snapbox::report::Palette::plain());
    let text = String::from_utf8_lossy(&text);
    text.trim_matches('\n').lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
