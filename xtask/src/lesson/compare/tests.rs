//! Comparisons of lines, and the differences that they report.

use super::*;
use crate::lesson::timestamp::VIRTUAL_TOLERANCE;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn compared(expected: &str, printed: &str) -> Comparison {
    compare(&lines(expected), &lines(printed), None, VIRTUAL_TOLERANCE)
}

/// Returns the right side of the diff, or "=" if all lines match.
fn diff(expected: &str, printed: &str) -> String {
    let compared = compared(expected, printed);
    if compared.matches {
        assert_eq!(compared.normalised, lines(expected));
        return "=".to_owned();
    }
    assert_ne!(compared.normalised, lines(expected));
    compared.normalised.join("|")
}

#[test]
fn a_printed_line_in_the_syntax_of_timestamps_matches_itself() {
    assert_eq!(diff("[+1.0s] x", "[+1.0s] x"), "=");
    assert_eq!(diff("[+1.0s]", "[+2.0s]"), "[+2.0s]");
    assert_eq!(diff("[+1.0s] x", "x"), "x");
}

#[test]
fn wildcards_match_within_a_line() {
    for (pattern, text, matches) in [
        ("", "", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("[..]", "", true),
        ("[..]", "any", true),
        ("[..]b", "abab", true),
        ("a[..]", "a", true),
        ("a[..]a", "a", false),
        ("x[..]1[..]2", "x 1 1 2 2", true),
        ("x[..]2[..]1", "x 1 1 2 2", false),
        ("[..]b[..]b[..]", "ab", false),
        ("x [..] 0[..]", "x            16384  0", true),
        ("[..] é[..]", "ü é", true),
    ] {
        assert_eq!(line_matches(pattern, text), matches, "{pattern} {text}");
    }
}

#[test]
fn elisions_stand_for_any_lines_or_none() {
    assert_eq!(diff("...", ""), "=");
    assert_eq!(diff("...", "a\nb"), "=");
    assert_eq!(diff("a\n...\nd", "a\nb\nc\nd"), "=");
    assert_eq!(diff("a\n...\nd", "a\nd"), "=");
    assert_eq!(diff("...\nd", "d\nd"), "=");
    assert_eq!(diff("...\nb\n...\nb", "b\nx\nb"), "=");
    // The lines that `...` hides are shown if the line beside it is missing.
    assert_eq!(diff("a\n...", "b\nc"), "b|c");
    assert_eq!(diff("a\n...\nd", "a\nb\nc"), "a|b|c");
    assert_eq!(diff("a\n...\nd\nx", "a\nb\nd"), "a|...|d");
}

#[test]
fn one_surplus_line_is_one_difference() {
    assert_eq!(diff("a\n[..]b\nc", "a\nx\nyb\nc"), "a|x|[..]b|c");
    assert_eq!(diff("a\n[..]b\nc", "a\nc"), "a|c");
    assert_eq!(diff("", "a"), "a");
    assert_eq!(diff("a", ""), "");
}

const LOG: &str = "\
[    1.000000] x: one
[    2.017336] x: two
[    3.300000] x: three";

#[test]
fn a_timestamp_counts_from_the_line_above() {
    assert_eq!(diff("[..] x: one\n[+1.0s] x: [..]", &LOG[..43]), "=");
    assert_eq!(
        diff("[..] x: one\n[+1.0s] x: two\n[+1.3s] x: three", LOG),
        "="
    );
    assert_eq!(
        diff("[..] x: one\n[+1.0s] x: two\n[+1.0s] x: three", LOG),
        "[..] x: one|[+1.0s] x: two|[+1.3s] x: three"
    );
    // A near miss shows more decimals, and the next line still matches.
    assert_eq!(
        diff("[..] x: one\n[+0.92s] x: two\n[+1.28s] x: three", LOG),
        "[..] x: one|[+1.017s] x: two|[+1.28s] x: three"
    );
    // A line that `...` hides does not count as the line above.
    assert_eq!(diff("[..] x: one\n...\n[+2.3s] x: three", LOG), "=");
    // Without a line above, no time matches.
    assert_eq!(
        diff("[+0.0s] x: one\n...", LOG),
        "[    1.000000] x: one|..."
    );
    // Once the hidden lines are shown, times count from them.
    assert_eq!(
        diff("[..] x: zero\n...\n[+9.9s] x: three", LOG),
        "[    1.000000] x: one|[+1.0s] x: two|[+1.3s] x: three"
    );
    // A surplus line has a relative timestamp too.
    assert_eq!(
        diff("[..] x: one\n[+2.3s] x: three", LOG),
        "[..] x: one|[+1.0s] x: two|[+2.3s] x: three"
    );
}

#[test]
fn a_timestamp_counts_across_commands() {
    let first = compared("[..] x: one", &LOG[..21]);
    assert_eq!(first.last_timestamp, Some(1.0));
    let none = compare(&[], &[], first.last_timestamp, VIRTUAL_TOLERANCE);
    let printed = lines(&LOG[22..]);
    let expected = lines("[+1.0s] x: two\n[..] x: three");
    let second = compare(&expected, &printed, none.last_timestamp, VIRTUAL_TOLERANCE);
    assert!(second.matches);
    assert_eq!(second.last_timestamp, Some(3.3));
    let early = lines("[+0.9s] x: two\n[..] x: three");
    assert!(!compare(&early, &printed, none.last_timestamp, VIRTUAL_TOLERANCE).matches);
    // Without timestamps in the text, the kernel's own are shown.
    assert_eq!(diff("a", &LOG[..21]), "[    1.000000] x: one");
}

#[test]
fn control_characters_are_escaped_and_blank_ends_are_dropped() {
    assert_eq!(
        printed_lines(b"a \t\r\n\x1b[31m\xff\0\n\n\r\n"),
        ["a", "\\u{1b}[31m\u{fffd}\\u{0}"]
    );
    assert_eq!(printed_lines(b""), [""; 0]);
}

#[test]
fn long_outputs_are_compared() {
    let long = "x".repeat(100 << 10);
    assert_eq!(diff(&format!("{long}[..]"), &format!("{long}y")), "=");
    let storm = "[    1.000000] x: storm\n".repeat(10_000);
    assert_eq!(diff("...\n[..] x: storm", &storm), "=");
    assert_eq!(diff(&"[..]\n".repeat(10_000), &storm), "=");
    assert_ne!(diff(&"[..]\n".repeat(9_999), &storm), "=");
}

/// Returns the numbers from 1 to `last` as lines.
fn numbers(last: u32) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}

/// More pairs of lines than an alignment has cells: 91 with 50,000.
#[test]
fn an_elision_matches_any_number_of_lines() {
    let expected = numbers(89) + "...\n50000";
    assert_eq!(diff(&expected, &numbers(50_000)), "=");
    let expected = format!(
        "{}...\n7000\n7001\n...\n{}",
        numbers(80),
        "[..]\n".repeat(80)
    );
    assert_eq!(diff(&expected, &numbers(50_000)), "=");
    let stamped = |line: u32| format!("[    {line}.000000] x: {line}\n");
    let log: String = (1..=50_000).map(stamped).collect();
    let expected =
        "[..] x: 1\n...\n[+39999.0s] x: 40000\n[+1.0s] x: 40001\n...\n[+9999.0s] x: [..]";
    assert_eq!(diff(expected, &log), "=");
}

#[test]
fn a_difference_between_long_outputs_is_reported_alone() {
    let printed = numbers(50_000);
    let shown = |expected: &str| -> Vec<String> {
        let compared = compared(expected, &printed);
        assert!(!compared.matches);
        compared.normalised
    };
    // One wrong line before, in the middle of, and behind long parts.
    let wrong = numbers(89).replace("\n44\n", "\nx\n") + "...\n50000";
    let normalised = shown(&wrong);
    assert_eq!(normalised.len(), 91);
    assert_eq!(normalised[43..46], ["44", "45", "46"]);
    assert_eq!(normalised[89..], ["...", "50000"]);
    let normalised = shown(&(numbers(89) + "...\n49998\nx\n50000"));
    assert_eq!(normalised[88..], ["89", "...", "49998", "49999", "50000"]);
    let mut all = numbers(50_000).replace("\n44\n", "\nx\n");
    all.truncate(all.len() - 1);
    let normalised = shown(&all);
    assert_eq!(normalised, lines(&printed));
    let without: String = numbers(50_000).replace("\n44\n", "\n");
    assert_eq!(shown(&without), lines(&printed));
    // Nothing in common.
    let normalised = shown(&"x\n".repeat(50_000));
    assert_eq!(normalised.len(), 50_000);
    let normalised = shown(&format!("{0}...\n{0}", "x\n".repeat(3_000)));
    assert_eq!(normalised.len(), 50_000);
}

#[test]
fn a_segment_that_almost_matches_everywhere_takes_a_second_at_most() {
    let printed = "a\n".repeat(100_000);
    let expected = format!("...\n{}b\n...\n", "a\n".repeat(20_000));
    assert!(!compared(&expected, &printed).matches);
}

/// The alignment without a table and the one with it agree on small inputs.
#[test]
fn both_ways_to_match_agree() {
    let words = ["a", "b", "[..]", "..."];
    let printable = ["a", "b", "c"];
    // All expected texts of up to four lines, and all outputs of up to four.
    let texts = |words: &[&str]| -> Vec<Vec<String>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..4 {
            last = last
                .iter()
                .flat_map(|text: &Vec<String>| {
                    words.iter().map(|word| {
                        let mut text = text.clone();
                        text.push((*word).to_owned());
                        text
                    })
                })
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    };
    let outputs = texts(&printable);
    for expected in &texts(&words) {
        for printed in &outputs {
            let aligner = Aligner {
                expected,
                printed,
                timestamps: vec![None; printed.len()],
                above: None,
                tolerance: VIRTUAL_TOLERANCE,
            };
            let aligned = aligner.align();
            let wrong = |choice: &Move| matches!(choice, Move::Surplus | Move::Missing);
            match aligner.matching() {
                Some(moves) => assert_eq!(moves, aligned, "{expected:?} {printed:?}"),
                None => assert!(aligned.iter().any(wrong), "{expected:?} {printed:?}"),
            }
        }
    }
}
