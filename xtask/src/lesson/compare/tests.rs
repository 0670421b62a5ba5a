//! What counts as the same, and what a difference looks like.

use super::*;
use crate::lesson::timestamp::VIRTUAL_TOLERANCE;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn compared(expected: &str, printed: &str) -> Comparison {
    compare(&lines(expected), &lines(printed), None, VIRTUAL_TOLERANCE)
}

/// The diff's right side, or "=" if all is as expected.
fn seen(expected: &str, printed: &str) -> String {
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
    assert_eq!(seen("...", ""), "=");
    assert_eq!(seen("...", "a\nb"), "=");
    assert_eq!(seen("a\n...\nd", "a\nb\nc\nd"), "=");
    assert_eq!(seen("a\n...\nd", "a\nd"), "=");
    assert_eq!(seen("...\nd", "d\nd"), "=");
    assert_eq!(seen("...\nb\n...\nb", "b\nx\nb"), "=");
    // What `...` hides is shown where the line beside it is missing.
    assert_eq!(seen("a\n...", "b\nc"), "b|c");
    assert_eq!(seen("a\n...\nd", "a\nb\nc"), "a|b|c");
    assert_eq!(seen("a\n...\nd\nx", "a\nb\nd"), "a|...|d");
}

#[test]
fn one_line_too_many_is_one_line() {
    assert_eq!(seen("a\n[..]b\nc", "a\nx\nyb\nc"), "a|x|[..]b|c");
    assert_eq!(seen("a\n[..]b\nc", "a\nc"), "a|c");
    assert_eq!(seen("", "a"), "a");
    assert_eq!(seen("a", ""), "");
}

const LOG: &str = "\
[    1.000000] x: one
[    2.017336] x: two
[    3.300000] x: three";

#[test]
fn a_stamp_counts_from_the_line_above() {
    assert_eq!(seen("[..] x: one\n[+1.0s] x: [..]", &LOG[..43]), "=");
    assert_eq!(
        seen("[..] x: one\n[+1.0s] x: two\n[+1.3s] x: three", LOG),
        "="
    );
    assert_eq!(
        seen("[..] x: one\n[+1.0s] x: two\n[+1.0s] x: three", LOG),
        "[..] x: one|[+1.0s] x: two|[+1.3s] x: three"
    );
    // A near miss shows why it is one, and the next line is not blamed for it.
    assert_eq!(
        seen("[..] x: one\n[+0.92s] x: two\n[+1.28s] x: three", LOG),
        "[..] x: one|[+1.017s] x: two|[+1.28s] x: three"
    );
    // Just as the text shows it: `...` hides the line it stands for.
    assert_eq!(seen("[..] x: one\n...\n[+2.3s] x: three", LOG), "=");
    // Without a stamp above there is nothing to count from.
    assert_eq!(
        seen("[+0.0s] x: one\n...", LOG),
        "[    1.000000] x: one|..."
    );
    // Where it shows them after all, times count from what is shown.
    assert_eq!(
        seen("[..] x: zero\n...\n[+9.9s] x: three", LOG),
        "[    1.000000] x: one|[+1.0s] x: two|[+1.3s] x: three"
    );
    // A surplus line is told in the same words.
    assert_eq!(
        seen("[..] x: one\n[+2.3s] x: three", LOG),
        "[..] x: one|[+1.0s] x: two|[+2.3s] x: three"
    );
}

#[test]
fn a_stamp_counts_across_commands() {
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
    // The real stamps stay where the text has none.
    assert_eq!(seen("a", &LOG[..21]), "[    1.000000] x: one");
}

#[test]
fn rubbish_is_written_out_and_blank_ends_do_not_count() {
    assert_eq!(
        printed_lines(b"a \t\r\n\x1b[31m\xff\0\n\n\r\n"),
        ["a", "\\u{1b}[31m\u{fffd}\\u{0}"]
    );
    assert_eq!(printed_lines(b""), [""; 0]);
}

#[test]
fn long_outputs_are_compared() {
    let long = "x".repeat(100 << 10);
    assert_eq!(seen(&format!("{long}[..]"), &format!("{long}y")), "=");
    let storm = "[    1.000000] x: storm\n".repeat(10_000);
    assert_eq!(seen("...\n[..] x: storm", &storm), "=");
    assert_eq!(seen(&"[..]\n".repeat(10_000), &storm), "=");
    assert_ne!(seen(&"[..]\n".repeat(9_999), &storm), "=");
}
