//! The other pages: the whole report, the text, the course, a timeline.

use ratatui::text::{Line, Span};

use super::style::Role;
use super::words::{fit, width, wrap};
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

/// Returns the text of the exercise.
pub(super) fn text(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in state.task.text.lines() {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_fence {
            continue;
        }
        if is_code {
            lines.push(Line::raw(format!("     {line}")));
            continue;
        }
        let style = match line.starts_with('#') {
            true => state.look.style(Role::Strong),
            false => ratatui::style::Style::new(),
        };
        let pieces = folded(line, columns).into_iter();
        lines.extend(pieces.map(|piece| Line::styled(piece, style)));
    }
    lines
}

/// Returns the exercises around the selected one.
pub(super) fn course(
    state: &LearnState,
    selected: usize,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let first = selected.saturating_sub(rows.saturating_sub(1) / 2);
    let first = first.min(state.course.len().saturating_sub(rows));
    let line = |(index, row): (usize, &CourseRow)| {
        let part = match row.passed {
            true => PartState::Passed,
            false => PartState::NotRun,
        };
        let (sign, role) = state.look.sign(part);
        let points = format!("{:>3} of {:>2} ", row.points, row.maximum);
        let arrow = if index == selected { ">" } else { " " };
        let text = format!("{:>3} {}, {}", index + 1, row.id, row.title);
        let title = columns.saturating_sub(5 + width(&points));
        let style = match index == selected {
            true => state.look.style(Role::Strong),
            false => ratatui::style::Style::new(),
        };
        Line::from(vec![
            Span::styled(format!(" {arrow}"), style),
            Span::styled(format!("{sign} "), state.look.style(role)),
            Span::styled(fit(&text, title, state.look.unicode), style),
            Span::raw(points),
        ])
    };
    let course = state.course.iter().enumerate();
    course.skip(first).take(rows.max(1)).map(line).collect()
}
