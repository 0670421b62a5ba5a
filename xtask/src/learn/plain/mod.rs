//! `learn` without a screen: the results as lines, and commands as lines.

mod command;
mod text;

use std::io::{BufRead as _, IsTerminal as _};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Result;

use super::app::AppEvent;
use super::keys::Action;
use super::learner::Learner;
use super::practice::{Practice, QUIET};
use super::state::Look;
use command::{PlainCommand, commands};

/// Reads commands from standard input, one line for each request.
fn read_commands(requests: &Receiver<()>, events: &Sender<AppEvent>) {
    while requests.recv().is_ok() {
        let mut line = Vec::new();
        match std::io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(1..) => {}
            // Nobody types; the watch goes on.
            _ => return,
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if events.send(AppEvent::Command(line)).is_err() {
            return;
        }
    }
}

/// Prints results, now and after each change, until the student quits.
///
/// # Errors
///
/// Fails if the student's folder or the watch fails, or the output cannot be written.
pub fn run(learner: Learner, look: Look) -> Result<()> {
    let (events, received) = channel();
    let (requests, requested) = channel();
    let sender = events.clone();
    std::thread::spawn(move || read_commands(&requested, &sender));
    let mut plain = PlainLearn {
        practice: Practice::new(learner, look, events)?,
        before: Vec::new(),
    };
    crate::outln!("{}", text::title(&plain.practice.state))?;
    let _ = requests.send(());
    loop {
        let event = match plain.practice.is_changing() {
            true => received.recv_timeout(QUIET).ok(),
            false => Some(received.recv()?),
        };
        match event {
            Some(AppEvent::FileEvent) => plain.practice.file_event(),
            Some(AppEvent::Message(number, message)) => {
                let has_ended = plain.practice.message(number, message)?;
                if has_ended {
                    plain.print_result()?;
                }
            }
            Some(AppEvent::Command(line)) => {
                if plain.command(&line)? {
                    return Ok(());
                }
                let _ = requests.send(());
            }
            _ => {}
        }
        if plain.practice.check_if_changed() {
            crate::outln!("\nThe file has changed, and is checked.")?;
        }
    }
}

struct PlainLearn {
    practice: Practice,
    /// The ids of the exercises before this one, in the order in which the student was there.
    before: Vec<String>,
}

impl PlainLearn {
    fn print_result(&self) -> Result<()> {
        let state = &self.practice.state;
        for line in text::result(state) {
            crate::outln!("{line}")?;
        }
        let (answer, commands) = (&state.task.answer_path, self.commands());
        crate::outln!(
            "Save {answer} to check it again, or type one of these and Enter: {commands}."
        )?;
        Ok(())
    }

    /// Returns the commands of this moment.
    fn commands(&self) -> String {
        let keeps_solutions = self.practice.learner.folder.check_solutions().is_ok();
        commands(self.practice.state.passed() && keeps_solutions)
    }

    /// Does what a line asks for, and returns true if the student quits.
    fn command(&mut self, line: &str) -> Result<bool> {
        match PlainCommand::read(line) {
            None => {}
            Some(PlainCommand::Key(Action::Quit)) => return Ok(true),
            Some(PlainCommand::Key(action)) => self.action(action)?,
            Some(PlainCommand::Check) => self.practice.check(),
            Some(PlainCommand::Back) => match self.before.pop() {
                Some(id) => self.show(&id)?,
                None => crate::outln!("There was no exercise before this one.")?,
            },
            Some(PlainCommand::Exercise(name)) => match self.practice.learner.find(&name) {
                Ok(id) => self.go_to(&id)?,
                Err(error) => {
                    crate::outln!("{error}")?;
                    self.print_commands()?;
                }
            },
            Some(PlainCommand::Unknown) => self.print_commands()?,
        }
        Ok(false)
    }

    fn print_commands(&self) -> Result<()> {
        crate::outln!("The commands are: {}.", self.commands())?;
        Ok(())
    }

    fn go_to(&mut self, id: &str) -> Result<()> {
        let now = self.practice.state.task.id.clone();
        if now != id {
            self.before.push(now);
        }
        self.show(id)
    }

    fn show(&mut self, id: &str) -> Result<()> {
        self.practice.go_to(id)?;
        crate::outln!("{}", text::title(&self.practice.state))?;
        Ok(())
    }

    fn action(&mut self, action: Action) -> Result<()> {
        let practice = &mut self.practice;
        match action {
            Action::Hint => {
                practice.learner.hint(&mut practice.state)?;
                let state = &mut practice.state;
                let (number, count) = (state.hints_shown, state.hint_count());
                match (state.note.take(), state.hints().last()) {
                    (None, Some(hint)) => crate::outln!("{}", text::hint(number, count, hint))?,
                    (note, _) => crate::outln!("{}", note.unwrap_or_default())?,
                }
            }
            Action::Report => {
                for line in practice.state.details.iter().flatten() {
                    crate::outln!("{line}")?;
                }
            }
            Action::Text => crate::outln!("{}", practice.state.task.text)?,
            Action::List => {
                for (number, row) in (1..).zip(&practice.state.course) {
                    let passed = if row.passed { "passed" } else { "open" };
                    let (id, title) = (&row.id, &row.title);
                    let points = format!("{} of {} points", row.points, row.maximum);
                    crate::outln!("{number}. {id}, {title}, {passed}, {points}")?;
                }
                crate::outln!("Type the number or the name of an exercise to go to it.")?;
            }
            Action::Next => match practice.state.next().map(|row| row.id.clone()) {
                Some(id) => self.go_to(&id)?,
                None => crate::outln!("All other exercises have passed.")?,
            },
            Action::Reset => crate::outln!("{}", practice.reset()?)?,
            Action::Solution if practice.state.passed() => {
                for line in practice.learner.solution() {
                    crate::outln!("{line}")?;
                }
            }
            Action::Solution => crate::outln!("The solution is shown when all parts pass.")?,
            Action::Shell | Action::Timeline => {
                let mut tool = practice.learner.shell(practice.part_for_guest())?;
                if action == Action::Timeline {
                    tool = tool.arg("--timeline");
                }
                if std::io::stdin().is_terminal() {
                    tool.run_on_terminal()?;
                } else {
                    // The rest of the input is commands for this program, and not for the guest.
                    tool.spawn(Stdio::inherit(), Stdio::inherit())?.wait()?;
                }
            }
            _ => self.print_commands()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
