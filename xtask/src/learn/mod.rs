//! `learn`: a student's screen. It checks an answer when its file changes, and shows each part.
//!
//! ```text
//! keys, changes of files, messages of the check -> events -> LearnState -> screen, or lines
//! ```
//!
//! A check runs in a process of its own ([`worker`]), which ends when the answer changes. A result is
//! only shown with the source that it is about.

mod app;
mod checker;
mod diff;
mod keys;
mod learner;
mod message;
mod plain;
mod practice;
mod printer;
mod screen;
mod state;
pub mod terminal;
#[cfg(test)]
mod test_values;
mod watched;
pub mod worker;

use anyhow::Result;

pub use learner::Learner;
pub use state::Look;

/// Shows the student's screen until the student quits; with `plain`, prints lines.
///
/// # Errors
///
/// Fails if the terminal, the student's folder or the watch fails.
pub fn run(learner: Learner, plain: bool) -> Result<()> {
    let look = Look::from_env();
    match plain {
        true => plain::run(learner, look),
        false => app::run(learner, look),
    }
}
