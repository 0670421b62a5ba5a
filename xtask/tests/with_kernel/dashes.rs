//! A module whose file has a dash in its name, for which the kernel has an underscore.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::SuiteDocument;

use crate::lab::{TWIN, TestClone, document, words};

const CONSOLE: &str = "\
$ insmod dash-ed.ko
$ lsmod | grep dash
dash_ed [..]
$ ls -d /sys/module/dash_ed
/sys/module/dash_ed
$ rmmod dash-ed
";

#[test]
fn a_lesson_in_both_languages() -> Result<()> {
    let clone = TestClone::with_lessons(&[("dash-ed", CONSOLE)])?;
    clone.add_twin("dash-ed", TWIN)?;
    let output = clone.run(&["test", "dash-ed"])?;
    output.expect(0, &["2 passed, 0 failed, 0 skipped"])
}

#[test]
fn an_error_of_the_compiler_has_its_lesson() -> Result<()> {
    let clone = TestClone::with_lessons(&[("dash-ed", CONSOLE), ("dash_ed", "$ true\n")])?;
    clone.write_lesson("dash-ed", "dash-ed.rs", "nothing\n")?;
    let output = clone.run(&["test", "--lang", "rust"])?;
    let error = "--> modules/lessons/dash-ed/dash-ed.rs:1:";
    output.expect(1, &["1 passed, 1 failed", "does-not-compile", error])
}

/// The race `lost_wakeup` with a dash.
#[test]
fn schedules_and_timelines() -> Result<()> {
    let clone = TestClone::whole()?;
    let race = clone.path("modules/races/lost_wakeup");
    let renamed = clone.path("modules/races/lost-wakeup");
    std::fs::rename(&race, &renamed)?;
    std::fs::rename(
        renamed.join("lost_wakeup.rs"),
        renamed.join("lost-wakeup.rs"),
    )?;
    std::fs::remove_dir_all(renamed.join("c"))?;
    let readme = renamed.join("README.md");
    let text = std::fs::read_to_string(&readme)?;
    std::fs::write(&readme, text.replace("lost_wakeup.ko", "lost-wakeup.ko"))?;
    let args = "test lost-wakeup --lang rust --seed 3 --timeline timelines --json x.json";
    let output = clone.run(&words(args))?;
    let report: SuiteDocument = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    let run = report.runs.first().context("no run")?;
    // `perturb` finds the module by the kernel's name.
    ensure!(!run.injected_delays.is_empty(), "{}", output.printed());
    let timelines = std::fs::read_dir(clone.path("timelines"))?;
    let texts: String = timelines
        .flatten()
        .filter_map(|file| std::fs::read_to_string(file.path()).ok())
        .collect();
    let delayed = ": perturb: delayed by ";
    ensure!(texts.contains(delayed), "{}\n{texts}", output.printed());
    Ok(())
}
