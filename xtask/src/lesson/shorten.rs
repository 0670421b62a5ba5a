//! Shortens the two sides of a difference, so that a report of it has a bounded length.

use crate::text::{MAX_LINE, printable_start};

/// Maximum number of lines that are kept as they are.
const MAX_LINES: usize = 400;

/// Number of equal lines that are kept before the first difference and behind the last.
const CONTEXT: usize = 10;

/// Number of lines that are kept from the first difference on, and before the last.
const FIRST: usize = 150;
const LAST: usize = 50;

/// Shortens lines that differ: long lines to their beginning, and many lines to those around
/// the first and the last difference. A line in place of others gives their number.
pub fn shorten(expected: &[String], printed: &[String]) -> (Vec<String>, Vec<String>) {
    let equal = equal_lines(expected, printed);
    let (mut expected, mut printed) = (shown(expected, equal), shown(printed, equal));
    if expected == printed && equal.is_some() {
        expected.push("(the lines differ behind the part that is shown)".to_owned());
        printed.push("(in the guest's output)".to_owned());
    }
    (expected, printed)
}

/// Returns the numbers of equal lines at the beginning and at the end; `None` if all are.
fn equal_lines(expected: &[String], printed: &[String]) -> Option<(usize, usize)> {
    if expected == printed {
        return None;
    }
    let equal = |(a, b): &(&String, &String)| a == b;
    let before = expected.iter().zip(printed).take_while(equal).count();
    let (expected, printed) = (&expected[before..], &printed[before..]);
    let behind = expected.iter().rev().zip(printed.iter().rev());
    Some((before, behind.take_while(equal).count()))
}

/// Returns the lines that are shown of one side.
fn shown(lines: &[String], equal: Option<(usize, usize)>) -> Vec<String> {
    let cut = |line: &String| match line.len() {
        0..=MAX_LINE => line.clone(),
        _ => printable_start(line.as_bytes()),
    };
    if lines.len() <= MAX_LINES {
        return lines.iter().map(cut).collect();
    }
    let (before, behind) = equal.unwrap_or((lines.len(), 0));
    let begin = before.saturating_sub(CONTEXT);
    let end = lines.len() - behind.saturating_sub(CONTEXT);
    let mut shown = Vec::new();
    if begin > 0 {
        shown.push(format!("... {begin} equal lines are left out here ..."));
    }
    let between = &lines[begin..end];
    if between.len() > FIRST + LAST {
        let (first, rest) = between.split_at(FIRST);
        let (middle, last) = rest.split_at(rest.len() - LAST);
        shown.extend(first.iter().map(cut));
        shown.push(format!("... {} lines are left out here ...", middle.len()));
        shown.extend(last.iter().map(cut));
    } else {
        shown.extend(between.iter().map(cut));
    }
    if end < lines.len() {
        let left_out = lines.len() - end;
        shown.push(format!("... {left_out} equal lines are left out here ..."));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<String> {
        (1..=count).map(|number| number.to_string()).collect()
    }

    #[test]
    fn short_sides_stay() {
        let (one, other) = (numbers(400), numbers(3));
        assert_eq!(shorten(&one, &other), (one, other));
    }

    #[test]
    fn the_lines_around_a_difference_are_shown() {
        let one = numbers(100_000);
        let mut other = one.clone();
        other[50_000] = "x".to_owned();
        let (one, other) = shorten(&one, &other);
        assert_eq!(one.len(), 23);
        assert_eq!(one[0], "... 49990 equal lines are left out here ...");
        assert_eq!((one[0].as_str(), one[11].as_str()), (&*other[0], "50001"));
        assert_eq!(other[11], "x");
        assert_eq!(one[22], "... 49989 equal lines are left out here ...");
    }

    #[test]
    fn surplus_lines_are_cut_in_the_middle() {
        let (one, other) = shorten(&numbers(5), &numbers(100_000));
        assert_eq!(one, numbers(5));
        assert_eq!(other.len(), 201);
        assert_eq!(other[150], "... 99800 lines are left out here ...");
        assert_eq!(other[200], "100000");
    }

    #[test]
    fn long_lines_are_cut_and_still_differ() {
        let long = |last: char| vec![format!("{}{last}", "x".repeat(1 << 20))];
        let (one, other) = shorten(&long('a'), &long('b'));
        assert!(one[0].len() < 5000);
        assert_ne!(one, other);
        let (one, other) = shorten(&long('a'), &long('a'));
        assert_eq!(one, other);
    }
}
