//! The screen, as a function of the state.

mod failure;
mod footer;
mod pages;
mod parts;
mod style;
mod words;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::state::{LearnPage, LearnState};
use style::Role;
use words::{clip, width};

/// Draws the state.
pub fn draw(frame: &mut Frame<'_>, state: &LearnState) {
    let columns = usize::from(frame.area().width);
    let rows = usize::from(frame.area().height);
    let mut footer = footer::footer(state, columns);
    // The last lines of a small screen are the keys.
    let room = rows.saturating_sub(2);
    footer.drain(..footer.len().saturating_sub(room));
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(u16::try_from(footer.len()).unwrap_or(u16::MAX)),
    ])
    .areas(frame.area());
    let body = body(state, columns, usize::from(middle.height));
    frame.render_widget(Paragraph::new(header(state, columns)), top);
    frame.render_widget(Paragraph::new(body), middle);
    frame.render_widget(Paragraph::new(footer), bottom);
}

/// Returns the lines between the title and the keys.
fn body(state: &LearnState, columns: usize, rows: usize) -> Vec<Line<'static>> {
    if let LearnPage::Course { selected } = state.page {
        return pages::course(state, selected, columns, rows);
    }
    shown(state, page(state, columns), columns, rows)
}

/// Returns all lines of a page.
fn page(state: &LearnState, columns: usize) -> Vec<Line<'static>> {
    match &state.page {
        LearnPage::Parts => parts::lines(state, columns),
        LearnPage::Report => pages::report(state, columns),
        LearnPage::Text => pages::text(state, columns),
        LearnPage::Course { .. } => Vec::new(),
        LearnPage::Lines { lines } => pages::plain(lines),
    }
}

/// Returns the lines that fit, from the first that is to be shown, with a note about those below.
fn shown(
    state: &LearnState,
    mut lines: Vec<Line<'static>>,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let first = state.scroll.min(lines.len().saturating_sub(rows));
    lines.drain(..first);
    if lines.len() > rows && rows > 1 {
        let hidden = lines.len() - (rows - 1);
        lines.truncate(rows - 1);
        let more = format!(" {hidden} more lines: Down or PageDown");
        let more = clip(&more, columns, state.look.unicode);
        lines.push(Line::styled(more, state.look.style(Role::Strong)));
    }
    lines
}

/// Returns the largest useful value of `scroll` on a screen of this size.
pub fn last_scroll(state: &LearnState, columns: u16, rows: u16) -> usize {
    let columns = usize::from(columns);
    let footer = footer::footer(state, columns).len();
    let rows = usize::from(rows).saturating_sub(1 + footer);
    page(state, columns).len().saturating_sub(rows)
}

fn header(state: &LearnState, columns: usize) -> Line<'static> {
    let look = state.look;
    let task = &state.task;
    let (lesson, slug) = task.id.split_once('/').unwrap_or((&task.id, ""));
    let (number, dot) = (state.number(), look.dot());
    let name = format!(" {number} {dot} {lesson} / {}", slug.replace('-', " "));
    let language = task.language.map_or("", |language| language.name());
    let tries = match state.tries() {
        0 => String::new(),
        tries => format!("   try {tries}"),
    };
    let (passed, all) = (state.exercises_passed(), state.course.len());
    let count = match columns {
        0..70 => format!(" {passed}/{all} "),
        _ => format!(" {passed} of {all} exercises "),
    };
    let bar = match columns {
        0..60 => String::new(),
        60..100 => look.bar(passed, all, 10),
        _ => look.bar(passed, all, 18),
    };
    let middle = format!("   {language}{tries}  ");
    let right = width(&bar) + width(&count);
    let room = columns.saturating_sub(right + width(&middle));
    let name = clip(&name, room, look.unicode);
    let gap = room.saturating_sub(width(&name));
    Line::from(vec![
        Span::styled(name, look.style(Role::Strong)),
        Span::raw(middle),
        Span::raw(" ".repeat(gap)),
        Span::styled(bar, look.style(Role::Good)),
        Span::raw(count),
    ])
}

#[cfg(test)]
mod tests;
