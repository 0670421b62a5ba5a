//! The terminal: the screen of its own, and the way back from it on every way out.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use anyhow::{Context as _, Result};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::screen;
use super::state::LearnState;

/// Whether the screen is in use. The thread that draws holds the lock, so that nothing is drawn
/// after a signal has restored the terminal.
static IN_USE: Mutex<bool> = Mutex::new(false);

fn in_use() -> MutexGuard<'static, bool> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The screen. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// Fails if standard output is not a terminal that can be set.
    pub fn new() -> Result<Self> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()));
        let terminal = terminal.inspect_err(|_| restore());
        Ok(Self {
            terminal: terminal.context("cannot use this terminal")?,
        })
    }

    /// Draws the state.
    ///
    /// # Errors
    ///
    /// Fails if the terminal cannot be written to.
    pub fn draw(&mut self, state: &LearnState) -> Result<()> {
        let in_use = in_use();
        if *in_use {
            let drawn = self.terminal.draw(|frame| screen::draw(frame, state));
            drawn.context("cannot write to the terminal")?;
        }
        Ok(())
    }

    /// Returns the columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let size = self.terminal.size().unwrap_or_default();
        (size.width, size.height)
    }

    /// Runs something with the terminal as it was before, and takes the terminal again.
    ///
    /// # Errors
    ///
    /// Fails if the terminal cannot be set.
    pub fn without<T>(&mut self, run: impl FnOnce() -> T) -> Result<T> {
        restore();
        let result = run();
        enter()?;
        self.terminal.clear().context("cannot use this terminal")?;
        Ok(result)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> Result<()> {
    let mut in_use = in_use();
    enable_raw_mode().context("cannot set this terminal")?;
    *in_use = true;
    let entered = execute!(io::stdout(), EnterAlternateScreen);
    drop(in_use);
    let entered = entered.inspect_err(|_| restore());
    entered.context("cannot write to the terminal")
}

/// Restores the terminal, if the screen is in use.
pub fn restore() {
    let mut in_use = match IN_USE.try_lock() {
        Ok(in_use) => in_use,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // This thread drew something, and panicked.
        Err(TryLockError::WouldBlock) if std::thread::panicking() => return leave(),
        Err(TryLockError::WouldBlock) => self::in_use(),
    };
    if std::mem::take(&mut *in_use) {
        leave();
    }
}

fn leave() {
    // A terminal that has gone needs no settings.
    let mut out = io::stdout();
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = out.flush();
}
