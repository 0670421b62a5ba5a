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
