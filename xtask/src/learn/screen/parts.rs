//! The page with the parts and the first failure.

use ratatui::text::{Line, Span};

use super::failure;
use super::style::Role;
use super::words::{clip_path, fit, width, wrap};
use crate::exercise::result::PartState;
use crate::learn::state::{LearnState, PartRow, Phase};

/// Most columns of a row: on a wider screen, the eye would lose the row.
const ROW_COLUMNS: usize = 100;

/// Returns the lines of the page.
pub(super) fn lines(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    if let Phase::Failed { reason } = &state.phase {
        return failed_check(state, reason, columns);
    }
    let mut lines = vec![compile_row(state, columns)];
    let refused = state.compiled.as_ref().map(|(result, _)| result);
    if let Some(result) = refused.filter(|result| result.verdict != "pass") {
        let output = result.message.lines();
        lines.extend(output.map(|line| compiler_line(state, line, columns)));
        return lines;
    }
    let failed = state.failed_part();
    for (index, part) in state.parts.iter().enumerate() {
        lines.push(part_row(state, index, part, columns));
        if Some(index) == failed && !state.is_checking() {
            lines.extend(failure::lines(state, index, columns));
        }
    }
    lines
}

fn failed_check(state: &LearnState, reason: &str, columns: usize) -> Vec<Line<'static>> {
    let title = " The check failed, which says nothing about the answer:";
    let mut lines = vec![Line::styled(title, state.look.style(Role::Bad))];
    for line in reason.lines() {
        let wrapped = wrap(line, columns.saturating_sub(4));
        lines.extend(
            wrapped
                .into_iter()
                .map(|line| Line::raw(format!("   {line}"))),
        );
    }
    lines
}

/// Returns a line of the compiler, in which errors and places in the answer stand out.
fn compiler_line(state: &LearnState, line: &str, columns: usize) -> Line<'static> {
    let look = state.look;
    let mut text = format!(" {}", line.replace('\t', "    "));
    if let Some((before, path)) = text.split_once("--> ") {
        let room = columns.saturating_sub(width(before) + 4);
        text = format!("{before}--> {}", clip_path(path, room, look.unicode));
    }
    let is_place = line.contains(&format!("{}:", state.task.answer_path));
    let style = match (line.starts_with("error"), is_place) {
        (true, _) => look.style(Role::Bad),
        (false, true) => look.style(Role::Strong),
        (false, false) => return Line::raw(text),
    };
    Line::styled(text, style)
}

fn compile_row(state: &LearnState, columns: usize) -> Line<'static> {
    let look = state.look;
    let Some((result, seconds)) = &state.compiled else {
        let time = match state.phase {
            Phase::Checking { seconds, .. } => format!("{seconds:.0} s"),
            _ => String::new(),
        };
        let fields = RowFields {
            sign: (look.busy_sign(), Role::Busy),
            title: "compiling",
            time: &time,
            ..RowFields::default()
        };
        return row(state, columns, &fields);
    };
    let (part, title) = match &*result.verdict {
        "pass" if result.warnings.is_empty() => (PartState::Passed, "compiles"),
        "pass" => (PartState::Passed, "compiles with warnings, see [d]"),
        "infrastructure" => (PartState::Unknown, "could not be compiled"),
        _ => (PartState::Failed, "does not compile"),
    };
    let fields = RowFields {
        sign: look.sign(part),
        title,
        time: &format!("{seconds:.1} s"),
        ..RowFields::default()
    };
    row(state, columns, &fields)
}

fn part_row(state: &LearnState, index: usize, part: &PartRow, columns: usize) -> Line<'static> {
    let place = state
        .task
        .lines
        .get(index)
        .map(|line| format!("task.md:{line}"));
    let title = &*part.title;
    let result = part.result.as_ref();
    let (sign, points) = match result.map(|result| result.state) {
        None if part.runs => (
            (state.look.busy_sign(), Role::Busy),
            format!("of {:>2}", part.maximum),
        ),
        None => (
            state.look.sign(PartState::NotRun),
            format!("of {:>2}", part.maximum),
        ),
        Some(PartState::NotRun) => {
            let why = match part.schedules {
                Some(_) => "after the parts above pass",
                None => "not run",
            };
            (state.look.sign(PartState::NotRun), why.to_owned())
        }
        Some(ended) => {
            let points = result.map_or(0, |result| result.points);
            let points = format!("{points:>2} of {:>2}", part.maximum);
            (state.look.sign(ended), points)
        }
    };
    // The duration of schedules would be that of one of them.
    let run = result.and_then(|result| result.run.as_ref());
    let run = run.filter(|_| part.schedules.is_none() && points.ends_with(char::is_numeric));
    let time = run.map(|run| format!("{:.1} s", run.duration_seconds));
    let fields = RowFields {
        sign,
        title,
        points: &points,
        time: &time.unwrap_or_default(),
        place: &place.unwrap_or_default(),
    };
    row(state, columns, &fields)
}

/// The fields of a row.
struct RowFields<'a> {
    sign: (&'static str, Role),
    title: &'a str,
    points: &'a str,
    time: &'a str,
    place: &'a str,
}

impl Default for RowFields<'_> {
    fn default() -> Self {
        Self {
            sign: ("", Role::Faint),
            title: "",
            points: "",
            time: "",
            place: "",
        }
    }
}

/// Returns a row with its fields in columns. A narrow screen has no place, a very narrow one no
/// duration.
fn row(state: &LearnState, columns: usize, fields: &RowFields<'_>) -> Line<'static> {
    const TIME: usize = 8;
    const PLACE: usize = 14;
    let RowFields {
        sign: (sign, role),
        title,
        points,
        time,
        place,
    } = *fields;
    let columns = columns.min(ROW_COLUMNS);
    let time_columns = if columns >= 50 { TIME } else { 0 };
    let place_columns = if columns >= 72 { PLACE } else { 0 };
    let points_columns = width(points).max(9);
    let others = 3 + points_columns + time_columns + place_columns;
    let title = fit(title, columns.saturating_sub(others), state.look.unicode);
    let mut spans = vec![
        Span::styled(format!(" {sign} "), state.look.style(role)),
        Span::raw(title),
        Span::raw(format!("{points:>points_columns$}")),
    ];
    if time_columns > 0 {
        spans.push(Span::raw(format!("{time:>TIME$}")));
    }
    if place_columns > 0 {
        let place = format!("   {place}");
        spans.push(Span::styled(place, state.look.style(Role::Faint)));
    }
    Line::from(spans)
}
