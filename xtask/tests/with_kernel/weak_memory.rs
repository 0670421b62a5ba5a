//! Schedules that hold stores back (`--weak-memory`): they find a missing order of stores in C and in Rust,
//! and nothing where there is an order.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::{InjectedDelayEntry, NarrowedEntry, RunEntry, SuiteDocument};

use crate::lab::{TestClone, document, original, run, xtask};

/// Returns what `xtask test` printed to standard error, and the JSON report.
fn report(args: &[&str]) -> Result<(String, SuiteDocument)> {
    let args = [&["test", "--json", "-"], args].concat();
    let output = run(&mut xtask(original(), &args))?;
    let document = document(&output.stdout).with_context(|| output.stderr.clone())?;
    Ok((output.stderr, document))
}

/// Returns the stores that a run held back up to their ends.
fn held(run: &RunEntry) -> impl Iterator<Item = &InjectedDelayEntry> {
    let delays = run.injected_delays.iter();
    delays.filter(|delay| delay.held_until.is_some() && delay.guest_duration_seconds > 0.0)
}

fn only(suite: &SuiteDocument) -> Result<&RunEntry> {
    ensure!(suite.runs.len() == 1, "{:?}", suite.summary);
    suite.runs.first().context("no run")
}

/// Checks that the narrowed schedule holds back a store of the date past that of the flag.
fn check_narrowed(narrowed: &NarrowedEntry, language: &str) -> Result<()> {
    let [delay] = &narrowed.delays[..] else {
        anyhow::bail!("{narrowed:?}");
    };
    ensure!(
        delay.held_until.is_some() && narrowed.complete,
        "{narrowed:?}"
    );
    let line = delay.source_location.as_ref().context("no line")?;
    let passed = delay.passed_by.as_ref().context("nothing passes")?;
    let is_date = ["year", "month", "day"].map(|part| line.source.contains(part));
    ensure!(is_date.contains(&true), "{line:?}");
    ensure!(passed.source.contains("ready"), "{passed:?}");
    let sentence = format!(
        "relaxed_flag ({language}) fails if the store of `insmod` at line {} becomes visible ",
        line.line
    );
    ensure!(
        narrowed.sentence.starts_with(&sentence),
        "{}",
        narrowed.sentence
    );
    let end = format!(" ms after that at line {}.", passed.line);
    ensure!(narrowed.sentence.ends_with(&end), "{}", narrowed.sentence);
    Ok(())
}

#[test]
fn a_flag_that_overtakes_its_data_is_found_only_with_weak_memory_and_repeats() -> Result<()> {
    a_flag_overtakes_its_data("rust")
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it, and CI the same in Rust"]
fn a_flag_overtakes_its_data_in_c_too() -> Result<()> {
    a_flag_overtakes_its_data("c")
}

fn a_flag_overtakes_its_data(language: &str) -> Result<()> {
    let plain = ["relaxed_flag", "--lang", language, "--no-narrow"];
    let (_, suite) = report(&[&plain[..], &["--schedules", "20"]].concat())?;
    assert_eq!(suite.summary.failed, 0, "{:?}", suite.races);
    let race = ["relaxed_flag", "--lang", language, "--weak-memory"];
    let schedules = ["--schedules", "60", "--fail-fast"];
    let (printed, suite) = report(&[&race[..], &schedules].concat())?;
    let found = suite.races.first().context("not found by 60 schedules")?;
    let seed = found.first_failing_seed;
    let failed = suite.runs.iter().find(|run| run.seed == Some(seed));
    let failed = failed.context("no run of the seed")?;
    assert_eq!(failed.verdict, "mismatch", "{}", failed.message);
    assert_eq!(held(failed).count(), 1, "{:?}", failed.injected_delays);
    let again = format!("relaxed_flag --lang {language} --seed {seed} --weak-memory");
    assert!(printed.contains(&again), "{printed}");
    let narrowed = found.narrowed.as_ref().context("not narrowed")?;
    check_narrowed(narrowed, language)?;
    assert!(printed.contains(&narrowed.sentence), "{printed}");

    let seed = seed.to_string();
    let (_, suite) = report(&[&race[..], &["--seed", &seed, "--repeat", "2"]].concat())?;
    assert_eq!(suite.summary.failed, 2);
    for run in &suite.runs {
        assert_eq!(run.injected_delays, failed.injected_delays);
        assert_eq!(run.mismatch, failed.mismatch);
        assert_eq!(run.guest_clock_seconds, failed.guest_clock_seconds);
    }

    let exact = |schedule: &str| -> Result<(String, Vec<u8>)> {
        let args = ["relaxed_flag", "--lang", language, "--schedule", schedule];
        let (_, suite) = report(&args)?;
        let run = only(&suite)?;
        let log = run.guest_log.clone().context("no log is kept")?;
        Ok((run.verdict.clone(), std::fs::read(log)?))
    };
    let schedule = narrowed.schedule.as_deref().context("no schedule")?;
    let first = exact(schedule)?;
    assert_eq!(first.0, "mismatch");
    assert_eq!(exact(schedule)?, first);
    let twin = narrowed.passing_twin.as_deref().context("no twin")?;
    assert_eq!(exact(twin)?.0, "pass");
    Ok(())
}

#[test]
fn stores_with_a_release_are_in_order() -> Result<()> {
    releases_are_in_order("rust")
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it, and CI the same in Rust"]
fn stores_with_a_release_are_in_order_in_c_too() -> Result<()> {
    releases_are_in_order("c")
}

fn releases_are_in_order(language: &str) -> Result<()> {
    let mended = ["relaxed_flag_mended", "--lang", language];
    let (_, suite) = report(&[&mended[..], &["--schedules", "30", "--weak-memory"]].concat())?;
    assert_eq!(suite.summary.failed, 0, "{:?}", suite.races);
    // Parts of the date, past later ones.
    let runs = suite.runs.iter().filter(|run| held(run).next().is_some());
    let count = runs.count();
    assert!(count >= 7, "{count} of 30 schedules held a store back");
    Ok(())
}

/// Barriers, locks, atomics, and a task that reads and overwrites its own stores.
#[test]
fn stores_with_any_order_and_the_tasks_own_accesses_are_in_order() -> Result<()> {
    ordered_stores_are_in_order("c")
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it, and CI the same in C"]
fn stores_with_any_order_are_in_order_in_rust_too() -> Result<()> {
    ordered_stores_are_in_order("rust")
}

fn ordered_stores_are_in_order(language: &str) -> Result<()> {
    let clone = TestClone::with_tests(&["ordered_stores"])?;
    let args = ["test", "ordered_stores", "--lang", language, "--json", "-"];
    let schedules = ["--weak-memory", "--schedules", "80"];
    let suite: SuiteDocument = document(&clone.run(&[&args[..], &schedules].concat())?.stdout)?;
    assert_eq!(suite.summary.failed, 0, "{:?}", suite.races);
    let all = suite.runs.iter().flat_map(|run| &run.injected_delays);
    let stores = all.filter(|delay| delay.held_until.is_some());
    let early = stores
        .clone()
        .filter(|delay| delay.guest_duration_seconds == 0.0);
    // The task used the memory of some of the stores before their ends.
    assert!(early.count() >= 1);
    assert!(stores.count() >= 20);
    Ok(())
}

#[test]
fn a_schedule_names_only_stores_that_may_be_held_back() -> Result<()> {
    let exact = |schedule: &str| {
        let args = [
            "test",
            "relaxed_flag_mended",
            "--lang",
            "c",
            "--schedule",
            schedule,
        ];
        run(&mut xtask(original(), &args))
    };
    let refused = exact("start=0ms insmod@init_module+0x0..0x1#1=1ms")?;
    refused.expect(
        2,
        &["is not a store that may be held back: those of init_module are 0x"],
    )?;
    let output = run(&mut xtask(
        original(),
        &["test", "relaxed_flag", "--weak-memory"],
    ))?;
    output.expect(2, &["--weak-memory needs schedules"])?;
    Ok(())
}
