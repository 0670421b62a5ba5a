//! Output without end, from commands and modules: the run is stopped, and everything that is made
//! from the output is short.

use anyhow::{Result, ensure};

use xtask::report::json::SuiteDocument;

use crate::lab::{TestClone, XtaskOutput, document};

/// Maximum length of a report of these failures, in bytes.
const LONGEST: usize = 100_000;

/// Checks the verdict of each run, and that the report is short. Reads the report as JSON.
fn check(output: &XtaskOutput, verdicts: &[&str]) -> Result<SuiteDocument> {
    let suite = suite_of(output)?;
    let names: Vec<&str> = suite.runs.iter().map(|run| &*run.verdict).collect();
    ensure!(names == verdicts, "{names:?}\n{}", output.stderr);
    Ok(suite)
}

fn suite_of(output: &XtaskOutput) -> Result<SuiteDocument> {
    let XtaskOutput { stdout, stderr, .. } = output;
    ensure!(stdout.len() < LONGEST && stderr.len() < LONGEST);
    document(stdout)
}

#[test]
fn commands_that_print_without_end_are_stopped() -> Result<()> {
    const LOST_LINES: &str = "yes '' | head -n 900000; echo b";
    let consoles = [
        ("a_zero", "$ cat /dev/zero\n"),
        ("b_yes", "$ yes\n"),
        ("c_random", "$ true\n$ cat /dev/urandom\n"),
        (
            "d_builtin",
            "$ x=$(seq 1 5000); while :; do echo $x; done\n",
        ),
        ("e_background", "$ yes &\n$ sleep 20\n$ true\n"),
        ("f_processes", "$ while :; do cat /dev/zero; done\n"),
        ("g_ignored", "$ trap '' XFSZ; cat /dev/zero; sleep 1000\n"),
        ("h_empty", &format!("$ echo a; {LOST_LINES}\na\n")),
        ("i_fits", "$ seq 1 100000\n1\n...\n100000\n"),
    ];
    let clone = TestClone::with_lessons(&consoles)?;
    let output = clone.run(&["test", "--lang", "rust", "--json", "-"])?;
    let mut verdicts = ["output-limit"; 9];
    verdicts[7] = "mismatch";
    verdicts[8] = "pass";
    let suite = check(&output, &verdicts)?;
    let random = &suite.runs[2];
    ensure!(
        random
            .failed_step
            .as_ref()
            .is_some_and(|step| step.line == 5)
    );
    for run in &suite.runs[..7] {
        ensure!(!run.output_excerpt.is_empty(), "{run:?}");
    }
    let mismatch = suite.runs[7].mismatch.as_ref();
    let printed = mismatch.map_or(&[][..], |mismatch| &mismatch.printed);
    ensure!(printed.len() < 1000 && printed.iter().any(|line| line.contains("left out")));
    for folder in suite.runs.iter().filter_map(|run| run.artifacts.as_ref()) {
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            let length = file.metadata()?.len();
            ensure!(length < 4 << 20, "{}: {length}", file.path().display());
        }
    }
    Ok(())
}

#[test]
fn modules_that_print_without_end_are_stopped() -> Result<()> {
    // The other CPU may wait for the one that takes no interrupts, and report that first.
    for (name, language, ends) in [
        ("prints_irqs_off", "c", &["output-limit", "hang"][..]),
        ("prints_without_end", "rust", &["output-limit"][..]),
    ] {
        let clone = TestClone::with_tests(&[name])?;
        let output = clone.run(&["test", "--lang", language, "--json", "-"])?;
        let suite = suite_of(&output)?;
        let run = &suite.runs[0];
        ensure!(ends.contains(&&*run.verdict), "{run:?}");
        // A report of the kernel's stands in place of the last lines.
        let mut lines = run.kernel_log.iter();
        let has_last_lines = lines.any(|line| line.ends_with("again"));
        ensure!(has_last_lines || run.verdict == "hang", "{run:?}");
        ensure!(run.failed_step.is_some());
        // The host stops the guest within seconds; on a busy host that takes longer.
        ensure!(run.duration_seconds < 60.0, "{}", run.duration_seconds);
    }
    Ok(())
}

/// As in `cargo xtask test 2>&1 | head -1`.
#[test]
fn a_reader_that_goes_away_changes_no_status() -> Result<()> {
    let clone = TestClone::with_lessons(&[("bad", "$ false\n"), ("good", "$ true\n")])?;
    let mut doctor = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    doctor.arg("doctor");
    let mut commands = vec![(doctor, 0)];
    for (args, status) in [
        (&["test", "--lang", "rust", "good"][..], 0),
        (&["test", "--lang", "rust", "bad"], 1),
        (&["test", "--lang", "rust", "bad", "--json", "-"], 1),
        (&["test", "--list"], 0),
    ] {
        commands.push((clone.xtask(args), status));
    }
    for (mut command, status) in commands {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        command.stdout(writer.try_clone()?).stderr(writer);
        let ended = command.status()?;
        ensure!(ended.code() == Some(status), "{command:?}: {ended}");
    }
    Ok(())
}
