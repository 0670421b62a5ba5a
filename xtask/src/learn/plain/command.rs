//! The commands of the plain lines: a letter, its word, or an exercise.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::learn::keys::{Action, action};
use crate::learn::state::LearnPage;

/// Words for letters.
const WORDS: [(&str, char); 13] = [
    ("hint", 'h'),
    ("diff", 'd'),
    ("report", 'd'),
    ("task", 'o'),
    ("shell", 's'),
    ("timeline", 't'),
    ("solution", 'v'),
    ("reset", 'r'),
    ("next", 'n'),
    ("back", 'b'),
    ("list", 'l'),
    ("check", 'c'),
    ("quit", 'q'),
];

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainCommand {
    /// The same as a key of the screen.
    Key(Action),
    /// Checks the answer again.
    Check,
    /// Goes back to the exercise before.
    Back,
    /// Goes to the exercise with this number or name.
    Exercise(String),
    /// A letter without a meaning.
    Unknown,
}

impl PlainCommand {
    /// Returns the command of a line; none if the line is empty.
    pub fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        let mut letters = line.chars();
        let first = letters.next()?;
        let word = WORDS.iter().find(|(word, _)| *word == line);
        let letter = match (word, letters.next()) {
            (Some((_, letter)), _) => *letter,
            (None, None) if !first.is_ascii_digit() => first,
            (None, _) => return Some(Self::Exercise(line.to_owned())),
        };
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
        Some(match (letter, action(key, &LearnPage::Parts)) {
            ('c', _) => Self::Check,
            ('b', _) => Self::Back,
            // Nothing scrolls.
            (_, None | Some(Action::Scroll(_))) => Self::Unknown,
            (_, Some(action)) => Self::Key(action),
        })
    }
}

/// Returns the commands for a line that names them; that for the solution only if it is shown.
pub fn commands(shows_solution: bool) -> String {
    let solution = if shows_solution { "v solution, " } else { "" };
    format!(
        "h hint, d the whole report, o the task, s shell, t timeline, {solution}r begin anew, n next, \
         b back to the exercise before, l list, the number or name of an exercise, c check again, \
         q quit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_letter_its_word_or_an_exercise() {
        let exercise = |name: &str| Some(PlainCommand::Exercise(name.to_owned()));
        for (line, expected) in [
            ("h\n", Some(PlainCommand::Key(Action::Hint))),
            (" hint ", Some(PlainCommand::Key(Action::Hint))),
            ("v", Some(PlainCommand::Key(Action::Solution))),
            ("c", Some(PlainCommand::Check)),
            ("b", Some(PlainCommand::Back)),
            ("j", Some(PlainCommand::Unknown)),
            ("x", Some(PlainCommand::Unknown)),
            ("3", exercise("3")),
            ("12", exercise("12")),
            ("hello/1-first-module", exercise("hello/1-first-module")),
            ("second", exercise("second")),
            ("\n", None),
        ] {
            assert_eq!(PlainCommand::read(line), expected, "{line}");
        }
    }

    #[test]
    fn the_solution_is_offered_only_when_it_is_shown() {
        assert!(commands(true).contains("v solution, "));
        assert!(!commands(false).contains("solution"));
    }
}
