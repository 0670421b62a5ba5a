//! `learn` without a screen: the results as lines, and commands as lines.

mod text;

use std::io::IsTerminal as _;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Result;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::AppEvent;
use super::keys::{Action, action};
use super::learner::Learner;
use super::practice::{Practice, QUIET};
use super::state::{LearnPage, Look};

/// The commands, for a line that names them.
const COMMANDS: &str = "h hint, d the whole report, o the task, s shell, t timeline, v solution, \
                        r begin anew, n next, l list, c check again, q quit";

/// Reads commands from standard input, one line for each request.
fn read_commands(requests: &Receiver<()>, events: &Sender<AppEvent>) {
    while requests.recv().is_ok() {
        let mut line = String::new();
        match std::io::stdin().read_line(&mut line) {
            Ok(1..) => {}
            // Nobody types; the watch goes on.
            _ => return,
        }
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
    let mut practice = Practice::new(learner, look, events)?;
    crate::outln!("{}", text::title(&practice.state))?;
    let _ = requests.send(());
    loop {
        let event = match practice.is_changing() {
            true => received.recv_timeout(QUIET).ok(),
            false => Some(received.recv()?),
        };
        match event {
            Some(AppEvent::FileEvent) => practice.file_event(),
            Some(AppEvent::Message(number, message)) => {
                let has_ended = practice.message(number, message)?;
                if has_ended {
                    print_result(&practice)?;
                }
            }
            Some(AppEvent::Command(line)) => {
                if command(&mut practice, &line)? {
                    return Ok(());
                }
                let _ = requests.send(());
            }
            _ => {}
        }
        if practice.check_if_changed() {
            crate::outln!("\nThe file has changed, and is checked.")?;
        }
    }
}

fn print_result(practice: &Practice) -> Result<()> {
    let state = &practice.state;
    for line in text::result(state) {
        crate::outln!("{line}")?;
    }
    let answer = &state.task.answer_path;
    crate::outln!("Save {answer} to check it again, or type a letter and Enter: {COMMANDS}.")?;
    Ok(())
}

/// Does what a line asks for, and returns true if the student quits.
fn command(practice: &mut Practice, line: &str) -> Result<bool> {
    let Some(letter) = line.trim().chars().next() else {
        return Ok(false);
    };
    if letter == 'c' {
        practice.check();
        return Ok(false);
    }
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
    match action(key, &LearnPage::Parts) {
        Some(Action::Quit) => return Ok(true),
        Some(Action::Hint) => {
            practice.learner.hint(&mut practice.state)?;
            let state = &mut practice.state;
            let (number, count) = (state.hints_shown, state.hint_count());
            match (state.note.take(), state.hints().last()) {
                (None, Some(hint)) => crate::outln!("{}", text::hint(number, count, hint))?,
                (note, _) => crate::outln!("{}", note.unwrap_or_default())?,
            }
        }
        Some(Action::Report) => {
            for line in practice.state.details.iter().flatten() {
                crate::outln!("{line}")?;
            }
        }
        Some(Action::Text) => crate::outln!("{}", practice.state.task.text)?,
        Some(Action::List) => {
            for (number, row) in (1..).zip(&practice.state.course) {
                let passed = if row.passed { "passed" } else { "open" };
                let (id, title) = (&row.id, &row.title);
                let points = format!("{} of {} points", row.points, row.maximum);
                crate::outln!("{number}. {id}, {title}, {passed}, {points}")?;
            }
        }
        Some(Action::Next) => match practice.state.next().map(|row| row.id.clone()) {
            Some(id) => {
                practice.go_to(&id)?;
                crate::outln!("{}", text::title(&practice.state))?;
            }
            None => crate::outln!("All other exercises have passed.")?,
        },
        Some(Action::Reset) => crate::outln!("{}", practice.reset()?)?,
        Some(Action::Solution) if practice.state.passed() => {
            for line in practice.learner.solution() {
                crate::outln!("{line}")?;
            }
        }
        Some(Action::Solution) => crate::outln!("The solution is shown when all parts pass.")?,
        Some(action @ (Action::Shell | Action::Timeline)) => {
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
        _ => crate::outln!("The commands are: {COMMANDS}.")?,
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
