//! The other pages: the whole report, the text, the course, a timeline.

use ratatui::text::{Line, Span};

use super::style::Role;
use super::words::{clip, fit, width, wrap};
use crate::exercise::result::PartState;
use crate::learn::state::{CourseRow, LearnState};

/// Returns plain lines.
pub(super) fn plain(lines: &[String]) -> Vec<Line<'static>> {
    let line = |line: &String| Line::raw(format!(" {}", line.replace('\t', "    ")));
    lines.iter().map(line).collect()
}

/// Divides a line in pieces of at most `columns` columns, and keeps its indentation.
fn folded(line: &str, columns: usize) -> Vec<String> {
    let line = line.replace('\t', "    ");
    if width(&line) < columns {
        return vec![format!(" {line}")];
    }
    let indent = line.len() - line.trim_start().len();
    let indent = " ".repeat(indent + 1);
    let pieces = wrap(&line, columns.saturating_sub(indent.len()));
    let pieces = pieces.into_iter();
    pieces.map(|piece| format!("{indent}{piece}")).collect()
}

/// Returns the whole report on the failures, and the compiler's output.
pub(super) fn report(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some((result, _)) = &state.compiled {
        let output = [&result.message, &result.warnings];
        let output: Vec<String> = output
            .into_iter()
            .flat_map(|text| text.lines())
            .map(str::to_owned)
            .collect();
        lines.extend(plain(&output));
    }
    for (row, details) in state.parts.iter().zip(&state.details) {
        if details.is_empty() {
            continue;
        }
        let title = format!(" {} {}", state.look.sign(PartState::Failed).0, row.title);
        lines.push(Line::styled(title, state.look.style(Role::Bad)));
        for line in details {
            let pieces = folded(&format!("  {line}"), columns).into_iter();
            lines.extend(pieces.map(Line::raw));
        }
    }
    lines
}

/// Returns the length of the mark of an item of a list, with the space behind it.
fn mark_of_item(text: &str) -> Option<usize> {
    let digits = text.len()
        - text
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .len();
    let is_numbered = digits > 0 && text[digits..].starts_with(". ");
    let is_plain = text.starts_with("- ") || text.starts_with("* ");
    match (is_numbered, is_plain) {
        (true, _) => Some(digits + 2),
        (false, true) => Some(2),
        (false, false) => None,
    }
}

/// Divides a paragraph, or an item of a list, in pieces of at most `columns` columns. Those behind the
/// first of an item stand below its text.
fn paragraph(text: &str, columns: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    let mark = mark_of_item(text.trim_start()).unwrap_or(0);
    let (mark, words) = text.trim_start().split_at(mark);
    let hanging = 1 + indent + width(mark);
    let pieces = wrap(words, columns.saturating_sub(hanging));
    let pieces = pieces.into_iter().enumerate();
    let line = |(index, piece): (usize, String)| match index {
        0 => format!("{}{mark}{piece}", " ".repeat(1 + indent)),
        _ => format!("{}{piece}", " ".repeat(hanging)),
    };
    pieces.map(line).collect()
}

/// Returns the text of the exercise. The lines of a paragraph are joined before they are divided: the
/// file has line breaks of its own.
pub(super) fn text(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let mut is_code = false;
    let mut lines = Vec::new();
    let mut pending = String::new();
    let end = |pending: &mut String, lines: &mut Vec<Line<'static>>| {
        if !pending.is_empty() {
            let pieces = paragraph(&std::mem::take(pending), columns).into_iter();
            lines.extend(pieces.map(Line::raw));
        }
    };
    for line in state.task.text.lines() {
        let is_fence = line.starts_with("```");
        let begins = is_code
            || is_fence
            || line.trim().is_empty()
            || line.starts_with(['#', '|'])
            || mark_of_item(line.trim_start()).is_some();
        if begins {
            end(&mut pending, &mut lines);
        }
        is_code ^= is_fence;
        if is_fence {
            continue;
        }
        if is_code {
            lines.push(Line::raw(format!("     {line}")));
        } else if line.starts_with(['#', '|']) || line.trim().is_empty() {
            let style = match line.starts_with('#') {
                true => state.look.style(Role::Strong),
                false => ratatui::style::Style::new(),
            };
            let pieces = folded(line, columns).into_iter();
            lines.extend(pieces.map(|piece| Line::styled(piece, style)));
        } else if pending.is_empty() {
            line.clone_into(&mut pending);
        } else {
            pending.push(' ');
            pending += line.trim();
        }
    }
    end(&mut pending, &mut lines);
    lines
}

/// The exercises of the list that are shown.
#[derive(Debug, PartialEq, Eq)]
struct CourseWindow {
    /// The index of the first.
    first: usize,
    /// The number of them.
    count: usize,
    /// Whether a line above them has the number of those that are hidden there.
    has_above: bool,
    /// Whether a line below them has the number of those that are hidden there.
    has_below: bool,
}

impl CourseWindow {
    /// Returns the window around the selected one of `all` exercises in this number of rows.
    fn around(selected: usize, all: usize, rows: usize) -> Self {
        let window = |first, count, has_above, has_below| Self {
            first,
            count,
            has_above,
            has_below,
        };
        if all <= rows {
            return window(0, all, false, false);
        }
        if rows < 3 {
            let first = selected.min(all.saturating_sub(rows.max(1)));
            return window(first, rows.max(1), false, false);
        }
        let between = rows - 2;
        let first = selected.saturating_sub((between - 1) / 2);
        // A line about a single exercise would take the place of that exercise.
        if first <= 1 {
            window(0, rows - 1, false, true)
        } else if first + between + 1 >= all {
            window(all - (rows - 1), rows - 1, true, false)
        } else {
            window(first, between, true, true)
        }
    }
}

/// Returns the exercises around the selected one, with the numbers of those above and below.
pub(super) fn course(
    state: &LearnState,
    selected: usize,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let all = state.course.len();
    let window = CourseWindow::around(selected, all, rows);
    let note = |hidden: usize, where_and_keys: &str| {
        let text = format!(" {hidden} more {where_and_keys}");
        let text = clip(&text, columns, state.look.unicode);
        Line::styled(text, state.look.style(Role::Strong))
    };
    let mut lines = Vec::new();
    if window.has_above {
        lines.push(note(window.first, "above: Up or PageUp"));
    }
    let shown = state.course.iter().enumerate();
    let shown = shown.skip(window.first).take(window.count);
    lines.extend(
        shown.map(|(index, row)| course_row(state, index, row, index == selected, columns)),
    );
    if window.has_below {
        let hidden = all - window.first - window.count;
        lines.push(note(hidden, "below: Down or PageDown"));
    }
    lines
}

fn course_row(
    state: &LearnState,
    index: usize,
    row: &CourseRow,
    is_selected: bool,
    columns: usize,
) -> Line<'static> {
    let part = match row.passed {
        true => PartState::Passed,
        false => PartState::NotRun,
    };
    let (sign, role) = state.look.sign(part);
    let points = format!("{:>3} of {:>2} ", row.points, row.maximum);
    let arrow = if is_selected { ">" } else { " " };
    let text = format!("{:>3} {}, {}", index + 1, row.id, row.title);
    let title = columns.saturating_sub(5 + width(&points));
    let style = match is_selected {
        true => state.look.style(Role::Strong),
        false => ratatui::style::Style::new(),
    };
    Line::from(vec![
        Span::styled(format!(" {arrow}"), style),
        Span::styled(format!("{sign} "), state.look.style(role)),
        Span::styled(fit(&text, title, state.look.unicode), style),
        Span::raw(points),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_exercise_is_in_every_window_and_each_hidden_one_is_counted() {
        for all in 0..12 {
            for rows in 0..14 {
                for selected in 0..all {
                    let window = CourseWindow::around(selected, all, rows);
                    let shown = window.first..window.first + window.count;
                    assert!(shown.contains(&selected) && shown.end <= all, "{window:?}");
                    if rows < 3 {
                        continue;
                    }
                    let notes = usize::from(window.has_above) + usize::from(window.has_below);
                    assert!(window.count + notes <= rows, "{window:?}");
                    assert_eq!(window.has_above, window.first > 0, "{window:?}");
                    assert_eq!(window.has_below, shown.end < all, "{window:?}");
                }
            }
        }
    }
}
