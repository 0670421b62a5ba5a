//! The kernels on which the console blocks of a text ran, from reports of `cargo xtask test --json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use xtask::failure::Failure;
use xtask::report::json::SCHEMA;

/// The kernels on which each lesson passed, and in which languages.
#[derive(Debug, Default)]
pub struct RanOn {
    lessons: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

/// The fields of a report that matter here; `docs/report.schema.json` has all.
#[derive(Debug, Deserialize)]
struct ReportFields {
    schema: u32,
    kernel: Option<KernelFields>,
    #[serde(default)]
    runs: Vec<RunFields>,
}

#[derive(Debug, Deserialize)]
struct KernelFields {
    version: String,
}

#[derive(Debug, Deserialize)]
struct RunFields {
    lesson: String,
    language: String,
    verdict: String,
}

impl RanOn {
    /// Reads the reports.
    ///
    /// # Errors
    ///
    /// Fails if a file is not a report of this version's schema.
    pub fn read(reports: &[PathBuf]) -> Result<Self> {
        let mut ran_on = Self::default();
        for path in reports {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let report: ReportFields = serde_json::from_str(&text)
                .with_context(|| format!("{} is not a report of test --json", path.display()))?;
            ensure!(
                report.schema == SCHEMA,
                Failure::usage(format!(
                    "{} has version {} of the schema; this program reads version {SCHEMA}",
                    path.display(),
                    report.schema
                ))
            );
            let Some(kernel) = report.kernel else {
                continue;
            };
            let mut failed = BTreeSet::new();
            for run in &report.runs {
                if run.verdict != "pass" {
                    failed.insert((&run.lesson, &run.language));
                }
            }
            for run in &report.runs {
                if !failed.contains(&(&run.lesson, &run.language)) {
                    let kernels = ran_on.lessons.entry(run.lesson.clone()).or_default();
                    let languages = kernels.entry(kernel.version.clone()).or_default();
                    languages.insert(run.language.clone());
                }
            }
        }
        Ok(ran_on)
    }

    /// Returns the sentence for a lesson's page: `Ran on Linux 6.12.117 (Rust, C)`; none if no
    /// report has a pass of it.
    pub fn sentence(&self, lesson: &str) -> Option<String> {
        let kernels = self.lessons.get(lesson)?;
        let kernel = |(version, languages): (&String, &BTreeSet<String>)| {
            let title = |language: &String| match language.as_str() {
                "rust" => "Rust".to_owned(),
                other => other.to_uppercase(),
            };
            // Rust first, as everywhere.
            let languages: Vec<String> = languages.iter().rev().map(title).collect();
            format!("{version} ({})", languages.join(", "))
        };
        let kernels: Vec<String> = kernels.iter().map(kernel).collect();
        Some(format!("ran on Linux {}", kernels.join(", ")))
    }
}
