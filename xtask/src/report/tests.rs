//! Tests of the report's formats.

mod formats;
mod narrowed;
mod races;
mod rows;
mod schema;

use snapbox::{assert_data_eq, file};

use super::*;
use crate::failure::Fault;
use crate::lesson::Lesson;
use crate::lesson::transcript::Transcript;
use crate::lesson::verdict::{Mismatch, OutputSource, TextLocation, Verdict};
use crate::modules::Language;
use crate::symbols::SourceLocation;

pub(super) fn lesson() -> Lesson {
    Lesson {
        name: "x".to_owned(),
        folder: PathBuf::new(),
        readme: PathBuf::from("modules/lessons/x/README.md"),
        title: "About x".to_owned(),
        transcript: Transcript {
            steps: Vec::new(),
            stated_limit: None,
        },
        no_rust: None,
        two_cpus: None,
        project: None,
        loads_modules: false,
        text: PathBuf::new(),
    }
}

pub(super) fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        wall: Duration::from_millis(1234),
        guest_seconds: Some(31.26),
        ..Outcome::new(&lesson(), Language::Rust, verdict)
    }
}

fn printed(outcomes: &[Outcome]) -> String {
    styled(outcomes, &terminal::TerminalStyle::default())
}

fn styled(outcomes: &[Outcome], style: &terminal::TerminalStyle) -> String {
    let mut out = Vec::new();
    terminal::print(&mut out, outcomes, &[], &[], style).map_or_else(
        |error| error.to_string(),
        |()| String::from_utf8_lossy(&out).into_owned(),
    )
}

pub(super) fn source_location() -> SourceLocation {
    SourceLocation {
        task: "rmmod (60)".to_owned(),
        file: "modules/lessons/x/x.rs".to_owned(),
        line: 9,
        function: "Drop::drop".to_owned(),
        source: "stop();".to_owned(),
    }
}

fn location() -> TextLocation {
    TextLocation {
        line: 12,
        command: "dmesg -c".to_owned(),
        before: vec!["insmod x.ko".to_owned()],
    }
}

#[test]
fn a_pass_is_one_line() {
    assert_eq!(
        printed(&[outcome(Verdict::Pass)]),
        "x (rust)  ok  1.2 s (31.3 s in the guest)\n1 passed, 0 failed, 0 skipped\n"
    );
}

#[test]
fn a_mismatch_shows_location_diff_log_and_commands() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let report = printed(&[outcome(Verdict::Mismatch {
        first: Box::new(Mismatch {
            location: location(),
            expected: lines(&["[..] x: one", "[+1.0s] x: two"]),
            printed: lines(&["[..] x: one", "[+1.3s] x: two"]),
            status: (0, 1),
            log: lines(&["[    1.000000] x: one"]),
        }),
        further: 2,
    })]);
    assert_data_eq!(report, file!["tests/mismatch.txt"].raw());
}

#[test]
fn a_message_that_came_too_late_is_named() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let report = |printed_lines: &[&str]| {
        printed(&[outcome(Verdict::Mismatch {
            first: Box::new(Mismatch {
                location: location(),
                expected: lines(&["[..] x: one", "[..] x: two"]),
                printed: lines(printed_lines),
                status: (0, 0),
                log: lines(&[
                    "[    1.000000] x: one",
                    "[    1.100000] x: two",
                    "[    1.200000] x: three",
                ]),
            }),
            further: 0,
        })])
    };
    let late = report(&["[..] x: one"]);
    assert!(
        late.contains("`x: two` came into the log too late"),
        "{late}"
    );
    for others in [
        &["[..] x: one", "[..] x: two", "[    1.2] x: two"][..],
        // It is at another place, or has another time.
        &["[    1.2] x: three"],
        &["[..] x: one", "[    1.1] x: two"],
    ] {
        let other = report(others);
        assert!(!other.contains("too late"), "{other}");
    }
}

#[test]
fn a_row_and_its_commands_name_the_language() {
    let c = Outcome {
        language: Language::C,
        ..outcome(Verdict::ShellLost {
            status: 1,
            during: None,
        })
    };
    let report = printed(&[outcome(Verdict::Pass), c]);
    assert!(report.starts_with("x (rust)  ok"), "{report}");
    assert!(report.contains("\nx (c)     FAILED"), "{report}");
    assert!(
        report.contains("to reproduce: cargo xtask qemu --lang c x\n"),
        "{report}"
    );
}

/// Returns one of each verdict.
pub(super) fn verdicts() -> [Verdict; 13] {
    let during = Some(location());
    [
        Verdict::Pass,
        Verdict::Mismatch {
            first: Box::new(Mismatch {
                location: location(),
                expected: vec!["uno".to_owned()],
                printed: vec!["one".to_owned()],
                status: (0, 0),
                log: Vec::new(),
            }),
            further: 0,
        },
        Verdict::KernelReport {
            headline: "WARNING: x".to_owned(),
            report: vec!["[1.000000] WARNING: x".to_owned()],
            during: during.clone(),
        },
        Verdict::Panic {
            headline: "Oops: x".to_owned(),
            report: Vec::new(),
            during: during.clone(),
        },
        Verdict::Hang {
            symptom: "INFO: task x blocked".to_owned(),
            report: Vec::new(),
            during: during.clone(),
            seconds: Some(30.4),
        },
        Verdict::LeftOver {
            left: vec!["the module x is still loaded".to_owned()],
        },
        Verdict::ShellLost {
            status: 137,
            during: during.clone(),
        },
        Verdict::GuestLost {
            what: "it printed nothing at all".to_owned(),
            during,
            log: Vec::new(),
        },
        Verdict::BadText {
            line: Some(4),
            what: "`x` comes before any command; a console block begins with a line `$ COMMAND`"
                .to_owned(),
        },
        Verdict::DoesNotCompile {
            what:
                "x (rust) does not compile:\nerror[E0425]: no `y`\n --> modules/lessons/x/x.rs:7:1"
                    .to_owned(),
        },
        Verdict::Infrastructure {
            what: "QEMU failed\nno memory".to_owned(),
        },
        Verdict::Skipped {
            why: "no C twin".to_owned(),
        },
        Verdict::OutputLimit {
            source: OutputSource::Commands,
            excerpt: vec!["y".to_owned(), "... 9 more lines ...".to_owned()],
            during: Some(location()),
        },
    ]
}

#[test]
fn a_build_that_fails_without_an_error_of_a_compiler_has_no_wrong_source() {
    let text = |what: &str| {
        let what = what.to_owned();
        Verdict::DoesNotCompile { what }.to_string()
    };
    assert_eq!(
        text("./x/kmodlab.toml: `load` names y, but the only module is x"),
        "the module cannot be built: ./x/kmodlab.toml: `load` names y, but the only module is x"
    );
    assert_eq!(
        text("x (c) does not compile for Linux 6.12:\nx.c:1:2: error: y"),
        "a source does not compile: x.c:1:2: error: y"
    );
}

#[test]
fn every_verdict_has_its_own_name_and_text() {
    let verdicts = verdicts();
    let texts: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
    let mut names: Vec<&str> = verdicts.iter().map(Verdict::name).collect();
    assert_eq!(
        texts[4],
        "hung: INFO: task x blocked, after 30 s of the guest's time"
    );
    assert_eq!(texts[6], "the shell was killed by signal 9");
    for list in [&mut texts.iter().map(String::as_str).collect(), &mut names] {
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), verdicts.len());
    }
    let outcomes: Vec<Outcome> = verdicts.map(outcome).into();
    let report = printed(&outcomes);
    assert_eq!(
        report.lines().last(),
        Some("1 passed, 11 failed, 1 skipped"),
        "{report}"
    );
    assert_eq!(fault(&outcomes), Some(Fault::Lesson));
    assert_eq!(fault(&outcomes[8..10]), Some(Fault::Lesson));
    assert_eq!(fault(&outcomes[10..11]), Some(Fault::Host));
    assert_eq!(fault(&outcomes[11..12]), None);
    assert!(
        report.contains(
            "\nmodules/lessons/x/README.md:4: x (rust): the text cannot be tested: `x` comes before \
             any command; "
        ),
        "{report}"
    );
    assert!(
        report.contains(
            "\nmodules/lessons/x/x.rs:7: x (rust): a source does not compile: error[E0425]: no \
             `y`\nx (rust) does not compile:\nerror[E0425]: no `y`\n"
        ),
        "{report}"
    );
}

#[test]
fn endless_output_is_shown_by_its_ends() {
    let [.., verdict] = verdicts();
    assert_eq!(
        verdict.to_string(),
        "output limit exceeded: the commands printed more than 1 MiB"
    );
    let report = printed(&[outcome(verdict)]);
    assert!(
        report.contains("\n  y\n  ... 9 more lines ...\nThe guest was stopped then.\n"),
        "{report}"
    );
}

#[test]
fn a_report_is_bounded_whatever_was_left_behind_or_ran() {
    let many = |word: &str| -> Vec<String> {
        let numbers = 0..100_000;
        numbers
            .map(|number| format!("{word} {number} {}", "x".repeat(500)))
            .collect()
    };
    let left = Verdict::LeftOver { left: many("left") };
    let during = TextLocation {
        before: many("command"),
        ..location()
    };
    let lost = Verdict::ShellLost {
        status: 1,
        during: Some(during),
    };
    for (verdict, note) in [
        (left, "  - and 99960 more\n"),
        (lost, "  (the first 99960 commands of the text)\n"),
    ] {
        let report = printed(&[outcome(verdict)]);
        assert!(report.len() < 20_000, "{}", report.len());
        assert!(report.contains(note), "{report}");
    }
}

#[test]
fn where_each_task_was_comes_before_the_log() {
    let location_of = |task: &str, line| SourceLocation {
        task: task.to_owned(),
        file: "modules/lessons/x/x.rs".to_owned(),
        line,
        function: "wait".to_owned(),
        source: "    lock();".to_owned(),
    };
    let report = printed(&[Outcome {
        source_locations: vec![location_of("rmmod (60)", 7), location_of("", 123)],
        ..outcome(Verdict::Hang {
            symptom: "INFO: task rmmod:60 blocked".to_owned(),
            report: vec!["[1.000000] Call Trace:".to_owned()],
            during: Some(location()),
            seconds: None,
        })
    }]);
    assert_data_eq!(report, file!["tests/hang.txt"].raw());
}

#[test]
fn a_line_of_100_kib_is_clipped() {
    let report = printed(&[outcome(Verdict::KernelReport {
        headline: "WARNING: x".to_owned(),
        report: vec!["x".repeat(100 << 10)],
        during: None,
    })]);
    assert!(report.len() < 1000, "{}", report.len());
    assert!(report.contains("(102400 characters)"));
}

pub(super) fn left(what: &str) -> Verdict {
    Verdict::LeftOver {
        left: vec![what.to_owned()],
    }
}
