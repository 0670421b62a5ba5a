//! Things that a module leaves behind: with each kind that the parameter of the test module
//! `leaves_behind` names, a lesson must fail whose last command is `rmmod`.

use anyhow::{Context as _, Result, ensure};

use xtask::report::json::{RunEntry, SuiteDocument};

use crate::lab::{TestClone, document, text};

/// The test module.
const MODULE: &str = "leaves_behind";

/// The kernel's message when a timer, a work item, a callback or a name is in freed memory.
const CRASH: &str = "unable to handle page fault for address: ffffffffa";

/// The kinds, each with its verdict and a part of the message.
const KINDS: &[(&str, &str, &str)] = &[
    ("nothing", "pass", ""),
    ("timer", "panic", CRASH),
    ("hrtimer", "panic", CRASH),
    ("work", "panic", CRASH),
    ("callback", "panic", CRASH),
    (
        "timer_later",
        "left-over",
        "a timer is still armed: it will call timer_function of the removed module",
    ),
    (
        "own_timer_later",
        "left-over",
        "a timer is still armed: it will call timer_function of the removed module",
    ),
    ("hrtimer_later", "panic", CRASH),
    (
        "own_hrtimer_later",
        "left-over",
        "an hrtimer is still armed: it will call hrtimer_function of the removed module",
    ),
    (
        "work_later",
        "left-over",
        "a delayed work item is still armed: it will call work_function of the removed module",
    ),
    (
        "queued_work",
        "left-over",
        "a work item is still queued: it will call work_function of the removed module",
    ),
    (
        "kprobe",
        "left-over",
        "a kprobe of the removed module leaves_kprobe is still registered",
    ),
    (
        "cache",
        "left-over",
        "the slab cache left_cache of the removed module leaves_cache is still there",
    ),
    ("all_later", "pass", ""),
    (
        "worker_name",
        "left-over",
        "[kworker/9:9] still runs, in code of a removed module",
    ),
    ("created", "left-over", "[kworker/9:9] still runs"),
    (
        "endless_work",
        "left-over",
        "] still runs, in code of a removed module",
    ),
    ("workqueue", "left-over", "[kworker/R-left_"),
    ("misc", "panic", CRASH),
    ("device", "left-over", " left_device\""),
    ("class", "left-over", "/sys/class/left_class is still there"),
    ("node", "left-over", "/dev/left_node is still there"),
    ("bus", "left-over", "/sys/bus/left_bus is still there"),
    (
        "root_device",
        "left-over",
        "/sys/devices/left_root is still there",
    ),
    (
        "driver",
        "left-over",
        "/sys/bus/platform/drivers/left_driver is still there",
    ),
    (
        "object",
        "left-over",
        "/sys/kernel/left_object is still there",
    ),
    ("sysctl", "panic", CRASH),
    ("filesystem", "panic", CRASH),
    ("interrupt", "panic", CRASH),
    ("ports", "panic", CRASH),
    ("region", "panic", CRASH),
    ("memory", "left-over", " MiB of memory did not come back"),
    (
        "hidden",
        "left-over",
        "is still loaded, but hidden from the list of modules",
    ),
    (
        "warning",
        "left-over",
        "the kernel's log lacks warnings or oopses that the kernel counted: 1",
    ),
];

/// The kinds that crash the kernel after the last command: nothing touches a timer's memory before
/// the timer expires.
const LATE: [&str; 2] = ["timer", "work"];

/// Returns the name of the lesson for a kind.
fn lesson(kind: &str) -> String {
    format!("leaves_{kind}")
}

/// Makes a clone with a lesson for each kind.
fn clone() -> Result<TestClone> {
    let clone = TestClone::with_tests(&[MODULE])?;
    let twin = std::fs::read_to_string(clone.lesson(MODULE).join(format!("c/{MODULE}.c")))?;
    std::fs::remove_dir_all(clone.lesson(MODULE))?;
    for (kind, _, _) in KINDS {
        let name = lesson(kind);
        let mut console = format!("$ insmod {name}.ko what={kind}\n");
        if *kind != "hidden" {
            console += &format!("$ rmmod {name}\n");
        }
        std::fs::create_dir(clone.lesson(&name))?;
        clone.write_lesson(&name, "README.md", &text(&name, &console))?;
        clone.add_twin(&name, &twin)?;
    }
    Ok(clone)
}

/// Runs all kinds with these options, and reports each that ends otherwise.
fn check(options: &[&str]) -> Result<()> {
    let clone = clone()?;
    let args = ["test", "--lang", "c", "--json", "x.json"];
    let output = clone.run(&[&args, options].concat())?;
    let SuiteDocument { runs, .. } = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    let mut wrong = String::new();
    for (kind, verdict, message) in KINDS {
        let run: &RunEntry = runs
            .iter()
            .find(|run| run.lesson == lesson(kind))
            .with_context(|| format!("no run of {kind}\n{}", output.printed()))?;
        let words = format!("{}\n{}", run.message, run.left_behind.join("\n"));
        if run.verdict != *verdict
            || !words.contains(message)
            || LATE.contains(kind) && run.failed_step.is_some()
        {
            wrong += &format!("{kind}: {run:#?}\n");
        }
    }
    ensure!(wrong.is_empty(), "{wrong}\n{}", output.printed());
    Ok(())
}

#[test]
fn in_virtual_time() -> Result<()> {
    check(&[])
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it, and CI the same cases in virtual time"]
fn in_real_time() -> Result<()> {
    check(&["--time", "real"])
}

/// A graver verdict does not hide a forgotten `rmmod`.
#[test]
fn with_a_mismatch() -> Result<()> {
    let clone = TestClone::probe("$ insmod probe.ko\n$ echo something\nsomething else\n")?;
    let output = clone.run(&["test", "--lang", "rust", "--json", "x.json"])?;
    let also = "The test case also left something behind:\n  - the module probe is still loaded\n";
    output.expect(1, &["mismatch: ", also])?;
    let report: SuiteDocument = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    let run = report.runs.first().context("no run")?;
    ensure!(run.left_behind == ["the module probe is still loaded"]);
    Ok(())
}
