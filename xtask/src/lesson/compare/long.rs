//! Comparisons of long outputs, for which a table of all pairs of lines would take too much time
//! and memory.
//!
//! Lines that match are found without a table, whatever their number: a `...` divides the
//! expected lines into segments, and each segment matches at the first place behind the segment
//! before it, the last one at the end. Only lines that differ are aligned, and of these only as
//! many as the table can have.

use std::ops::Range;

use super::{Aligner, ELISION, MAX_CELLS, Move};
use crate::lesson::timestamp;

/// Maximum number of pairs of lines that are compared to find a match: about a second. Only
/// segments that almost match in very many places need more.
const MAX_PAIRS: usize = 5_000_000;

/// A segment that matches the printed lines from `at` on.
struct Found {
    at: usize,
    /// The last timestamp that the text shows at its end.
    shown: Option<f64>,
}

impl<'a> Aligner<'a> {
    /// Returns the alignment without a difference, if there is one. Its `...` match the fewest
    /// lines, from the first `...` on.
    pub(super) fn matching(&self) -> Option<Vec<Move>> {
        let (expected, printed) = (self.expected.len(), self.printed.len());
        let elisions = (0..expected).filter(|line| self.expected[*line] == ELISION);
        let elisions: Vec<usize> = elisions.collect();
        let lines = expected - elisions.len();
        if lines > printed || (elisions.is_empty() && lines != printed) {
            return None;
        }
        let begins = std::iter::once(0).chain(elisions.iter().map(|line| line + 1));
        let ends = elisions.iter().copied().chain([expected]);
        let mut moves = Vec::with_capacity(printed + elisions.len());
        let mut budget = MAX_PAIRS;
        let (mut from, mut shown) = (0, self.above);
        for (number, (begin, end)) in begins.zip(ends).enumerate() {
            let segment = begin..end;
            let latest = printed.checked_sub(segment.len())?;
            let places = match (number == 0, end == expected) {
                (true, _) => 0..1,
                (false, true) => latest..latest + 1,
                (false, false) => from..latest + 1,
            };
            if places.start < from {
                return None;
            }
            let found = self.find(segment.clone(), places, shown, &mut budget)?;
            if number > 0 {
                moves.push(Move::Elide);
                moves.extend((from..found.at).map(|_| Move::Elided));
            }
            from = found.at + segment.len();
            moves.extend(segment.map(|_| Move::Match));
            shown = found.shown;
        }
        Some(moves)
    }

    /// Finds the first of these places where a segment matches, within the budget of pairs.
    fn find(
        &self,
        segment: Range<usize>,
        mut places: Range<usize>,
        shown: Option<f64>,
        budget: &mut usize,
    ) -> Option<Found> {
        places.find_map(|at| {
            let mut shown = shown;
            for (expected, printed) in segment.clone().zip(at..) {
                *budget = budget.checked_sub(1)?;
                if self.pair(expected, printed, shown) != Some(Move::Match) {
                    return None;
                }
                shown = self.timestamps[printed].or(shown);
            }
            Some(Found { at, shown })
        })
    }

    /// Returns an alignment with differences whose table has at most [`MAX_CELLS`] cells. It may
    /// have more differences than the cheapest one.
    pub(super) fn differing(&self) -> Vec<Move> {
        if self.cells() <= MAX_CELLS {
            return self.align();
        }
        let (head, shown) = self.common_head();
        let tail = self.common_tail(head);
        let expected = head..self.expected.len() - tail;
        let printed = head..self.printed.len() - tail;
        let middle = self.part(expected, printed, shown);
        let mut moves: Vec<Move> = (0..head).map(|_| Move::Match).collect();
        moves.extend(middle.align_or_cut());
        moves.extend((0..tail).map(|_| Move::Match));
        moves
    }

    /// Aligns the lines if the table may be as large as that. Else a `...` matches the lines for
    /// which there is no room, or the last lines are differences.
    fn align_or_cut(&self) -> Vec<Move> {
        if self.cells() <= MAX_CELLS {
            return self.align();
        }
        let (expected, printed) = (self.expected.len(), self.printed.len());
        let elision = self.expected.iter().position(|line| line == ELISION);
        // The lines before the first `...`, or all.
        let before = elision.unwrap_or(expected);
        let (rows, columns) = room(before, printed);
        let first = self.part(0..rows, 0..columns, self.above);
        let mut moves = first.align();
        let missing = |lines: usize| (0..lines).map(|_| Move::Missing);
        moves.extend(missing(before - rows));
        let Some(elision) = elision else {
            moves.extend((columns..printed).map(|_| Move::Surplus));
            return moves;
        };
        let after = expected - elision - 1;
        let (rows, last) = room(after, printed - columns);
        let shown = first.timestamps.iter().rev().find_map(|at| *at);
        let rest = self.part(
            expected - rows..expected,
            printed - last..printed,
            shown.or(self.above),
        );
        moves.push(Move::Elide);
        moves.extend((columns..printed - last).map(|_| Move::Elided));
        moves.extend(missing(after - rows));
        moves.extend(rest.align());
        moves
    }

    fn cells(&self) -> usize {
        (self.expected.len() + 1).saturating_mul(self.printed.len() + 1)
    }

    /// Returns the number of first lines that match one by one, and the timestamp that the text
    /// shows last.
    fn common_head(&self) -> (usize, Option<f64>) {
        let mut shown = self.above;
        let lines = self.expected.len().min(self.printed.len());
        let differs = |line: &usize| {
            let differs = self.expected[*line] == ELISION
                || self.pair(*line, *line, shown) != Some(Move::Match);
            if !differs {
                shown = self.timestamps[*line].or(shown);
            }
            differs
        };
        let head = (0..lines).find(differs).unwrap_or(lines);
        (head, shown)
    }

    /// Returns the number of last lines that match one by one, without those of the head.
    fn common_tail(&self, head: usize) -> usize {
        let expected = self.expected[head..].iter().rev();
        let printed = (head..self.printed.len()).rev();
        let is_common = |(line, printed): &(&String, usize)| {
            let index = self.expected.len() - (self.printed.len() - printed);
            // A timestamp counts from the line above, which is not known here.
            *line != ELISION
                && timestamp::split_expected(line).is_none()
                && self.pair(index, *printed, None) == Some(Move::Match)
        };
        expected.zip(printed).take_while(is_common).count()
    }

    /// Returns the aligner of some of the lines.
    fn part(
        &self,
        expected: Range<usize>,
        printed: Range<usize>,
        above: Option<f64>,
    ) -> Aligner<'a> {
        Aligner {
            expected: &self.expected[expected],
            printed: &self.printed[printed.clone()],
            timestamps: self.timestamps[printed].to_vec(),
            above,
            tolerance: self.tolerance,
        }
    }
}

/// Returns the numbers of expected and printed lines that half a table has room for.
fn room(expected: usize, printed: usize) -> (usize, usize) {
    let side = (MAX_CELLS / 2).isqrt() - 1;
    let rows = expected.min(side);
    (rows, printed.min(MAX_CELLS / 2 / (rows + 1) - 1))
}
