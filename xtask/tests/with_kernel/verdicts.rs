//! One deliberate failure a verdict: the test modules `fails_*` and `prints_*`
//! below `modules/tests`, and the verdict that each must end with.
//!
//! The cases of another profile's kernel are ignored unless they are asked for,
//! since that kernel takes minutes to build:
//! `cargo test --test with_kernel -- --ignored`.

mod cases;

use anyhow::{Result, ensure};

use crate::lab::{TestClone, XtaskOutput, row_and_details, with_line_numbers};
use cases::{CASES, Case, TEACHING};

/// Runs the cases of a profile in a language, side by side, as lessons of a
/// clone of their own.
fn run(profile: &str, language: &str) -> Result<XtaskOutput> {
    let names: Vec<&str> = cases(profile, language).map(|case| case.name).collect();
    let mut args = vec!["test", "--lang", language];
    if profile != TEACHING {
        args.extend(["--profile", profile]);
    }
    args.extend(&names);
    TestClone::with_tests(&names)?.run(&args)
}

/// Returns the cases of a profile in a language.
fn cases(profile: &str, language: &str) -> impl Iterator<Item = &'static Case> {
    CASES
        .iter()
        .filter(move |case| case.profile == profile && case.language == language)
}

impl Case {
    /// Returns the path of the module's source in the clone.
    fn source(&self) -> String {
        let Self { name, language, .. } = self;
        match *language {
            "c" => format!("modules/tests/{name}/c/{name}.c"),
            _ => format!("modules/tests/{name}/{name}.rs"),
        }
    }

    /// Checks that `printed` reports the case's verdict in the case's words.
    fn check(&self, printed: &str) -> Result<()> {
        let (row, details) = row_and_details(printed, self.name, self.language)?;
        // Linux 7.3 has moved the trait.
        let details = details.replace("kernel::module::Module", "kernel::Module");
        if self.verdict == "pass" {
            ensure!(row.contains("  ok  "), "{row}\n{details}");
        } else {
            let verdict = format!("  {}: ", self.verdict);
            ensure!(row.contains("  FAILED  "), "{row}");
            ensure!(row.contains(&verdict), "no {verdict:?} in {row}\n{details}");
        }
        for words in self.words {
            let words = with_line_numbers(self.source(), words)?;
            ensure!(
                row.contains(&words) || details.contains(&words),
                "{words:?} is missing\n{row}\n{details}"
            );
        }
        Ok(())
    }
}

/// Runs the cases of a profile in a language, and reports each that fails.
fn check_all(profile: &str, language: &str) -> Result<()> {
    let output = run(profile, language)?;
    let printed = output.printed();
    let mut wrong = String::new();
    let (mut count, mut failures) = (0, 0);
    for case in cases(profile, language) {
        if let Err(error) = case.check(&printed) {
            wrong += &format!("== {}: {error:#}\n", case.name);
        }
        count += 1;
        failures += i32::from(case.verdict != "pass");
    }
    ensure!(wrong.is_empty(), "{wrong}");
    let counts = format!("{} passed, {failures} failed, 0 skipped", count - failures);
    output.expect(i32::from(failures > 0), &[&counts])
}

/// A kernel can print faster than the serial line takes the lines.
#[test]
fn ten_thousand_lines_all_arrive() -> Result<()> {
    let clone = TestClone::with_tests(&["prints_a_storm"])?;
    let output = clone.run(&["test", "--lang", "rust", "--verbose"])?;
    // With --verbose, xtask prints the guest's whole log.
    let printed = &output.stderr;
    let numbers: Vec<u32> = printed
        .lines()
        .filter_map(|line| {
            line.split_once("] prints_a_storm: line ")?
                .1
                .split_once(' ')
        })
        .filter_map(|(number, _)| number.parse().ok())
        .collect();
    // `dmesg` repeats the last.
    let all: Vec<u32> = (1..=10_000).chain([10_000]).collect();
    ensure!(numbers == all, "{} lines came", numbers.len());
    output.expect(0, &[])
}

#[test]
fn verdicts_of_modules_in_rust() -> Result<()> {
    check_all(TEACHING, "rust")
}

#[test]
fn verdicts_of_modules_in_c() -> Result<()> {
    check_all(TEACHING, "c")
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn verdicts_of_the_debug_kernel() -> Result<()> {
    check_all("debug", "rust")
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn verdicts_of_the_kernel_with_kasan() -> Result<()> {
    check_all("kasan", "c")
}
