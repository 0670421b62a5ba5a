//! The running check: a process, whose messages come as events. Ending it ends its guests.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::Sender;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::app::AppEvent;
use super::message::CheckMessage;
use crate::process::{Guarded, Tool, xtask_binary};

/// Number of the last lines of standard error that a failed check shows.
const LAST_LINES: usize = 10;

/// A check in a process of its own. Dropping it ends the process and all that it started.
#[derive(Debug)]
pub struct RunningCheck {
    /// The number of the check, which its events have.
    pub number: u64,
    /// The time of its start.
    pub started: Instant,
    _process: Guarded,
}

impl RunningCheck {
    /// Starts to check the answer to the exercise with this id; `options` are those of `learn`.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be started.
    pub fn start(
        number: u64,
        folder: &Path,
        id: &str,
        options: &[String],
        events: &Sender<AppEvent>,
    ) -> Result<Self> {
        let (messages, message_writer) = std::io::pipe().context("cannot make a pipe")?;
        let (notes, note_writer) = std::io::pipe().context("cannot make a pipe")?;
        let started = Instant::now();
        let process = Tool::new(xtask_binary()?)
            .arg("learn")
            .arg(folder)
            .args(["--worker", id])
            .args(options)
            .spawn(Stdio::from(message_writer), Stdio::from(note_writer))?;
        let sender = events.clone();
        let notes = std::thread::spawn(move || read_notes(number, notes, &sender));
        let sender = events.clone();
        std::thread::spawn(move || {
            let has_ended = read_messages(number, messages, &sender);
            let last = notes.join().unwrap_or_default();
            if !has_ended {
                let reason = format!("it ended without a result:\n{}", last.join("\n"));
                let message = CheckMessage::Failed { reason };
                let _ = sender.send(AppEvent::Message(number, message));
            }
        });
        Ok(Self {
            number,
            started,
            _process: process,
        })
    }
}

/// Passes the messages on, and reports whether the last one came.
fn read_messages(number: u64, messages: PipeReader, events: &Sender<AppEvent>) -> bool {
    let mut has_ended = false;
    for line in BufReader::new(messages).lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str(&line) else {
            continue;
        };
        has_ended |= matches!(
            message,
            CheckMessage::Finished { .. } | CheckMessage::Failed { .. }
        );
        let _ = events.send(AppEvent::Message(number, message));
    }
    has_ended
}

/// Passes the lines about stages on, and returns the last ones.
fn read_notes(number: u64, notes: PipeReader, events: &Sender<AppEvent>) -> Vec<String> {
    let mut last = Vec::new();
    for line in BufReader::new(notes).lines().map_while(Result::ok) {
        if line.trim().is_empty() {
            continue;
        }
        if last.len() == LAST_LINES {
            last.remove(0);
        }
        last.push(line.clone());
        let _ = events.send(AppEvent::Work(number, line));
    }
    last
}
