//! Schedules: they find a race that a plain run misses, and a seed repeats a run.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::{RunEntry, SuiteDocument};

use crate::lab::{TestClone, document, original, run, xtask};

/// Returns the JSON report of `xtask test` with these `args`.
fn report(args: &[&str]) -> Result<SuiteDocument> {
    let args = [&["test", "--json", "-"], args].concat();
    let output = run(&mut xtask(original(), &args))?;
    document(&output.stdout).with_context(|| output.stderr)
}

fn only(suite: &SuiteDocument) -> Result<&RunEntry> {
    ensure!(suite.runs.len() == 1, "{:?}", suite.summary);
    suite.runs.first().context("no run")
}

const RACE: [&str; 3] = ["unlocked_counter", "--lang", "c"];

#[test]
fn a_race_that_a_plain_run_passes_is_found_and_fails_again_with_its_seed() -> Result<()> {
    let plain = report(&RACE)?;
    assert_eq!(plain.summary.passed, 1, "{:?}", only(&plain)?.message);
    assert!(only(&plain)?.seed.is_none());

    let suite = report(&[&RACE[..], &["--schedules", "100", "--fail-fast"]].concat())?;
    let race = suite.races.first().context("not found by 100 schedules")?;
    let seed = race.first_failing_seed;
    let failed = suite.runs.iter().find(|run| run.seed == Some(seed));
    let failed = failed.context("no run has the first failing seed")?;
    assert_eq!(failed.verdict, "mismatch");
    assert!(!failed.injected_delays.is_empty());
    let mut suspects = race.suspect_points.iter();
    assert!(suspects.any(|point| point.source_location.is_some()));

    let again = seed.to_string();
    let again = report(&[&RACE[..], &["--seed", &again, "--repeat", "3"]].concat())?;
    assert_eq!(again.summary.failed, 3);
    for run in &again.runs {
        assert_eq!(run.injected_delays, failed.injected_delays);
        assert_eq!(run.mismatch, failed.mismatch);
        assert_eq!(run.guest_clock_seconds, failed.guest_clock_seconds);
    }
    Ok(())
}

#[test]
fn the_corrected_version_passes_schedules_with_delays() -> Result<()> {
    let suite = report(&["unlocked_counter_mended", "--schedules", "20"])?;
    assert_eq!(suite.summary.failed, 0, "{:?}", suite.races);
    assert!(suite.races.is_empty());
    for language in ["rust", "c"] {
        let runs = suite.runs.iter().filter(|run| run.language == language);
        let seeds: Vec<Option<u32>> = runs.clone().map(|run| run.seed).collect();
        assert_eq!(seeds, (1..=20).map(Some).collect::<Vec<_>>());
        let delayed = runs.filter(|run| !run.injected_delays.is_empty());
        let delayed = delayed.count();
        assert!(delayed >= 10, "{delayed} of 20 schedules injected a delay");
    }
    Ok(())
}

#[test]
fn the_module_that_delays_changes_no_line_of_a_text() -> Result<()> {
    // This text has the list of modules, and the kernel's message about the first that taints it.
    let suite = report(&["hello", "--lang", "c", "--schedules", "2"])?;
    assert_eq!(suite.summary.passed, 2, "{:?}", suite.races);
    Ok(())
}

#[test]
fn a_seed_repeats_the_log_to_the_byte() -> Result<()> {
    let said = |seed: &str| -> Result<Vec<u8>> {
        let suite = report(&["thread_drv", "--lang", "c", "--seed", seed])?;
        let log = only(&suite)?.guest_log.clone().context("no log is kept")?;
        Ok(std::fs::read(log)?)
    };
    let first = said("11")?;
    assert!(first.windows(5).any(|word| word == b"held "));
    assert_eq!(said("11")?, first);
    assert_ne!(said("12")?, first);
    Ok(())
}

/// Two threads' last words: one returns through the module's code, which may be freed by then, and the
/// other ends in the kernel.
#[test]
fn code_that_is_freed_under_a_thread_is_found_and_its_corrected_twin_passes() -> Result<()> {
    let clone = TestClone::with_tests(&["complete_then_return", "complete_and_exit"])?;
    let schedules = |name: &str, more: &[&str]| -> Result<SuiteDocument> {
        let args = ["test", name, "--lang", "c", "--no-narrow", "--json", "-"];
        document(&clone.run(&[&args[..], more].concat())?.stdout)
    };
    let wrong = schedules(
        "complete_then_return",
        &["--schedules", "60", "--fail-fast"],
    )?;
    let race = wrong.races.first().context("not found by 60 schedules")?;
    let seed = race.first_failing_seed;
    let failed = wrong.runs.iter().find(|run| run.seed == Some(seed));
    let failed = failed.context("no run has the first failing seed")?;
    assert_eq!(failed.verdict, "panic", "{}", failed.message);
    let delayed = |run: &RunEntry| {
        let mut delays = run.injected_delays.iter();
        delays.any(|delay| delay.task.starts_with("worker/"))
    };
    assert!(delayed(failed), "{:?}", failed.injected_delays);

    let right = schedules("complete_and_exit", &["--schedules", "60"])?;
    assert_eq!(right.summary.failed, 0, "{:?}", right.races);
    assert!(
        right.runs.iter().any(delayed),
        "no schedule delayed the thread"
    );
    Ok(())
}

#[test]
fn random_schedules_remain_available_and_differ_from_the_aimed_ones() -> Result<()> {
    let delays = |aim: &str| -> Result<Vec<String>> {
        let args = [
            &RACE[..],
            &["--schedules", "8", "--no-narrow", "--aim", aim],
        ]
        .concat();
        let suite = report(&args)?;
        let delays = suite
            .runs
            .iter()
            .map(|run| format!("{:?}", run.injected_delays));
        Ok(delays.collect())
    };
    let random = delays("random")?;
    assert_ne!(random, delays("conflicts")?);
    assert_eq!(random, delays("random")?);
    Ok(())
}

#[test]
fn the_end_of_a_module_waits_for_a_timer_that_comes_seldom() -> Result<()> {
    let modules = [
        ("rearmed_timer", "a softirq"),
        ("requeued_work", "`kworker`"),
    ];
    let clone = TestClone::with_tests(&modules.map(|(module, _)| module))?;
    let output = clone.run(&["test", "--json", "-", "--schedules", "50"])?;
    let suite: SuiteDocument = document(&output.stdout).with_context(|| output.stderr.clone())?;
    for (module, other) in modules {
        let failed = |run: &&RunEntry| run.lesson == module && run.verdict != "pass";
        let delays = suite.runs.iter().filter(failed);
        let mut delays = delays.flat_map(|run| &run.injected_delays);
        // The timer comes every 0.24 s, and no delay of another schedule is that long.
        let waits = delays
            .any(|delay| delay.function == "cleanup_module" && delay.guest_duration_seconds > 0.04);
        ensure!(waits, "no seed finds {module}: {:?}", suite.races);
        // The task that waits, and the one that stays where it is: the timer, or the work item.
        let race = suite.races.iter().find(|race| race.lesson == module);
        let narrowed = race.and_then(|race| race.narrowed.as_ref());
        let sentence = &narrowed.with_context(|| module.to_owned())?.sentence;
        for part in ["if `rmmod` is preempted for", other] {
            ensure!(sentence.contains(part), "{sentence}");
        }
    }
    Ok(())
}

fn refused(args: &[&str], what: &str) -> Result<()> {
    run(&mut xtask(original(), &[&["test"], args].concat()))?.expect(2, &[what])
}

#[test]
fn options_that_contradict_are_refused_before_a_build() -> Result<()> {
    refused(&["--schedules", "0"], "0 is not in 1..=1000000")?;
    refused(&["--seed", "4294967295", "--schedules", "2"], "the last is")?;
    refused(&["--seed=-1"], "--seed")?;
    refused(&["--schedules", "2", "--time", "real"], "--time real")?;
    refused(&["--schedules", "2", "--update"], "--update")?;
    refused(&["--schedules", "2", "--list"], "--list")?;
    refused(&["--schedule", "start=0ms", "--aim", "random"], "--aim")
}

#[test]
fn a_lesson_that_loads_no_module_cannot_be_scheduled_and_does_not_pass() -> Result<()> {
    let clone = TestClone::with_texts(&[("kthread_run", "$ true\n")])?;
    clone
        .run(&["test", "--lang", "c", "--schedules", "2"])?
        .expect(1, &["a schedule has nothing to delay", "0 passed"])
}

/// A lesson that does not load its module is at fault, and not the host.
#[test]
fn a_lesson_without_code_to_delay_is_a_bad_text() -> Result<()> {
    let clone = TestClone::with_lessons(&[("idle", "$ true\n"), ("probe", "$ insmod probe.ko\n")])?;
    let args = ["test", "--lang", "rust", "--seed", "1"];
    let output = clone.run(&args)?;
    output.expect(
        1,
        &[
            "bad-text: ",
            "a schedule has nothing to delay: the commands of idle (rust) run no code of idle.ko",
            // The other lesson is run: it leaves its module behind.
            "left-over: ",
        ],
    )
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn lockdep_accepts_schedules_of_a_lesson_that_loads_its_module_twice() -> Result<()> {
    let lesson = ["completion_stop", "--lang", "c", "--profile", "debug"];
    let args = [&["test", "--schedules", "2"], &lesson[..]].concat();
    run(&mut xtask(original(), &args))?.expect(0, &["2 passed, 0 failed"])
}
