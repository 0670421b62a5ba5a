//! Compares the printed lines of a command with the expected ones.
//!
//! Lines that do not all match are aligned in the cheapest way, so that one surplus line
//! is reported as one difference. The result replaces each printed line that matches by
//! its expected line, so that a diff of the result and the expected lines shows exactly
//! the differences.

mod long;

use super::timestamp::{self, Tolerance};
use crate::text::printable;

/// An expected line that matches any number of lines.
const ELISION: &str = "...";

/// A part of an expected line that matches any text.
pub const WILDCARD: &str = "[..]";

/// Maximum number of pairs of lines for an alignment with differences: 2000 with 2000,
/// or 100 with 40,000. Of more lines, only a part is aligned.
const MAX_CELLS: usize = 4_000_000;

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Whether the printed lines match.
    pub matches: bool,
    /// The printed lines; a line that matches is replaced by its expected line.
    pub normalised: Vec<String>,
    /// The kernel's timestamp on the last line that the text shows, in seconds since
    /// boot.
    pub last_timestamp: Option<f64>,
}

/// Compares printed lines with expected ones. An expected timestamp `[+1.0s]` counts
/// from the previous line with a timestamp that the text shows. For the first line,
/// that is `above`, from an earlier command, in seconds since boot.
/// [`timestamp::is_near`] describes how the `tolerance` applies.
pub fn compare(
    expected: &[String],
    printed: &[String],
    above: Option<f64>,
    tolerance: Tolerance,
) -> Comparison {
    let aligner = Aligner {
        expected,
        printed,
        timestamps: printed
            .iter()
            .map(|line| timestamp::split_kernel(line).map(|(at, _)| at))
            .collect(),
        above,
        tolerance,
    };
    let moves = aligner.matching().unwrap_or_else(|| aligner.differing());
    aligner.render(&moves)
}

/// Returns whether the text matches the pattern, in which `[..]` matches any text.
pub fn line_matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once(WILDCARD) else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once(WILDCARD).unwrap_or(("", rest));
    let Some(body) = text.strip_suffix(tail) else {
        return false;
    };
    text = body;
    // The first occurrence leaves the longest rest for the other parts.
    middle.split(WILDCARD).all(|part| match text.find(part) {
        Some(at) => {
            text = &text[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Returns whether the text matches the pattern, in which `*` matches any text.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    line_matches(&pattern.replace('*', WILDCARD), text)
}

/// Splits a command's output into lines, each as [`printable`] returns it, without the
/// empty lines at the end.
pub fn printed_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut lines: Vec<String> = text.split('\n').map(printable).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// One step of an alignment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    /// A printed line that matches an expected line.
    Match,
    /// A printed line that matches an expected line except for its timestamp.
    WrongTime,
    /// A printed line without an expected line.
    Surplus,
    /// An expected line without a printed line.
    Missing,
    /// The beginning of a `...`.
    Elide,
    /// A printed line that a `...` matches.
    Elided,
}

/// Cost of a surplus or missing line.
const WRONG_LINE: u32 = 2;
/// Cost of a line with a wrong timestamp. It is lower, so that the alignment pairs such
/// a line with its expected line.
const WRONG_TIME: u32 = 1;

/// The cheapest alignment of the first lines of both sides.
#[derive(Clone, Copy)]
struct Cell {
    cost: u32,
    /// The last timestamp that the text shows.
    shown: Option<f64>,
}

/// The inputs of a comparison.
struct Aligner<'a> {
    expected: &'a [String],
    printed: &'a [String],
    timestamps: Vec<Option<f64>>,
    above: Option<f64>,
    tolerance: Tolerance,
}

impl Aligner<'_> {
    /// Returns [`Move::Match`] or [`Move::WrongTime`], or `None` if the lines differ in
    /// their text.
    fn pair(&self, expected: usize, printed: usize, shown: Option<f64>) -> Option<Move> {
        let (whole, text) = (&self.expected[expected], &self.printed[printed]);
        let Some((expected, pattern)) = timestamp::split_expected(whole) else {
            return line_matches(whole, text).then_some(Move::Match);
        };
        let Some((at, text)) = timestamp::split_kernel(text) else {
            // A command may print what a text writes for a timestamp.
            return (whole == text).then_some(Move::Match);
        };
        if !line_matches(pattern, text) {
            return None;
        }
        let in_time =
            shown.is_some_and(|shown| timestamp::is_near(at - shown, expected, self.tolerance));
        Some(if in_time {
            Move::Match
        } else {
            Move::WrongTime
        })
    }

    /// Returns the cheapest alignment; of several, the one whose `...` match the fewest
    /// lines.
    fn align(&self) -> Vec<Move> {
        let columns = self.printed.len() + 1;
        let mut table: Vec<Move> = Vec::with_capacity((self.expected.len() + 1) * columns);
        let first = Cell {
            cost: 0,
            shown: self.above,
        };
        let mut row: Vec<Cell> = Vec::with_capacity(columns);
        for surplus in (0..).take(columns) {
            let cost = surplus * WRONG_LINE;
            row.push(Cell { cost, ..first });
            table.push(Move::Surplus);
        }
        for (i, expected) in self.expected.iter().enumerate() {
            let mut next: Vec<Cell> = Vec::with_capacity(columns);
            for j in 0..columns {
                let (cell, choice) = if expected == ELISION {
                    match next.last() {
                        Some(left) if left.cost <= row[j].cost => (*left, Move::Elided),
                        _ => (row[j], Move::Elide),
                    }
                } else {
                    self.cheapest(i, j, &row, next.last())
                };
                next.push(cell);
                table.push(choice);
            }
            row = next;
        }
        self.trace(&table, columns)
    }

    fn cheapest(&self, i: usize, j: usize, row: &[Cell], left: Option<&Cell>) -> (Cell, Move) {
        let dearer = |cell: &Cell| Cell {
            cost: cell.cost + WRONG_LINE,
            ..*cell
        };
        let mut best = (dearer(&row[j]), Move::Missing);
        let mut consider = |cell: Cell, choice: Move| {
            if cell.cost <= best.0.cost {
                best = (cell, choice);
            }
        };
        if let Some(left) = left {
            consider(dearer(left), Move::Surplus);
        }
        if j > 0 {
            let before = row[j - 1];
            let shown = self.timestamps[j - 1].or(before.shown);
            match self.pair(i, j - 1, before.shown) {
                Some(Move::Match) => consider(Cell { shown, ..before }, Move::Match),
                Some(choice) => consider(
                    Cell {
                        cost: before.cost + WRONG_TIME,
                        shown,
                    },
                    choice,
                ),
                None => {}
            }
        }
        best
    }

    /// Returns the moves of the path from the first cell to the last.
    fn trace(&self, table: &[Move], columns: usize) -> Vec<Move> {
        let (mut i, mut j) = (self.expected.len(), self.printed.len());
        let mut moves = Vec::with_capacity(i + j);
        while i > 0 || j > 0 {
            let choice = if i == 0 {
                Move::Surplus
            } else {
                table[i * columns + j]
            };
            moves.push(choice);
            if !matches!(choice, Move::Surplus | Move::Elided) {
                i -= 1;
            }
            if !matches!(choice, Move::Missing | Move::Elide) {
                j -= 1;
            }
        }
        moves.reverse();
        moves
    }

    fn render(&self, moves: &[Move]) -> Comparison {
        let times = self
            .expected
            .iter()
            .any(|line| timestamp::split_expected(line).is_some());
        let mut compared = Comparison {
            matches: true,
            normalised: Vec::new(),
            last_timestamp: self.above,
        };
        let (mut i, mut j) = (0, 0);
        let mut missed = false;
        let mut open = false;
        for (at, choice) in moves.iter().enumerate() {
            match choice {
                Move::Match => compared.normalised.push(self.expected[i].clone()),
                Move::Elide => {
                    // If the line before or after a `...` is missing, the reader needs
                    // the lines that the `...` hides.
                    let after = moves[at + 1..].iter().find(|next| **next != Move::Elided);
                    open = missed || after == Some(&Move::Missing);
                    if !open {
                        compared.normalised.push(self.expected[i].clone());
                    }
                }
                Move::Elided if !open => {}
                Move::WrongTime | Move::Surplus | Move::Elided => {
                    compared.matches &= *choice == Move::Elided;
                    let expected = (*choice == Move::WrongTime)
                        .then(|| timestamp::split_expected(&self.expected[i]))
                        .flatten();
                    let line = match (times, compared.last_timestamp) {
                        (true, Some(above)) => relative(&self.printed[j], above, expected),
                        _ => self.printed[j].clone(),
                    };
                    compared.normalised.push(line);
                }
                Move::Missing => compared.matches = false,
            }
            missed = *choice == Move::Missing;
            let shown = matches!(choice, Move::Match | Move::WrongTime | Move::Surplus);
            if shown || (open && *choice == Move::Elided) {
                compared.last_timestamp = self.timestamps[j].or(compared.last_timestamp);
            }
            i += usize::from(!matches!(choice, Move::Surplus | Move::Elided));
            j += usize::from(!matches!(choice, Move::Missing | Move::Elide));
        }
        compared
    }
}

/// Writes the timestamp of a printed line as a lesson does, with enough decimals to show
/// the difference from the `expected` timestamp. The text after an expected timestamp
/// replaces the printed text, which matches it.
fn relative(line: &str, above: f64, expected: Option<(f64, &str)>) -> String {
    let Some((at, text)) = timestamp::split_kernel(line) else {
        return line.to_owned();
    };
    let delta = at - above;
    match expected {
        Some((expected, pattern)) => {
            let decimals = if (delta - expected).abs() < 0.1 { 3 } else { 1 };
            timestamp::format(delta, decimals) + pattern
        }
        None => timestamp::format(delta, 1) + text,
    }
}

#[cfg(test)]
mod tests;
