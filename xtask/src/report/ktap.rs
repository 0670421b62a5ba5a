//! The report as KTAP, version 1, after the kernel's
//! Documentation/dev-tools/ktap.rst: a result line a play and run, before it
//! as diagnostic lines what is known of a failure.

use std::fmt::Write as _;

use super::{Outcome, SuiteReport, detail_lines};
use crate::lesson::compare::printable;
use crate::lesson::verdict::Verdict;

/// The report's text.
pub fn text(report: &SuiteReport) -> String {
    let mut text = format!("KTAP version 1\n1..{}\n", report.outcomes.len());
    for (number, outcome) in (1..).zip(&report.outcomes) {
        if outcome.failed() {
            for line in detail_lines(outcome) {
                // Two spaces, so that no line is the header `# Subtest: `.
                let _ = writeln!(text, "#  {}", printable(&line));
            }
        }
        let _ = writeln!(text, "{}", result(number, outcome));
    }
    text
}

fn result(number: usize, outcome: &Outcome) -> String {
    let result = if outcome.failed() { "not ok" } else { "ok" };
    let description: String = outcome
        .id()
        .chars()
        .map(|char| {
            if char == '#' || char.is_control() {
                '_'
            } else {
                char
            }
        })
        .collect();
    let words = printable(&outcome.verdict.to_string());
    let diagnosis = match &outcome.verdict {
        Verdict::Pass => String::new(),
        Verdict::Skipped { why } => format!(" # SKIP {}", printable(why)),
        Verdict::Hang { .. } => format!(" # TIMEOUT {words}"),
        Verdict::Infrastructure { .. } => format!(" # ERROR {words}"),
        verdict => format!(" # {}: {words}", verdict.name()),
    };
    format!("{result} {number} {description}{diagnosis}")
}
