//! Schedules: a race that a plain run passes is found, and a seed repeats.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::{RunEntry, SuiteDocument};

use crate::lab::{Clone, original, run, xtask};

/// What `xtask test` with these `args` tells programs.
fn report(args: &[&str]) -> Result<SuiteDocument> {
    let args = [&["test", "--json", "-"], args].concat();
    let ended = run(&mut xtask(original(), &args))?;
    serde_json::from_str(&ended.stdout).with_context(|| ended.stderr)
}

fn only(suite: &SuiteDocument) -> Result<&RunEntry> {
    ensure!(suite.plays.len() == 1, "{:?}", suite.summary);
    suite.plays.first().context("no play")
}

const RACE: [&str; 3] = ["unlocked_counter", "--lang", "c"];

#[test]
fn a_race_that_a_plain_run_passes_is_found_and_fails_again_with_its_seed() -> Result<()> {
    let plain = report(&RACE)?;
    assert_eq!(plain.summary.passed, 1, "{:?}", only(&plain)?.message);
    assert!(only(&plain)?.seed.is_none());

    let suite = report(&[&RACE[..], &["--schedules", "100", "--fail-fast"]].concat())?;
    let found = suite.found.first().context("not found by 100 schedules")?;
    let seed = found.first_seed;
    let failed = suite.plays.iter().find(|play| play.seed == Some(seed));
    let failed = failed.context("the first failure is no play")?;
    assert_eq!(failed.verdict, "mismatch");
    assert!(!failed.held_up.is_empty());
    assert!(found.places.iter().any(|place| place.spot.is_some()));

    let again = seed.to_string();
    let again = report(&[&RACE[..], &["--seed", &again, "--repeat", "3"]].concat())?;
    assert_eq!(again.summary.failed, 3);
    for play in &again.plays {
        assert_eq!(play.held_up, failed.held_up);
        assert_eq!(play.mismatch, failed.mismatch);
        assert_eq!(play.guest_seconds, failed.guest_seconds);
    }
    Ok(())
}

#[test]
fn the_mended_twin_passes_schedules_in_which_somebody_is_held_up() -> Result<()> {
    let suite = report(&["unlocked_counter_mended", "--schedules", "20"])?;
    assert_eq!(suite.summary.failed, 0, "{:?}", suite.found);
    assert!(suite.found.is_empty());
    for language in ["rust", "c"] {
        let plays = suite.plays.iter().filter(|play| play.language == language);
        let seeds: Vec<Option<u32>> = plays.clone().map(|play| play.seed).collect();
        assert_eq!(seeds, (1..=20).map(Some).collect::<Vec<_>>());
        let held = plays.filter(|play| !play.held_up.is_empty()).count();
        assert!(held >= 10, "in {held} of 20 schedules somebody was held up");
    }
    Ok(())
}

#[test]
fn a_seed_says_the_same_to_the_byte() -> Result<()> {
    let said = |seed: &str| -> Result<Vec<u8>> {
        let suite = report(&["thread_drv", "--lang", "c", "--seed", seed])?;
        let log = only(&suite)?.log.clone().context("no log is kept")?;
        Ok(std::fs::read(log)?)
    };
    let first = said("11")?;
    assert!(first.windows(5).any(|word| word == b"held "));
    assert_eq!(said("11")?, first);
    assert_ne!(said("12")?, first);
    Ok(())
}

fn refused(args: &[&str], what: &str) -> Result<()> {
    run(&mut xtask(original(), &[&["test"], args].concat()))?.expect(2, &[what])
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_built() -> Result<()> {
    refused(&["--schedules", "0"], "0 is not in 1..=1000000")?;
    refused(&["--seed", "4294967295", "--schedules", "2"], "the last is")?;
    refused(&["--seed=-1"], "--seed")?;
    refused(&["--schedules", "2", "--time", "real"], "--time real")?;
    refused(&["--schedules", "2", "--update"], "--update")?;
    refused(&["--schedules", "2", "--list"], "--list")
}

#[test]
fn a_lesson_without_its_module_cannot_be_scheduled_and_does_not_pass() -> Result<()> {
    let clone = Clone::with_texts(&[("kthread_run", "$ true\n")])?;
    clone
        .run(&["test", "--lang", "c", "--schedules", "2"])?
        .expect(69, &["there is nothing to hold up", "0 passed"])
}
