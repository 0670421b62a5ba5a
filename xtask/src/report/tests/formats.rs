//! Tests of the formats for programs: with their usual readers, and with hostile
//! contents.

use std::process::{Command, Stdio};

use quick_junit::TestCaseStatus;
use snapbox::{assert_data_eq, file};

use super::*;
use crate::cache::Cache;
use crate::run::outcome::{ScheduleName, ScheduledRun};
use crate::schedule::DelayReport;
use crate::schedule::miss::RaceProbability;

/// Returns texts that could break a format: control characters, ends of XML and of
/// lines, half a character, imitations of each format's syntax.
fn hostile() -> Vec<String> {
    let lines = [
        "\u{1b}[31mred\u{1b}]0;title\u{7}\0\u{8}\u{b}\u{c}",
        "]]> </failure> <![CDATA[ &amp; <!-- \"'",
        "\u{fffe}\u{ffff}\u{fffd}\u{85}\u{2028}\u{1f980}",
        "KTAP version 1\n1..1\nok 1 x\nBail out!\r\nnot ok 2 y # TODO",
        "Subtest: z\n# Subtest: z\n  KTAP version 1",
        "{\"schema\": 2}",
    ];
    let mut lines: Vec<String> = lines.map(str::to_owned).into();
    lines.push(String::from_utf8_lossy(b"\xff\xfe\xc3").into_owned());
    lines.push("x".repeat(1 << 20));
    lines
}

/// Returns an outcome per verdict, and outcomes with hostile contents and names.
pub(super) fn outcomes() -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = verdicts().map(outcome).into();
    let all = hostile().join("\n");
    let during = Some(TextLocation {
        line: 7,
        command: all.clone(),
        before: hostile(),
    });
    let bad = [
        Verdict::Mismatch {
            first: Box::new(Mismatch {
                location: during.clone().unwrap_or_else(location),
                expected: hostile(),
                printed: Vec::new(),
                status: (0, 255),
                log: hostile(),
            }),
            further: 3,
        },
        Verdict::Panic {
            headline: all.clone(),
            report: hostile(),
            during: during.clone(),
        },
        Verdict::Hang {
            symptom: all.clone(),
            report: hostile(),
            during,
            seconds: Some(f64::NAN),
        },
        Verdict::LeftOver { left: hostile() },
        Verdict::Infrastructure { what: all.clone() },
        Verdict::Skipped { why: all.clone() },
    ];
    outcomes.extend(bad.into_iter().zip(1..).map(|(verdict, run)| Outcome {
        lesson: "a\nb # c]]>\u{1b}".to_owned(),
        title: all.clone(),
        language: Language::C,
        run: Some(run),
        readme: PathBuf::from(&all),
        artifacts: Some(PathBuf::from("a\u{ffff}b")),
        ..outcome(verdict)
    }));
    outcomes
}

pub(super) fn report(outcomes: Vec<Outcome>) -> SuiteReport {
    SuiteReport {
        kernel: Some(TestedKernel {
            name: "6.12".to_owned(),
            version: "6.12.117".to_owned(),
            qemu: "7.2".to_owned(),
        }),
        time: "virtual",
        repeat: 1,
        partition: "2/3".parse().ok(),
        wall: Duration::from_millis(2500),
        stages: vec![StageTime {
            name: "kernel".to_owned(),
            time: Duration::from_millis(20),
            cached: true,
            detail: "6.12.117".to_owned(),
        }],
        outcomes,
        races: vec![super::races::races()],
        clean: vec![CleanSchedules {
            lesson: "y".to_owned(),
            language: Language::C,
            schedules: 100,
            random: 25,
            probability: Some(RaceProbability {
                one_delay: 0.25,
                two_delays: None,
            }),
            unreached: vec!["release".to_owned()],
        }],
    }
}

#[test]
fn json_is_read_back_as_it_was_written() -> Result<()> {
    let report = report(outcomes());
    let text = json::text(&report)?;
    let suite: json::SuiteDocument = serde_json::from_str(&text)?;
    assert_eq!(json::pretty(&suite)?, text);
    assert_eq!(suite.schema, 3);
    assert_eq!(suite.partition.as_deref(), Some("2/3"));
    assert_eq!(
        suite.summary,
        json::Summary {
            passed: 1,
            failed: 16,
            skipped: 2
        }
    );
    let names: Vec<&str> = suite.runs.iter().map(|run| run.verdict.as_str()).collect();
    assert_eq!(
        names[..13],
        [
            "pass",
            "mismatch",
            "kernel-report",
            "panic",
            "hang",
            "left-over",
            "shell-lost",
            "guest-lost",
            "bad-text",
            "does-not-compile",
            "infrastructure",
            "skipped",
            "output-limit"
        ]
    );
    assert_eq!(suite.runs[16].left_behind, hostile());
    assert_eq!(suite.runs[13].kernel_log, hostile());
    Ok(())
}

/// Readers of the report rely on these names.
#[test]
fn json_has_the_published_fields() -> Result<()> {
    let outcome = Outcome {
        source_locations: vec![source_location()],
        scheduled: Some(ScheduledRun {
            name: ScheduleName::Seed(7),
            report: DelayReport {
                start_nanoseconds: 1,
                delays: vec![super::races::delay(9)],
                arrivals: Vec::new(),
            },
            messages: Vec::new(),
        }),
        ..outcome(Verdict::Pass)
    };
    let text = json::text(&report(vec![outcome]))?;
    assert_data_eq!(text, file!["report.json"].raw());
    Ok(())
}

/// Runs a program in python3 with a text on its standard input. Returns whether it
/// succeeded, and its output; `None` without python3.
fn python(program: &[&str], text: &str) -> Result<Option<(bool, String)>> {
    let child = Command::new("python3")
        .arg("-c")
        .args(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return Ok(None);
    };
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Python may exit before it has read all.
            let _ = stdin.as_mut().map(|stdin| stdin.write_all(text.as_bytes()));
        });
        child.wait_with_output()
    })?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Some((output.status.success(), text)))
}

#[test]
fn junit_is_well_formed_and_counts_right() -> Result<()> {
    let outcomes = outcomes();
    let text = junit::text(&report(outcomes.clone()))?;
    let read = quick_junit::Report::deserialize_from_str(&text)?;
    let skipped: usize = read.test_suites.iter().map(|suite| suite.skipped).sum();
    assert_eq!(
        (read.tests, read.failures, read.errors, skipped),
        (19, 14, 2, 2)
    );
    assert_eq!(read.test_suites.len(), 2);
    let cases = read.test_suites.iter().flat_map(|suite| &suite.test_cases);
    for (case, outcome) in cases.zip(&outcomes) {
        match &case.status {
            TestCaseStatus::Success { .. } => assert!(outcome.verdict.passed()),
            TestCaseStatus::Skipped { .. } => assert!(outcome.verdict.skipped()),
            TestCaseStatus::NonSuccess { ty, .. } => {
                assert_eq!(ty.as_deref(), Some(outcome.verdict.name()));
            }
        }
    }
    // XML 1.0, 2.2: the legal characters.
    let legal = |char: char| {
        !char.is_control() && !"\u{fffe}\u{ffff}".contains(char) || "\t\n\r\u{85}".contains(char)
    };
    assert_eq!(text.chars().find(|char| !legal(*char)), None);
    // A second parser, if python3 exists: expat.
    let program = "import sys, xml.dom.minidom as m; m.parse(sys.stdin.buffer)";
    if let Some((accepted, output)) = python(&[program], &text)? {
        assert!(accepted, "{output}");
    }
    Ok(())
}

#[test]
fn a_pass_in_junit_is_a_case_and_a_failure_has_its_report() -> Result<()> {
    let failed = Outcome {
        language: Language::C,
        ..outcome(left("a thread"))
    };
    let text = junit::text(&report(vec![outcome(Verdict::Pass), failed]))?;
    assert_data_eq!(text, file!["report.xml"].raw());
    Ok(())
}

#[test]
fn ktap_is_what_the_kernel_describes() {
    let mut outcomes: Vec<Outcome> = verdicts().map(outcome).into();
    outcomes.drain(2..4);
    outcomes.drain(3..6);
    assert_data_eq!(ktap::text(&report(outcomes)), file!["report.ktap"].raw());
}

/// Parses KTAP: every line is of one of ktap.rst's four kinds, numbers rise by one,
/// and the plan holds.
fn read_ktap(text: &str) -> Result<Vec<(bool, String)>> {
    let mut lines = text.lines();
    anyhow::ensure!(lines.next() == Some("KTAP version 1"));
    let plan: usize = lines
        .next()
        .and_then(|line| line.strip_prefix("1.."))
        .context("a plan")?
        .parse()?;
    let mut results = Vec::new();
    for line in lines {
        anyhow::ensure!(
            !line.chars().any(|c| c.is_control() && c != '\t'),
            "{line:?}"
        );
        if line.starts_with("# ") {
            anyhow::ensure!(!line.starts_with("# Subtest: "), "{line}");
            continue;
        }
        let (ok, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (
                true,
                line.strip_prefix("ok ").with_context(|| line.to_owned())?,
            ),
        };
        let (number, rest) = rest.split_once(' ').context("a description")?;
        anyhow::ensure!(number.parse() == Ok(results.len() + 1), "{line}");
        let (description, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        anyhow::ensure!(
            !description.is_empty() && !description.contains('#'),
            "{line}"
        );
        results.push((ok, directive.split(' ').next().unwrap_or("").to_owned()));
    }
    anyhow::ensure!(results.len() == plan, "{} of {plan}", results.len());
    Ok(results)
}

#[test]
fn hostile_contents_stay_one_ktap_result_a_run() -> Result<()> {
    let outcomes = outcomes();
    let results = read_ktap(&ktap::text(&report(outcomes.clone())))?;
    assert_eq!(results.len(), outcomes.len());
    for ((ok, directive), outcome) in results.iter().zip(&outcomes) {
        assert_eq!(*ok, !outcome.failed());
        assert_eq!(directive == "SKIP", outcome.verdict.skipped());
    }
    Ok(())
}

/// The kernel's own parser of KTAP, from a kernel tree in the cache, finds the same
/// counts. Without python3 or a tree, the test checks nothing.
#[test]
fn the_kernels_own_parser_accepts_it() -> Result<()> {
    const READ: &str = "\
import sys
sys.path.insert(0, sys.argv[1])
import kunit_parser
class Quiet:
    def __getattr__(self, name): return lambda *args: ''
lines = sys.stdin.buffer.read().decode().split('\\n')
counts = kunit_parser.parse_run_tests(lines, Quiet()).counts if len(sys.argv) > 2 \\
    else kunit_parser.parse_run_tests(lines).counts
print('counts', counts.passed, counts.failed, counts.crashed, counts.skipped, counts.errors)
";
    let sources = Cache::from_env()?.folder("sources")?;
    let text = ktap::text(&report(outcomes()));
    for entry in std::fs::read_dir(sources)? {
        let folder = entry?.path().join("tools/testing/kunit");
        if !folder.join("kunit_parser.py").is_file() {
            continue;
        }
        let printer = folder.join("kunit_printer.py").is_file();
        let folder = folder.display().to_string();
        let mut program = vec![READ, &folder];
        let source = std::fs::read_to_string(format!("{folder}/kunit_parser.py"))?;
        if printer && source.contains("printer: Printer") {
            program.push("printer");
        }
        if let Some((accepted, output)) = python(&program, &text)? {
            assert!(accepted && output.contains("counts 1 16 0 2 0"), "{output}");
        }
    }
    Ok(())
}

#[test]
fn files_that_cannot_be_written_are_refused_first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| Some(folder.path().join(name));
    let refused = |targets: ReportFiles| match targets.check() {
        Ok(()) => String::new(),
        Err(error) => {
            assert_eq!(crate::failure::fault_of(&error), Fault::Usage);
            error.to_string()
        }
    };
    let none = ReportFiles::default();
    assert_eq!(refused(none.clone()), "");
    let junit = |junit| ReportFiles {
        junit,
        ..none.clone()
    };
    assert_eq!(refused(junit(path("x.xml"))), "");
    assert_eq!(refused(junit(Some(PathBuf::from("x.xml")))), "");
    assert!(refused(junit(path("no/x.xml"))).contains("--junit: "));
    assert!(refused(junit(path("."))).contains("is a folder"));
    std::fs::write(folder.path().join("x.json"), "")?;
    std::os::unix::fs::symlink("x.json", folder.path().join("link"))?;
    let twin = folder
        .path()
        .file_name()
        .map(|name| Path::new("..").join(name));
    let twin = |file: &str| {
        path(".")
            .zip(twin.clone())
            .map(|(a, b)| a.join(b).join(file))
    };
    for (json, ktap) in [
        (path("link"), path("x.json")),
        (path("new"), twin("new")),
        (path("x.json"), twin("x.json")),
    ] {
        let junit = None;
        assert!(refused(ReportFiles { json, ktap, junit }).contains("another report"));
    }
    let twice = ReportFiles {
        json: Some(PathBuf::from("-")),
        ktap: Some(PathBuf::from("-")),
        junit: None,
    };
    assert!(twice.take_standard_output());
    assert!(refused(twice).contains("--ktap"));
    Ok(())
}
