//! The rows of several runs and of many test cases.

use snapbox::{assert_data_eq, file};

use super::*;

fn row(language: Language, run: u32, verdict: Verdict) -> Outcome {
    Outcome {
        language,
        run: Some(run),
        ..outcome(verdict)
    }
}

#[test]
fn equal_failures_of_several_runs_are_reported_once() {
    let mut outcomes: Vec<Outcome> = (1..=8)
        .map(|run| match run {
            2 | 5 | 6 => row(Language::Rust, run, left("the module x is still loaded")),
            3 => row(Language::Rust, run, left("/proc/x is still there")),
            _ => row(Language::Rust, run, Verdict::Pass),
        })
        .collect();
    outcomes.extend((1..=8).map(|run| row(Language::C, run, Verdict::Pass)));
    let report = printed(&outcomes);
    assert_data_eq!(report, file!["repetitions.txt"].raw());
}

/// Failures of a race differ in their output alone.
#[test]
fn different_failures_of_one_test_case_look_different() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mismatch = |run, printed: &[&str]| {
        let first = Mismatch {
            location: location(),
            expected: lines(&["one", "2000"]),
            printed: lines(printed),
            status: (0, 0),
            log: Vec::new(),
        };
        let first = Box::new(first);
        row(Language::Rust, run, Verdict::Mismatch { first, further: 0 })
    };
    let report = printed(&[
        mismatch(1, &["one", "1999"]),
        mismatch(2, &["one", "1998"]),
        mismatch(3, &["one", "1999"]),
        mismatch(4, &["one", "2000", "three"]),
        mismatch(5, &["one"]),
    ]);
    let kinds: Vec<&str> = report.lines().skip(1).take(4).map(str::trim).collect();
    let text = "mismatch: printed something else than the text says, at line 12";
    assert_eq!(
        kinds,
        [
            format!("2 times {text}: `1999` (runs 1, 3)"),
            format!("once {text}: `1998` (run 2)"),
            format!("once {text}: `three` (run 4)"),
            format!("once {text} (run 5)"),
        ]
    );
}

/// Returns outcomes of `count` lessons that passed, one that failed and one skipped.
fn suite(count: usize) -> Vec<Outcome> {
    let named = |number: usize, verdict| Outcome {
        lesson: format!("x{number}"),
        ..outcome(verdict)
    };
    let mut outcomes: Vec<Outcome> = (0..count)
        .map(|number| named(number, Verdict::Pass))
        .collect();
    outcomes.insert(count / 2, named(count, left("a thread")));
    let why = "not run".to_owned();
    outcomes.push(named(count + 1, Verdict::Skipped { why }));
    outcomes
}

#[test]
fn of_many_test_cases_those_that_passed_share_a_line() {
    let few = printed(&suite(22));
    assert_eq!(few.matches("  ok  ").count(), 22, "{few}");
    let many = suite(23);
    let report = printed(&many);
    assert!(
        report.starts_with(
            "23 test cases passed, the slowest x22 (rust) in 1.2 s\nx23 (rust)  FAILED"
        ),
        "{report}"
    );
    assert!(report.contains("\nx24 (rust)  --  skipped: "), "{report}");
    assert!(!report.contains("skipped: skipped"), "{report}");
    let verbose = terminal::TerminalStyle {
        verbose: true,
        ..terminal::TerminalStyle::default()
    };
    assert_eq!(styled(&many, &verbose).matches("  ok  ").count(), 23);
}

#[test]
fn a_runner_gets_groups_and_errors_but_no_commands_of_the_guest() {
    let style = terminal::TerminalStyle {
        runner_token: Some("token".to_owned()),
        ..terminal::TerminalStyle::default()
    };
    let mut outcomes = suite(30);
    outcomes[15].verdict = Verdict::Panic {
        headline: "Oops: 100%\n::error::x".to_owned(),
        report: vec!["::add-mask::a".to_owned()],
        during: Some(location()),
    };
    outcomes[15].source_locations = vec![source_location()];
    let report = styled(&outcomes, &style);
    assert!(
        report.contains(
            "::error file=modules/lessons/x/x.rs,line=9,title=x30 (rust)::rmmod (60) was here: \
             the kernel crashed: "
        ),
        "{report}"
    );
    assert!(
        report.starts_with("::group::30 test cases passed\nx0 (rust)"),
        "{report}"
    );
    assert!(
        report.contains(
            "::error file=modules/lessons/x/README.md,line=12,title=x30 (rust)::panic: \
             the kernel crashed: Oops: 100%25\\n::error::x\n"
        ),
        "{report}"
    );
    // The runner does not execute commands in the guest's output.
    let mut open = false;
    for line in report.lines() {
        match line {
            "::stop-commands::token" => open = true,
            "::token::" => open = false,
            _ => assert!(open || !line.contains("add-mask"), "{line}"),
        }
    }
    assert_eq!(report.matches("::group::").count(), 2);
    assert_eq!(report.matches("::endgroup::").count(), 2);
    assert_eq!(
        report.lines().last(),
        Some("30 passed, 1 failed, 1 skipped")
    );
}
