//! The event loop of the screen: keys, changes of files, messages of the check.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use rustix::process::{Signal, getpid, kill_process};

use super::keys::{Action, action};
use super::learner::Learner;
use super::message::CheckMessage;
use super::practice::{Practice, QUIET};
use super::screen;
use super::state::{LearnPage, Look};
use super::terminal::Screen;

/// The time between two updates of the clock on the screen.
const TICK: Duration = Duration::from_millis(500);

/// An event.
#[derive(Debug)]
pub enum AppEvent {
    /// A key was pressed, or the terminal has another size. The reader waits then.
    Terminal(TerminalEvent),
    /// The terminal is gone.
    TerminalEnded,
    /// The student typed a line.
    Command(String),
    /// Something happened in a folder that is watched.
    FileEvent,
    /// The check with this number sent a message.
    Message(u64, CheckMessage),
    /// The check with this number printed a line about its work.
    Work(u64, String),
}

/// Reads the terminal, one event for each request: while a guest has the terminal, nothing is
/// requested.
fn read_terminal(requests: &Receiver<()>, events: &Sender<AppEvent>) {
    while requests.recv().is_ok() {
        let event = match event::read() {
            Ok(event) => AppEvent::Terminal(event),
            Err(_) => AppEvent::TerminalEnded,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Shows the screen until the student quits.
///
/// # Errors
///
/// Fails if the terminal, the student's folder or the watch fails. A check that fails is shown.
pub fn run(learner: Learner, look: Look) -> Result<()> {
    let (events, received) = channel();
    let (requests, requested) = channel();
    let sender = events.clone();
    let mut app = App {
        practice: Practice::new(learner, look, events)?,
        resets: false,
        screen: Screen::new()?,
    };
    std::thread::spawn(move || read_terminal(&requested, &sender));
    let _ = requests.send(());
    loop {
        app.screen.draw(&app.practice.state)?;
        let timeout = match (app.practice.is_changing(), &app.practice.check) {
            (true, _) => Some(QUIET),
            (false, Some(_)) => Some(TICK),
            (false, None) => None,
        };
        let event = match timeout {
            Some(timeout) => received.recv_timeout(timeout),
            None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(AppEvent::Terminal(event)) => {
                if app.terminal_event(&event)? {
                    return Ok(());
                }
                let _ = requests.send(());
            }
            Ok(AppEvent::FileEvent) => app.practice.file_event(),
            Ok(AppEvent::Message(number, message)) => {
                app.practice.message(number, message)?;
            }
            Ok(AppEvent::Work(number, line)) => app.practice.work(number, &line),
            Ok(AppEvent::Command(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(AppEvent::TerminalEnded) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        app.practice.check_if_changed();
        if let Some(check) = &app.practice.check {
            let seconds = check.started.elapsed().as_secs_f64();
            app.practice.state.tick(seconds);
        }
    }
}

struct App {
    practice: Practice,
    /// Whether the next `r` resets the answer.
    resets: bool,
    screen: Screen,
}

impl App {
    /// Handles an event of the terminal, and returns true if the student quits.
    fn terminal_event(&mut self, event: &TerminalEvent) -> Result<bool> {
        let state = &mut self.practice.state;
        let TerminalEvent::Key(key) = event else {
            // Another size: drawn at the next turn of the loop.
            return Ok(false);
        };
        let Some(action) = action(*key, &state.page) else {
            return Ok(false);
        };
        let resets = std::mem::take(&mut self.resets);
        state.note = None;
        match action {
            Action::Quit => return Ok(true),
            Action::Back => state.open(LearnPage::Parts),
            Action::Hint => {
                state.open(LearnPage::Parts);
                self.practice.learner.hint(&mut self.practice.state)?;
            }
            Action::Report => state.open(LearnPage::Report),
            Action::Text => state.open(LearnPage::Text),
            Action::List => {
                let selected = state.number().saturating_sub(1);
                state.open(LearnPage::Course { selected });
            }
            Action::Scroll(lines) => self.scroll(lines),
            Action::Choose => {
                if let LearnPage::Course { selected } = state.page
                    && let Some(id) = state.course.get(selected).map(|row| row.id.clone())
                {
                    self.practice.go_to(&id)?;
                }
            }
            Action::Next => match state.next().map(|row| row.id.clone()) {
                Some(id) => self.practice.go_to(&id)?,
                None => state.note = Some("All other exercises have passed.".to_owned()),
            },
            Action::CheckAgain => self.practice.check(),
            Action::Reset if resets => {
                let note = self.practice.reset()?;
                self.practice.state.note = Some(note);
            }
            Action::Reset => {
                self.resets = true;
                let note = "Press r again to begin anew; your answer is kept beside the file.";
                state.note = Some(note.to_owned());
            }
            Action::Solution if state.passed() => {
                let lines = self.practice.learner.solution();
                state.open(LearnPage::Lines { lines });
            }
            Action::Solution => {
                state.note = Some("The solution is shown when all parts pass.".to_owned());
            }
            Action::Shell => self.shell()?,
            Action::Timeline => self.timeline()?,
            Action::Suspend => {
                let stopped = self
                    .screen
                    .without(|| kill_process(getpid(), Signal::TSTP))?;
                stopped.context("cannot stop")?;
            }
        }
        Ok(false)
    }

    fn scroll(&mut self, lines: isize) {
        let (columns, rows) = self.screen.size();
        let state = &mut self.practice.state;
        if let LearnPage::Course { selected } = &mut state.page {
            let last = state.course.len().saturating_sub(1);
            *selected = selected.saturating_add_signed(lines).min(last);
            return;
        }
        let last = screen::last_scroll(state, columns, rows);
        state.scroll = state.scroll.saturating_add_signed(lines).min(last);
    }

    /// Shows a guest on the terminal in which the commands of a part were typed.
    fn shell(&mut self) -> Result<()> {
        let tool = self
            .practice
            .learner
            .shell(self.practice.part_for_guest())?;
        let status = self.screen.without(|| {
            let status = tool.run_on_terminal();
            if status.as_ref().is_ok_and(|status| !status.success()) {
                crate::errln!("press Enter to go back");
                let _ = std::io::stdin().read_line(&mut String::new());
            }
            status
        })?;
        status.context("cannot show a guest")?;
        Ok(())
    }

    fn timeline(&mut self) -> Result<()> {
        self.practice.state.note = Some("A guest runs for the timeline.".to_owned());
        self.screen.draw(&self.practice.state)?;
        let (columns, _) = self.screen.size();
        let columns = columns.saturating_sub(2).to_string();
        let tool = self
            .practice
            .learner
            .shell(self.practice.part_for_guest())?;
        let (status, out, err) = tool.args(["--timeline", "--columns", &columns]).capture()?;
        let state = &mut self.practice.state;
        state.note = None;
        if status.success() {
            let lines = out.lines().map(str::to_owned).collect();
            state.open(LearnPage::Lines { lines });
        } else {
            state.note = Some(err);
        }
        Ok(())
    }
}
