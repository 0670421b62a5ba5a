//! Options that select and repeat test cases, and the reports of a run.

use anyhow::{Context as _, Result};
use xtask::report::json::{RunEntry, SuiteDocument, TestCaseList};

use crate::lab::{TWIN, TestClone, assert_screen, document, run, text, words};

/// Returns a clone with these lessons in both languages, each a name and a
/// console block.
fn clone_with(lessons: &[(&str, &str)]) -> Result<TestClone> {
    let clone = TestClone::with_lessons(lessons)?;
    for (name, _) in lessons {
        clone.add_twin(name, TWIN)?;
    }
    Ok(clone)
}

/// Returns the number of skipped test cases, which only each test suite has.
fn skipped(junit: &quick_junit::Report) -> usize {
    junit.test_suites.iter().map(|suite| suite.skipped).sum()
}

#[test]
fn a_list_builds_nothing() -> Result<()> {
    let clone = clone_with(&[("probe", "$ true\n"), ("probe_two", "$ true\n")])?;
    std::fs::remove_dir_all(clone.path("modules/lessons/probe_two/c"))?;
    let list = |args: &str| -> Result<String> {
        let mut xtask = clone.xtask(&words(args));
        let output = run(xtask.env("KMODLAB_CACHE", clone.path("cache")))?;
        output.expect(0, &[])?;
        Ok(output.stdout)
    };
    let all = list("test --list")?;
    assert_screen("list", &clone, &all);
    let parts = ["1/3", "2/3", "3/3"];
    let parts = parts.map(|part| list(&format!("test --list --partition {part}")));
    let mut together = String::new();
    for part in parts {
        together.push_str(&part?);
    }
    let sorted = |text: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = text.lines().map(words).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&together), sorted(&all));
    let json = list("test --list --lang c --json - probe*")?;
    let TestCaseList { schema, test_cases } = document(&json)?;
    assert_eq!(schema, 3);
    let names = test_cases.iter().map(|case| case.lesson.as_str());
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["probe", "probe_two"]);
    assert!(test_cases[0].skipped.is_none() && test_cases[1].skipped.is_some());
    assert!(!clone.path("cache").exists());
    Ok(())
}

#[test]
fn options_that_contradict_are_refused_with_status_2() -> Result<()> {
    let clone = clone_with(&[("probe", "$ true\n")])?;
    for (args, part) in [
        ("--repeat 0", "0 is not in 1..=100000"),
        ("--partition 4/3", "2/3 is the second of three parts"),
        ("--partition 1", "2/3 is the second of three parts"),
        ("prob", "did you mean `probe`?"),
        ("x*", "no lesson matches `x*`"),
        ("--junit no/x.xml", "--junit: no/x.xml cannot be a file"),
        ("--artifacts kernel-config/kernels.toml", "is not a folder"),
        ("--json - --ktap -", "--ktap: another report goes to - too"),
        ("--update --fail-fast", "cannot be used with"),
        ("--list --update", "cannot be used with"),
    ] {
        clone
            .run(&words(&format!("test {args}")))?
            .expect(2, &[part])?;
    }
    Ok(())
}

#[test]
fn every_report_agrees_and_a_failure_leaves_its_artifacts() -> Result<()> {
    let clone = clone_with(&[(
        "probe",
        "$ insmod probe.ko\n$ sleep 1\n$ lsmod | grep -c probe\n2\n$ rmmod probe\n",
    )])?;
    let output = clone.run(&words(
        "test --junit x.xml --json x.json --ktap - --artifacts kept --lang rust",
    ))?;
    output.expect(1, &["artifacts of each failure: "])?;
    assert_eq!(
        output.stderr.lines().last(),
        Some("0 passed, 1 failed, 0 skipped")
    );
    assert_screen("ktap", &clone, &output.stdout);

    let SuiteDocument {
        summary,
        runs,
        stages,
        ..
    } = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    assert_eq!((summary.passed, summary.failed), (0, 1));
    assert!(stages.iter().any(|stage| stage.name == "modules"));
    let [run] = &runs[..] else {
        panic!("{runs:?}");
    };
    assert_eq!(run.verdict, "mismatch");
    assert_eq!(run.failed_step.as_ref().map(|step| step.line), Some(6));
    let phases = run.phases.as_ref().context("phases")?;
    let (boot, lesson) = (phases.boot_duration_seconds, phases.lesson_duration_seconds);
    assert!(boot > 0.0 && lesson > 0.0);
    assert!((boot + lesson - run.duration_seconds).abs() < 1e-6);

    let junit = std::fs::read_to_string(clone.path("x.xml"))?;
    let junit = quick_junit::Report::deserialize_from_str(&junit)?;
    assert_eq!((junit.tests, junit.failures), (1, 1));

    let folder = clone.path("kept/probe-rust").canonicalize()?;
    assert_eq!(run.artifacts.as_deref(), folder.to_str());
    let file =
        |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| name.to_owned());
    let entry: RunEntry = serde_json::from_str(&file("run.json")?)?;
    assert_eq!(entry.verdict, run.verdict);
    assert!(file("report.txt")?.contains("lsmod | grep -c probe"));
    assert!(file("kernel.log")?.contains("Linux version"));
    assert!(file("shell.log")?.contains("$ lsmod | grep -c probe\n"));
    assert!(file("kernel.config")?.contains("CONFIG_RUST=y\n"));
    assert!(file("qemu.txt")?.contains("qemu-system-x86_64"));
    let cast = file("transcript.cast")?;
    let mut lines = cast.lines().map(serde_json::from_str::<serde_json::Value>);
    assert_eq!(lines.next().context("a header")??["version"], 2);
    let events: Vec<(f64, String)> = lines
        .map(|event| {
            let event = event?;
            let at = event[0].as_f64().context("a time")?;
            Ok((at, event[2].as_str().context("output")?.to_owned()))
        })
        .collect::<Result<_>>()?;
    let at = |output: &str| {
        let found = events.iter().find(|(_, shown)| shown == output);
        found
            .map(|(at, _)| *at)
            .with_context(|| format!("{output:?} in {events:?}"))
    };
    assert!(at("$ insmod probe.ko\r\n")?.abs() < 1e-9);
    let slept = at("$ lsmod | grep -c probe\r\n")? - at("$ sleep 1\r\n")?;
    assert!((1.0..1.2).contains(&slept), "{slept}");
    at("1\r\n")?;
    Ok(())
}

#[test]
fn with_fail_fast_nothing_starts_after_a_failure() -> Result<()> {
    let clone = clone_with(&[("probe", "$ false\n"), ("probe_two", "$ true\n")])?;
    let output = clone.run(&words("test --jobs 1 --lang c --fail-fast"))?;
    output.expect(
        1,
        &[
            "probe_two (c)  --",
            "skipped: not run: an earlier one failed, and --fail-fast was given",
            "\n0 passed, 1 failed, 1 skipped\n",
        ],
    )?;
    assert!(
        output.stderr.contains("tests: probe (c): mismatch"),
        "{}",
        output.stderr
    );
    clone
        .run(&words("test --lang c"))?
        .expect(1, &["\n1 passed, 1 failed, 0 skipped\n"])?;
    Ok(())
}

#[test]
fn a_repeated_test_case_is_one_row() -> Result<()> {
    let clone = clone_with(&[("probe", "$ insmod probe.ko\n$ rmmod probe\n")])?;
    clone.run(&words("test --lang c --repeat 3"))?.expect(
        0,
        &[
            "probe (c)  ok  3 of 3 passed",
            "\n3 passed, 0 failed, 0 skipped\n",
        ],
    )?;
    clone.write_lesson("probe", "README.md", &text("probe", "$ echo one\nuno\n"))?;
    let output = clone.run(&words("test --lang c --repeat 3 --artifacts kept"))?;
    output.expect(1, &[])?;
    assert_screen("repeated", &clone, &output.stdout);
    for run in 1..=3 {
        assert!(
            clone
                .path(&format!("kept/probe-c.{run}/report.txt"))
                .is_file()
        );
    }
    Ok(())
}

#[test]
fn a_guest_that_cannot_be_started_is_in_every_report() -> Result<()> {
    let clone = clone_with(&[("probe", "$ true\n"), ("probe_two", "$ true\n")])?;
    clone.run(&["build"])?.expect(0, &[])?;
    let output = clone
        .xtask(&words("test --lang c --jobs 1 --json - --junit x.xml"))
        .env("TMPDIR", clone.path("no/such/folder"))
        .output()?;
    assert_eq!(output.status.code(), Some(69));
    let SuiteDocument { runs, .. } = document(std::str::from_utf8(&output.stdout)?)?;
    let [first, second] = &runs[..] else {
        panic!("{runs:?}");
    };
    assert_eq!(first.verdict, "infrastructure");
    assert!(
        first.message.contains("no/such/folder"),
        "{}",
        first.message
    );
    assert_eq!(second.verdict, "skipped");
    assert_eq!(
        second.message,
        "skipped: not run: the host failed before it"
    );
    let junit = std::fs::read_to_string(clone.path("x.xml"))?;
    let junit = quick_junit::Report::deserialize_from_str(&junit)?;
    assert_eq!((junit.failures, junit.errors, skipped(&junit)), (0, 1, 1));
    Ok(())
}

#[test]
fn reports_are_written_if_the_kernel_cannot_be_built() -> Result<()> {
    let clone = clone_with(&[("probe", "$ true\n"), ("probe_two", "$ true\n")])?;
    clone.write_lesson("probe_two", "README.md", "# no block\n")?;
    let output = run(clone
        .xtask(&words("test --json x.json --junit x.xml --ktap x.ktap"))
        .env("KMODLAB_CACHE", clone.path("cache"))
        .env("PATH", clone.path("no/such/folder")))?;
    output.expect(69, &["error: this host lacks:"])?;
    let SuiteDocument { kernel, runs, .. } =
        document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    assert!(kernel.is_none());
    let verdicts: Vec<&str> = runs.iter().map(|run| run.verdict.as_str()).collect();
    assert_eq!(
        verdicts,
        ["infrastructure", "skipped", "bad-text", "bad-text"]
    );
    assert!(
        output.stderr.contains(&runs[0].message),
        "{}",
        runs[0].message
    );
    let junit = std::fs::read_to_string(clone.path("x.xml"))?;
    let junit = quick_junit::Report::deserialize_from_str(&junit)?;
    assert_eq!((junit.failures, junit.errors, skipped(&junit)), (2, 1, 1));
    assert!(clone.path("x.ktap").is_file());
    Ok(())
}

#[test]
fn an_update_writes_the_output_of_both_languages() -> Result<()> {
    let before = "$ insmod probe.ko\n$ ls\nmodule.ko\n\
                  $ rmmod probe; echo a; echo b\n[..]\nc\n$ false\n";
    let clone = clone_with(&[("probe", before)])?;
    clone.run(&["test", "--update"])?.expect(
        1,
        &["updated modules/lessons/probe/README.md: the commands of lines 5, 7, 10\n"],
    )?;
    let after = std::fs::read_to_string(clone.lesson("probe").join("README.md"))?;
    let console = "$ insmod probe.ko\n$ ls\nprobe.ko\n\
                   $ rmmod probe; echo a; echo b\n[..]\nb\n$ false\n? 1\n";
    assert_eq!(after, text("probe", console));
    clone
        .run(&["test"])?
        .expect(0, &["\n2 passed, 0 failed, 0 skipped\n"])?;
    Ok(())
}

#[test]
fn an_update_writes_nothing_if_a_run_failed_or_the_languages_differ() -> Result<()> {
    let clone = clone_with(&[
        (
            "probe",
            "$ insmod probe.ko\n$ dmesg | grep -c 'is C'\n2\n$ rmmod probe\n",
        ),
        (
            "probe_two",
            "$ echo one\nuno\n$ echo '<4>WARNING: x' > /dev/kmsg\n",
        ),
        ("probe_three", "$ echo one\nuno\n$ insmod probe_three.ko\n"),
    ])?;
    let texts = || -> Result<Vec<String>> {
        let names = ["probe", "probe_two", "probe_three"].iter();
        names
            .map(|name| {
                Ok(std::fs::read_to_string(
                    clone.lesson(name).join("README.md"),
                )?)
            })
            .collect()
    };
    let before = texts()?;
    let output = clone.run(&["test", "--update"])?;
    output.expect(1, &[])?;
    let progress = output.stderr.find("not updated").unwrap_or_default();
    assert_screen("not_updated", &clone, &output.stderr[progress..]);
    assert_eq!(texts()?, before);
    Ok(())
}
