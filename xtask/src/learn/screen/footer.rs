//! The lines at the bottom: points, hints, the note about the last key, and the keys.

use ratatui::text::{Line, Span};

use super::style::Role;
use super::words::{clip, clip_path, width, wrap};
use crate::learn::state::{LearnPage, LearnState, Phase};

/// The keys that the page of the parts always has.
const PARTS_KEYS: [(&str, &str); 7] = [
    ("s", "hell"),
    ("t", "imeline"),
    ("o", "pen task"),
    ("r", "eset"),
    ("n", "ext"),
    ("l", "ist"),
    ("q", "uit"),
];

/// Returns the lines.
pub(super) fn footer(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let wrapped = |text: &str| -> Vec<String> {
        let lines = wrap(text, columns.saturating_sub(2)).into_iter();
        lines.map(|line| format!(" {line}")).collect()
    };
    if matches!(state.page, LearnPage::Parts) {
        lines.extend(summary(state, columns));
        let is_checking = matches!(state.phase, Phase::Checking { .. });
        let result = state.result.as_ref().filter(|_| !is_checking);
        if let Some(reason) = result.and_then(|result| result.refused.as_ref()) {
            let text = format!("The course gives no points for this answer: {reason}");
            let style = state.look.style(Role::Bad);
            let text = wrapped(&text).into_iter();
            lines.extend(text.map(|line| Line::styled(line, style)));
        }
        for hint in state.hints() {
            let lesson = match &hint.lesson {
                Some(lesson) => format!(" (Lesson: {lesson}.)"),
                None => String::new(),
            };
            let text = format!("Hint: {}{lesson}", hint.text);
            lines.extend(wrapped(&text).into_iter().map(Line::raw));
        }
    }
    if let Some(note) = &state.note {
        let style = state.look.style(Role::Busy);
        let note = wrapped(note).into_iter();
        lines.extend(note.map(|line| Line::styled(line, style)));
    }
    lines.extend(keys(state, columns));
    lines
}

/// Returns the points and what comes next.
fn summary(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let look = state.look;
    let line = |text: &str, role| {
        let text = clip(text, columns, look.unicode);
        Line::styled(text, look.style(role))
    };
    if let Phase::Checking { work, seconds } = &state.phase {
        return vec![line(
            &format!(" checking: {work}, {seconds:.0} s"),
            Role::Busy,
        )];
    }
    let Some(result) = &state.result else {
        return Vec::new();
    };
    let points = format!(" {} of {} points.", result.points, result.maximum);
    if result.passed() {
        let next = match state.next() {
            Some(next) => format!(" [n]ext: {}, {}", next.id, next.title),
            None => " These were all exercises.".to_owned(),
        };
        return vec![
            line(&format!("{points} All parts pass."), Role::Good),
            line(&next, Role::Strong),
        ];
    }
    if state.is_untouched() {
        let with_path = |before: &str, path: &str| {
            let path = clip_path(path, columns.saturating_sub(width(before)), look.unicode);
            line(&format!("{before}{path}"), Role::Strong)
        };
        return vec![
            with_path(
                &format!("{points} Read the task: [o], or "),
                &state.task.text_path,
            ),
            with_path(" then edit and save ", &state.task.answer_path),
        ];
    }
    vec![line(&points, Role::Strong)]
}

/// Returns the keys, in as many lines as they need.
fn keys(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    let hint = format!("int {}/{}", state.hints().len(), state.hint_count());
    let mut keys: Vec<(&str, &str)> = Vec::new();
    match state.page {
        LearnPage::Parts => {
            let result = state.result.as_ref();
            if state.hint_count() > 0 {
                keys.push(("h", &hint));
            }
            if result.is_some_and(|result| !result.passed() || !result.compile.warnings.is_empty())
            {
                keys.push(("d", "iff"));
            }
            if state.passed() {
                keys.push(("v", "iew solution"));
            }
            keys.extend(PARTS_KEYS);
        }
        LearnPage::Course { .. } => {
            keys.extend([("Up/Down", ""), ("Enter", " choose"), ("l", "eave")])
        }
        _ => keys.extend([("Esc", " back"), ("Up/Down", ""), ("q", "uit")]),
    }
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for (key, rest) in keys {
        let needed = 4 + width(key) + width(rest);
        if used + needed > columns + 1 && used > 0 {
            lines.push(Vec::new());
            used = 0;
        }
        used += needed;
        if let Some(line) = lines.last_mut() {
            line.push(Span::raw(" ["));
            line.push(Span::styled(key.to_owned(), state.look.style(Role::Strong)));
            line.push(Span::raw(format!("]{rest} ")));
        }
    }
    lines.into_iter().map(Line::from).collect()
}
