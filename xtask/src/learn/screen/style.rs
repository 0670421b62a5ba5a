//! Styles and signs, with and without colours and Unicode.

use ratatui::style::{Color, Modifier, Style};

use crate::exercise::result::PartState;
use crate::learn::state::Look;

/// The meaning of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A title, or a key.
    Strong,
    /// Something that passed.
    Good,
    /// Something that failed.
    Bad,
    /// Something that runs.
    Busy,
    /// Something less important.
    Faint,
}

impl Look {
    /// Returns the style of a piece of text.
    pub fn style(self, role: Role) -> Style {
        let coloured = |colour| match self.colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        };
        match role {
            Role::Strong => Style::new().add_modifier(Modifier::BOLD),
            Role::Good => coloured(Color::Green),
            Role::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Role::Busy => coloured(Color::Yellow),
            Role::Faint => coloured(Color::DarkGray),
        }
    }

    /// Returns the sign of a part's state.
    pub fn sign(self, state: PartState) -> (&'static str, Role) {
        let (sign, ascii, role) = match state {
            PartState::Passed => ("✓", "+", Role::Good),
            PartState::Failed => ("✗", "x", Role::Bad),
            PartState::NotRun => ("·", ".", Role::Faint),
            PartState::Unknown => ("?", "?", Role::Busy),
        };
        (if self.unicode { sign } else { ascii }, role)
    }

    /// Returns the sign of a part that runs.
    pub fn busy_sign(self) -> &'static str {
        if self.unicode { "▸" } else { ">" }
    }

    /// Returns a bar of `columns` columns that is filled as `part` fills `whole`.
    pub fn bar(self, part: usize, whole: usize, columns: usize) -> String {
        let (full, empty) = if self.unicode {
            ("█", "░")
        } else {
            ("#", "-")
        };
        let filled = (part * columns)
            .checked_div(whole)
            .unwrap_or(0)
            .min(columns);
        full.repeat(filled) + &empty.repeat(columns - filled)
    }

    /// Returns the sign between two fields.
    pub fn dot(self) -> &'static str {
        if self.unicode { "·" } else { "-" }
    }
}
