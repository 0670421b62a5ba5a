//! What a report looks like.

use super::*;
use crate::lesson::verdict::{Mismatch, Place};

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        lesson: "x".to_owned(),
        language: Language::Rust,
        readme: PathBuf::from("modules/lessons/x/README.md"),
        verdict,
        spots: Vec::new(),
        wall: Duration::from_millis(1234),
        guest_seconds: Some(31.26),
        log: None,
    }
}

fn printed(outcomes: &[Outcome]) -> String {
    let mut out = Vec::new();
    print(&mut out, outcomes, false).map_or_else(
        |error| error.to_string(),
        |()| String::from_utf8_lossy(&out).into_owned(),
    )
}

fn place() -> Place {
    Place {
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
fn a_mismatch_shows_place_diff_log_and_way() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let report = printed(&[outcome(Verdict::Mismatch {
        first: Box::new(Mismatch {
            place: place(),
            expected: lines(&["[..] x: one", "[+1.0s] x: two"]),
            printed: lines(&["[..] x: one", "[+1.3s] x: two"]),
            status: (0, 1),
            log: lines(&["[    1.000000] x: one"]),
        }),
        further: 2,
    })]);
    assert_eq!(
        report,
        "\
x (rust)  FAILED  1.2 s (31.3 s in the guest)  mismatch: printed something else than the text says

modules/lessons/x/README.md:12: x (rust): printed something else than the text says
    $ dmesg -c
---- expected: what the text says
++++ actual:   what the guest printed
   1    1 | [..] x: one
   2      - [+1.0s] x: two
        2 + [+1.3s] x: two
exit status: 1 instead of 0
what the kernel logged meanwhile:
  [    1.000000] x: one
2 commands after it went wrong too
to try it by hand: cargo xtask qemu x, and there:
  insmod x.ko
  dmesg -c

0 passed, 1 failed, 0 skipped
"
    );
}

#[test]
fn a_row_names_its_language_and_so_does_the_way_to_try_it() {
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
        report.contains("to try it by hand: cargo xtask qemu --lang c x\n"),
        "{report}"
    );
}

#[test]
fn every_verdict_has_a_name_and_words_of_its_own() {
    let during = Some(place());
    let verdicts = [
        Verdict::Pass,
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
            seen: "INFO: task x blocked".to_owned(),
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
        Verdict::Infrastructure {
            what: "QEMU failed\nno memory".to_owned(),
        },
        Verdict::Skipped {
            why: "no C twin".to_owned(),
        },
    ];
    let words: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
    let mut names: Vec<&str> = verdicts.iter().map(Verdict::name).collect();
    assert_eq!(
        words[3],
        "hung: INFO: task x blocked, after 30 s of the guest's time"
    );
    assert_eq!(words[5], "the shell was killed by signal 9");
    for list in [&mut words.iter().map(String::as_str).collect(), &mut names] {
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), verdicts.len());
    }
    let outcomes: Vec<Outcome> = verdicts.map(outcome).into();
    let report = printed(&outcomes);
    assert_eq!(
        report.lines().last(),
        Some("1 passed, 7 failed, 1 skipped"),
        "{report}"
    );
    assert_eq!(fault(&outcomes), Some(Fault::Lesson));
    assert_eq!(fault(&outcomes[7..8]), Some(Fault::Machine));
    assert_eq!(fault(&outcomes[8..]), None);
}

#[test]
fn where_each_task_was_comes_before_the_log() {
    let spot = |task: &str, line| Spot {
        task: task.to_owned(),
        file: "modules/lessons/x/x.rs".to_owned(),
        line,
        function: "wait".to_owned(),
        source: "    lock();".to_owned(),
    };
    let report = printed(&[Outcome {
        spots: vec![spot("rmmod (60)", 7), spot("", 123)],
        ..outcome(Verdict::Hang {
            seen: "INFO: task rmmod:60 blocked".to_owned(),
            report: vec!["[1.000000] Call Trace:".to_owned()],
            during: Some(place()),
            seconds: None,
        })
    }]);
    let expected = "\
    $ dmesg -c
rmmod (60) was at modules/lessons/x/x.rs:7, in wait:
     7 |     lock();
the CPU was at modules/lessons/x/x.rs:123, in wait:
   123 |     lock();
the kernel's log:
  [1.000000] Call Trace:
";
    assert!(report.contains(expected), "{report}");
}

#[test]
fn a_line_of_100_kib_is_clipped() {
    let report = printed(&[outcome(Verdict::KernelReport {
        headline: "WARNING: x".to_owned(),
        report: vec!["x".repeat(100 << 10)],
        during: None,
    })]);
    assert!(report.len() < 1000, "{}", report.len());
    assert!(report.contains("(102400 letters)"));
}
