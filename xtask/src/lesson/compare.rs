//! Compares what a command printed with what the text says it prints.
//!
//! Not a line-by-line walk but the cheapest alignment of the two, so that one
//! line too many shows as one line too many. Where a printed line matches its
//! expectation, the result holds the expectation's own words: what then still
//! differs is what a diff should show.

use super::timestamp::{self, Tolerance};

/// A line of its own that stands for any lines, or none.
const ELISION: &str = "...";

/// Stands for any text within a line.
pub const WILDCARD: &str = "[..]";

/// A comparison of more pairs of lines than this (2000 with 2000, or 100 with
/// 40,000) goes line by line instead, and `...` matches nothing there.
const MOST_CELLS: usize = 4_000_000;

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Is it what the text says?
    pub matches: bool,
    /// What was printed, in the text's words where they hold.
    pub normalised: Vec<String>,
    /// The kernel's time on the last stamped line that a reader sees.
    pub last_timestamp: Option<f64>,
}

/// Compares printed lines with expected ones. A stamp `[+1.0s]` counts from
/// the stamped line above it that the text shows; above the first that is
/// `above`, seconds since boot, from an earlier command. It may be off as
/// [`timestamp::is_near`] allows with this `tolerance`.
pub fn compare(
    expected: &[String],
    printed: &[String],
    above: Option<f64>,
    tolerance: Tolerance,
) -> Comparison {
    let aligner = Aligner {
        expected,
        printed,
        stamps: printed
            .iter()
            .map(|line| timestamp::split_kernel(line).map(|(at, _)| at))
            .collect(),
        above,
        tolerance,
    };
    let cells = (expected.len() + 1).saturating_mul(printed.len() + 1);
    let moves = if cells <= MOST_CELLS {
        aligner.align()
    } else {
        aligner.walk()
    };
    aligner.render(&moves)
}

/// Does the text match the pattern, in which `[..]` is any text?
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
    // The first place that fits leaves the most for what follows.
    middle.split(WILDCARD).all(|part| match text.find(part) {
        Some(at) => {
            text = &text[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The lines of what a command printed: without line ends and trailing white
/// space, and with what would disturb a terminal written out.
pub fn printed_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut lines: Vec<String> = text.split('\n').map(printable).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A line without trailing white space, its control characters written out.
pub fn printable(line: &str) -> String {
    let mut printable = String::with_capacity(line.len());
    for char in line.trim_end().chars() {
        if char.is_control() && char != '\t' {
            printable.extend(char.escape_default());
        } else {
            printable.push(char);
        }
    }
    printable
}

/// One step of an alignment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    /// The printed line is as expected.
    Match,
    /// It is but for its time.
    WrongTime,
    /// A printed line that nothing expects.
    Surplus,
    /// An expected line that is not there.
    Missing,
    /// `...` begins.
    Elide,
    /// A printed line that `...` stands for.
    Elided,
}

/// What a line too many or too few costs, and a line at another time: a line
/// that is there counts for more than one that is not.
const WRONG_LINE: u32 = 2;
const WRONG_TIME: u32 = 1;

#[derive(Clone, Copy)]
struct Cell {
    cost: u32,
    /// The time on the last stamped line that the text shows.
    shown: Option<f64>,
}

struct Aligner<'a> {
    expected: &'a [String],
    printed: &'a [String],
    stamps: Vec<Option<f64>>,
    above: Option<f64>,
    tolerance: Tolerance,
}

impl Aligner<'_> {
    /// Match, right but for its time, or neither.
    fn pair(&self, expected: usize, printed: usize, shown: Option<f64>) -> Option<Move> {
        let (pattern, text) = (&self.expected[expected], &self.printed[printed]);
        let Some((wanted, pattern)) = timestamp::split_expected(pattern) else {
            return line_matches(pattern, text).then_some(Move::Match);
        };
        let (at, text) = timestamp::split_kernel(text)?;
        if !line_matches(pattern, text) {
            return None;
        }
        let in_time =
            shown.is_some_and(|shown| timestamp::is_near(at - shown, wanted, self.tolerance));
        Some(if in_time {
            Move::Match
        } else {
            Move::WrongTime
        })
    }

    /// The cheapest alignment; of several, the one whose `...` stop soonest.
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
            let shown = self.stamps[j - 1].or(before.shown);
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

    /// The moves from the first cell to the last.
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

    /// Line by line, for outputs too long to align.
    fn walk(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut shown = self.above;
        for i in 0..self.expected.len().max(self.printed.len()) {
            if i >= self.printed.len() {
                moves.push(Move::Missing);
            } else if i >= self.expected.len() {
                moves.push(Move::Surplus);
            } else if let Some(choice) = self.pair(i, i, shown) {
                shown = self.stamps[i].or(shown);
                moves.push(choice);
            } else {
                moves.extend([Move::Missing, Move::Surplus]);
            }
        }
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
                    // What `...` hides is of interest where the line before or
                    // after it could not be found.
                    let after = moves[at + 1..].iter().find(|next| **next != Move::Elided);
                    open = missed || after == Some(&Move::Missing);
                    if !open {
                        compared.normalised.push(self.expected[i].clone());
                    }
                }
                Move::Elided if !open => {}
                Move::WrongTime | Move::Surplus | Move::Elided => {
                    compared.matches &= *choice == Move::Elided;
                    let wanted = (*choice == Move::WrongTime)
                        .then(|| timestamp::split_expected(&self.expected[i]))
                        .flatten();
                    let line = match (times, compared.last_timestamp) {
                        (true, Some(above)) => relative(&self.printed[j], above, wanted),
                        _ => self.printed[j].clone(),
                    };
                    compared.normalised.push(line);
                }
                Move::Missing => compared.matches = false,
            }
            missed = *choice == Move::Missing;
            let shown = matches!(choice, Move::Match | Move::WrongTime | Move::Surplus);
            if shown || (open && *choice == Move::Elided) {
                compared.last_timestamp = self.stamps[j].or(compared.last_timestamp);
            }
            i += usize::from(!matches!(choice, Move::Surplus | Move::Elided));
            j += usize::from(!matches!(choice, Move::Missing | Move::Elide));
        }
        compared
    }
}

/// A printed line with its time as a lesson writes it. Where the text wants
/// another time, there are decimals enough to see the difference, and the
/// rest is the text's own.
fn relative(line: &str, above: f64, wanted: Option<(f64, &str)>) -> String {
    let Some((at, text)) = timestamp::split_kernel(line) else {
        return line.to_owned();
    };
    let delta = at - above;
    match wanted {
        Some((wanted, pattern)) => {
            let decimals = if (delta - wanted).abs() < 0.1 { 3 } else { 1 };
            timestamp::format(delta, decimals) + pattern
        }
        None => timestamp::format(delta, 1) + text,
    }
}

#[cfg(test)]
mod tests;
