//! The kernel with KCSAN: which races it finds, and what its reports show.
//!
//! These tests are ignored unless they are asked for, because that kernel takes
//! minutes to build: `cargo test --test with_kernel -- --ignored data_races`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::report::json::{RunEntry, SuiteDocument};

use crate::lab::{document, original, run, xtask};

/// Number of schedules in which a data race is found: on Linux 7.3.4 the first for
/// `unsafe_list` in Rust has seed 75 (2026-11-28).
const SCHEDULES: u32 = 200;

fn report(args: &[&str]) -> Result<SuiteDocument> {
    let args = [&["test", "--json", "-", "--profile", "kcsan"], args].concat();
    let output = run(&mut xtask(original(), &args))?;
    document(&output.stdout).with_context(|| output.stderr)
}

/// Returns whether the run ended with a report of KCSAN.
fn is_data_race(entry: &RunEntry) -> bool {
    entry.verdict == "kernel-report" && entry.message.contains("BUG: KCSAN: data-race in ")
}

/// Returns the first run of schedules that ends with KCSAN's report of two tasks.
fn first_data_race(case: &[&str]) -> Result<RunEntry> {
    let mut seed = 1;
    while seed <= SCHEDULES {
        let [first, count] = [seed, SCHEDULES + 1 - seed].map(|number| number.to_string());
        let schedules = ["--seed", &first, "--schedules", &count, "--fail-fast"];
        let suite = report(&[case, &schedules].concat())?;
        let both = |run: &&RunEntry| is_data_race(run) && run.source_locations.len() == 2;
        if let Some(found) = suite.runs.iter().find(both) {
            return Ok(found.clone());
        }
        // Another failure, such as a wrong result.
        let failed = suite.runs.iter().filter(|run| run.verdict != "pass");
        let failed = failed.filter_map(|run| run.seed).max();
        seed = failed.unwrap_or(SCHEDULES) + 1;
    }
    bail!("{case:?}: {SCHEDULES} schedules report no data race of two tasks")
}

/// Checks that schedules find a data race with the stacks of two tasks, and that the
/// seed repeats the report.
fn find(race: &str, language: &str) -> Result<()> {
    let case = [race, "--lang", language];
    let found = first_data_race(&case)?;
    let tasks: BTreeSet<&str> = found
        .source_locations
        .iter()
        .map(|location| location.task.as_str())
        .collect();
    assert_eq!(tasks.len(), 2, "{tasks:?}");
    for location in &found.source_locations {
        ensure!(!location.source.is_empty(), "{location:?}");
        let file = format!(" modules/races/{race}/");
        ensure!(format!(" {}", location.file).starts_with(&file));
    }
    ensure!(
        !found.message.contains("_RNv"),
        "a mangled name: {}",
        found.message
    );

    let seed = found.seed.context("no seed")?.to_string();
    let again = report(&[&case[..], &["--seed", &seed]].concat())?;
    let again = again.runs.first().context("no run")?;
    assert_eq!(again.kernel_log, found.kernel_log);
    Ok(())
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn lessons_have_no_data_race() -> Result<()> {
    let suite = report(&[])?;
    let failed: Vec<_> = suite
        .runs
        .iter()
        .filter(|run| run.verdict != "pass")
        .map(|run| (&run.lesson, &run.language, &run.message))
        .collect();
    ensure!(suite.summary.passed > 10 && failed.is_empty(), "{failed:?}");
    Ok(())
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn data_races_are_found_with_both_stacks() -> Result<()> {
    find("unsafe_list", "rust")?;
    find("unsafe_list", "c")?;
    find("use_after_free", "c")?;
    find("proc_reader", "c")
}

/// The other races mark each access that two tasks share.
#[test]
#[ignore = "builds the kernel of another profile"]
fn marked_accesses_are_not_data_races() -> Result<()> {
    const MARKED: &[&str] = &[
        "completion_reuse",
        "double_fetch",
        "double_stop",
        "full_ring",
        "late_get",
        "late_request",
        "lock_order",
        "lost_wakeup",
        "split_transfer",
        "unlocked_counter",
        "unordered_flag",
        "wrong_lock",
    ];
    let suite = report(&[MARKED, &["--schedules", "10"]].concat())?;
    let wrong = suite.runs.iter().find(|run| is_data_race(run));
    ensure!(wrong.is_none(), "{wrong:?}");
    Ok(())
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn corrected_versions_are_clean_under_schedules() -> Result<()> {
    let suite = report(&["*_mended", "--races", "--schedules", "10"])?;
    let failed = suite
        .runs
        .iter()
        .filter(|run| run.verdict == "kernel-report");
    let failed: Vec<_> = failed
        .map(|run| (&run.lesson, run.seed, &run.message))
        .collect();
    ensure!(suite.summary.failed == 0, "{failed:?}");
    Ok(())
}
