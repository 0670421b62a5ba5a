//! The keys.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::LearnPage;

/// Lines of a page down or up.
const PAGE_LINES: isize = 15;

/// The meaning of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends the program.
    Quit,
    /// Shows the parts.
    Back,
    /// Shows one more hint.
    Hint,
    /// Shows the whole report.
    Report,
    /// Shows the text of the exercise.
    Text,
    /// Shows the exercises.
    List,
    /// Moves by a number of lines.
    Scroll(isize),
    /// Goes to the selected exercise.
    Choose,
    /// Goes to the next exercise.
    Next,
    /// Checks the answer again.
    CheckAgain,
    /// Begins the exercise anew.
    Reset,
    /// Shows the solution.
    Solution,
    /// Shows a guest.
    Shell,
    /// Shows a timeline.
    Timeline,
    /// Stops the program until the shell continues it.
    Suspend,
}

/// Returns the meaning of a key on a page.
pub fn action(key: KeyEvent, page: &LearnPage) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'd') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            _ => None,
        };
    }
    let is_parts = *page == LearnPage::Parts;
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Action::Scroll(PAGE_LINES),
        KeyCode::PageUp => Action::Scroll(-PAGE_LINES),
        KeyCode::Home => Action::Scroll(isize::MIN),
        KeyCode::End => Action::Scroll(isize::MAX),
        KeyCode::Enter if matches!(page, LearnPage::Course { .. }) => Action::Choose,
        KeyCode::Enter if is_parts => Action::CheckAgain,
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Enter => Action::Back,
        KeyCode::Char('l') if matches!(page, LearnPage::Course { .. }) => Action::Back,
        KeyCode::Char('d') if *page == LearnPage::Report => Action::Back,
        KeyCode::Char('o') if *page == LearnPage::Text => Action::Back,
        KeyCode::Char('h') => Action::Hint,
        KeyCode::Char('d') => Action::Report,
        KeyCode::Char('o') => Action::Text,
        KeyCode::Char('l') => Action::List,
        KeyCode::Char('n') if is_parts => Action::Next,
        KeyCode::Char('r') if is_parts => Action::Reset,
        KeyCode::Char('v') if is_parts => Action::Solution,
        KeyCode::Char('s') if is_parts => Action::Shell,
        KeyCode::Char('t') if is_parts => Action::Timeline,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_the_page() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let parts = |code| action(key(code), &LearnPage::Parts);
        assert_eq!(parts(KeyCode::Char('r')), Some(Action::Reset));
        assert_eq!(parts(KeyCode::Enter), Some(Action::CheckAgain));
        assert_eq!(parts(KeyCode::Char('x')), None);
        let course = LearnPage::Course { selected: 0 };
        assert_eq!(action(key(KeyCode::Enter), &course), Some(Action::Choose));
        assert_eq!(action(key(KeyCode::Char('r')), &course), None);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(interrupt, &LearnPage::Report), Some(Action::Quit));
    }
}
