//! Delays in the kernel's functions that a module calls.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::SuiteDocument;

use crate::lab::{document, original, run, xtask};

const RACE: [&str; 3] = ["freed_mutex", "--lang", "c"];

/// The part of `mutex_unlock` for a mutex that others wait for.
const UNLOCK: &str = "__mutex_unlock_slowpath";

/// Runs the race, and returns what was printed to standard error, and the report.
fn test(args: &[&str]) -> Result<(String, Result<SuiteDocument>)> {
    let args = [&["test", "--json", "-"], &RACE[..], args].concat();
    let output = run(&mut xtask(original(), &args))?;
    Ok((output.stderr, document(&output.stdout)))
}

/// Returns the offsets of the probe points in a function, which an error lists.
fn offsets(function: &str) -> Result<Vec<String>> {
    let wrong = format!("start=0ms book@{function}+0x1#1=8ms");
    let (errors, _) = test(&["--schedule", &wrong])?;
    let list = format!("the probe points of {function} are at ");
    let (_, list) = errors.split_once(&list).with_context(|| errors.clone())?;
    let list = list.lines().next().unwrap_or_default();
    Ok(list.split(", ").map(str::to_owned).collect())
}

#[test]
fn a_task_that_is_delayed_in_mutex_unlock_uses_a_mutex_that_is_freed() -> Result<()> {
    let offsets = offsets(UNLOCK)?;
    let first = offsets.first().context("no probe point")?;
    let nobody = format!("start=0ms nobody@{UNLOCK}+{first}#1=8ms");
    let (errors, _) = test(&["--schedule", &nobody])?;
    ensure!(errors.contains("no task `nobody` came to"), "{errors}");
    let mut verdicts = Vec::new();
    for offset in &offsets {
        let schedule = format!("start=0ms book@{UNLOCK}+{offset}#1=8ms");
        let (errors, suite) = test(&["--schedule", &schedule])?;
        let suite = suite.with_context(|| errors.clone())?;
        let verdict = suite.runs.first().context("no run")?.verdict.clone();
        let stack = "modules/races/freed_mutex/c/freed_mutex.c";
        ensure!(
            verdict == "pass" || errors.contains(UNLOCK) && errors.contains(stack),
            "{errors}"
        );
        verdicts.push(verdict);
    }
    // Before the mutex is free the delay is that of the thread's own line; behind, the spinlock is in freed memory.
    ensure!(
        verdicts.iter().any(|verdict| verdict == "pass"),
        "{verdicts:?}"
    );
    ensure!(
        verdicts.iter().any(|verdict| verdict == "hang"),
        "{verdicts:?}"
    );
    Ok(())
}

/// Returns the functions of mutexes in which 40 schedules delayed a task.
fn delayed_in(args: &[&str]) -> Result<Vec<String>> {
    let (errors, suite) = test(&[&["--schedules", "40", "--no-narrow"], args].concat())?;
    let suite = suite.with_context(|| errors.clone())?;
    let delays = suite.runs.into_iter().flat_map(|run| run.injected_delays);
    let functions = delays.map(|delay| delay.function);
    Ok(functions.filter(|name| name.contains("mutex_")).collect())
}

#[test]
fn some_seeds_delay_tasks_in_the_kernel() -> Result<()> {
    ensure!(!delayed_in(&[])?.is_empty());
    Ok(())
}

#[test]
#[ignore = "ci/nightly runs it"]
fn random_schedules_delay_tasks_in_the_module_alone() -> Result<()> {
    let random = delayed_in(&["--aim", "random"])?;
    ensure!(random.is_empty(), "{random:?}");
    Ok(())
}
