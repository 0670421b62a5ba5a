//! Finds the lines of a block of a document in a command's output.

use std::ops::Range;

use xtask::lesson::compare::line_matches;

/// A line for any number of lines.
pub const ELISION: &str = "...";

/// Returns a line without its duration on the host: `1.2 s (` and `0.9 s each`.
fn without_durations(line: &str) -> String {
    for end in [" s (", " s each"] {
        if let Some((before, after)) = line.split_once(end) {
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            return format!("{before}#{end}{after}");
        }
    }
    line.to_owned()
}

/// Returns a line with each of its numbers as one sign, without repeated spaces.
pub fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if !(['#', ' '].contains(&c) && text.ends_with(c)) {
            text.push(c);
        }
    }
    text
}

/// Returns whether a line of a document, which may have wildcards, and a printed line
/// are the same after `without` has changed both.
fn same(line: &str, printed: &str, without: fn(&str) -> String) -> bool {
    line_matches(&without(line), &without(printed))
}

/// Returns the lines of a block with the printed ones in their places, if all are the
/// same after `without` has changed both. Lines that are right stay as they are.
pub fn aligned(
    block: &[String],
    printed: &[String],
    without: fn(&str) -> String,
) -> Option<Vec<String>> {
    let Some((line, rest)) = block.split_first() else {
        return printed.is_empty().then(Vec::new);
    };
    let (line, mut lines) = if line == ELISION {
        let rests = (0..=printed.len()).map(|skipped| &printed[skipped..]);
        let mut found = rests.filter_map(|printed| aligned(rest, printed, without));
        (line, found.next()?)
    } else {
        let (first, others) = printed.split_first()?;
        if !same(line, first, without) {
            return None;
        }
        let stays = same(line, first, without_durations);
        (
            if stays { line } else { first },
            aligned(rest, others, without)?,
        )
    };
    lines.insert(0, line.clone());
    Some(lines)
}

/// Number of lines that a part of a block may become longer.
const MORE: usize = 2;

/// Returns the number of lines that both have in the same order, but for their numbers (the length of
/// the longest common subsequence).
fn in_common(lines: &[String], printed: &[String]) -> usize {
    let mut before = vec![0; printed.len() + 1];
    for line in lines {
        let mut now = vec![0];
        for (at, other) in printed.iter().enumerate() {
            now.push(match same(line, other, without_numbers) {
                true => before[at] + 1,
                false => before[at + 1].max(now[at]),
            });
        }
        before = now;
    }
    before.last().copied().unwrap_or_default()
}

/// Returns the place of the printed lines from the one that is like the first of `lines` to the one that
/// is like the last, if both are nearly the same and not far from each other.
fn between_ends(lines: &[String], printed: &[String]) -> Option<Range<usize>> {
    let nearest = |line: &String, from: usize| {
        let printed = printed.iter().enumerate().skip(from);
        let near = printed.map(|(at, other)| (strsim::normalized_levenshtein(line, other), at));
        let near = near.filter(|(similarity, _)| *similarity > 0.7);
        near.max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, at)| at)
    };
    let first = nearest(lines.first()?, 0)?;
    let last = nearest(lines.last()?, first)?;
    (last - first < 2 * lines.len()).then_some(first..last + 1)
}

/// Returns the lines of a block with `...` as the output has them now: those between two `...` become the
/// printed ones, as many or a few more, that have most lines in common with them; or, if that is less than
/// half, those between a first and a last one that are like theirs. `None` if there are none.
pub fn most_similar(block: &[String], printed: &[String]) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut rest = printed;
    for (index, part) in block.split(|line| line == ELISION).enumerate() {
        if index > 0 {
            lines.push(ELISION.to_owned());
        }
        if part.is_empty() {
            continue;
        }
        // The first and shortest of several that are equally similar.
        let lengths = (part.len()..=part.len() + MORE).rev();
        let windows = lengths.flat_map(|length| {
            let places = (0..(rest.len() + 1).saturating_sub(length)).rev();
            places.map(move |at| at..at + length)
        });
        let common = windows.map(|window| (in_common(part, &rest[window.clone()]), window));
        let best = common.max_by_key(|(count, _)| *count);
        let best = best.filter(|(count, _)| 2 * count >= part.len());
        let window = match best {
            Some((_, window)) => window,
            None => between_ends(part, rest)?,
        };
        lines.extend_from_slice(&rest[window.clone()]);
        rest = &rest[window.end..];
    }
    Some(lines)
}

#[test]
fn lines_that_changed_are_found_by_those_around_them() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("a 1\nx\nb 2\nB sleeps\nC runs\nc 3\nz\nend");
    let block = lines("...\nb 7\nB sleeps, C runs\nD waits\nc 9\n...\nend");
    let new = lines("...\nb 2\nB sleeps\nC runs\nc 3\n...\nend");
    assert_eq!(most_similar(&block, &printed), Some(new));
    // Between two lines that are nearly the same, all may be others.
    let block = lines("...\nit fails if A sleeps\nq\nr\nto repeat: it --seed 7\n...");
    let printed = lines("w\nit fails if B sleeps\ns\nto repeat: it --seed 8\nv");
    let new = lines("...\nit fails if B sleeps\ns\nto repeat: it --seed 8\n...");
    assert_eq!(most_similar(&block, &printed), Some(new));
    assert_eq!(most_similar(&lines("...\nnot there\n..."), &printed), None);
    // A line that stays alone between two that do not fit is not enough.
    assert_eq!(most_similar(&lines("...\nq\nx\nw\n..."), &printed), None);
}
