//! The report as KTAP, version 1 (Documentation/dev-tools/ktap.rst of the kernel): a
//! result line per run, after diagnostic lines with the details of a failure.

use std::fmt::Write as _;

use super::{Outcome, SuiteReport, detail_lines};
use crate::lesson::verdict::Verdict;
use crate::text::printable;

/// Returns the report as KTAP.
pub fn text(report: &SuiteReport) -> String {
    let mut text = format!("KTAP version 1\n1..{}\n", report.outcomes.len());
    for (number, outcome) in (1..).zip(&report.outcomes) {
        if outcome.failed() {
            for line in detail_lines(outcome) {
                // With two spaces, no line can be the header `# Subtest: `.
                let _ = writeln!(text, "#  {}", printable(&line));
            }
        }
        let _ = writeln!(text, "{}", result_line(number, outcome));
    }
    text
}

fn result_line(number: usize, outcome: &Outcome) -> String {
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
    let verdict_text = printable(&outcome.verdict.to_string());
    let diagnosis = match &outcome.verdict {
        Verdict::Pass => String::new(),
        Verdict::Skipped { why } => format!(" # SKIP {}", printable(why)),
        Verdict::Hang { .. } => format!(" # TIMEOUT {verdict_text}"),
        Verdict::Infrastructure { .. } => format!(" # ERROR {verdict_text}"),
        verdict => format!(" # {}: {verdict_text}", verdict.name()),
    };
    format!("{result} {number} {description}{diagnosis}")
}
