//! An exercise under work: the state, the watched files, and the check that runs. The screen and the
//! plain lines share it.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::app::AppEvent;
use super::checker::RunningCheck;
use super::learner::Learner;
use super::message::CheckMessage;
use super::state::{LearnState, Look, Phase};
use super::watched::WatchedFiles;
use crate::exercise::student::shown;

/// The time without a further event after which a change of a file is over: editors write a file
/// in several steps.
pub const QUIET: Duration = Duration::from_millis(50);

/// An exercise under work.
#[derive(Debug)]
pub struct Practice {
    /// The student.
    pub learner: Learner,
    /// The state of the screen.
    pub state: LearnState,
    /// The check that runs.
    pub check: Option<RunningCheck>,
    watched: WatchedFiles,
    /// The contents that the last check began with.
    checked: Option<Vec<String>>,
    /// The number of checks so far.
    checks: u64,
    /// The time of the last event of a file, until the change is over.
    changed: Option<Instant>,
    events: Sender<AppEvent>,
}

impl Practice {
    /// Starts to watch the exercise, and checks its answer.
    ///
    /// # Errors
    ///
    /// Fails if the progress cannot be read or the files cannot be watched.
    pub fn new(learner: Learner, look: Look, events: Sender<AppEvent>) -> Result<Self> {
        let mut practice = Self {
            state: learner.state(look)?,
            watched: WatchedFiles::new(learner.watched_files(), &events)?,
            check: None,
            checked: None,
            checks: 0,
            changed: None,
            events,
            learner,
        };
        practice.check();
        Ok(practice)
    }

    /// Starts a check in place of the one that runs.
    pub fn check(&mut self) {
        self.check = None;
        let contents = self.watched.contents();
        let source = contents.iter().flatten().next().cloned();
        self.state.begin(source.unwrap_or_default());
        self.checked = contents;
        self.checks += 1;
        let learner = &self.learner;
        let started = RunningCheck::start(
            self.checks,
            &learner.folder.root,
            &learner.exercise().id,
            &learner.options,
            &self.events,
        );
        match started {
            Ok(check) => self.check = Some(check),
            Err(error) => {
                let reason = format!("{error:#}");
                self.state.phase = Phase::Failed { reason };
            }
        }
    }

    /// Notes an event of a file.
    pub fn file_event(&mut self) {
        self.changed = Some(Instant::now());
    }

    /// Reports whether a change of a file may still go on.
    pub fn is_changing(&self) -> bool {
        self.changed.is_some()
    }

    /// Starts a check if a change is over and the files differ from those that were checked last, and
    /// returns true then.
    pub fn check_if_changed(&mut self) -> bool {
        if self.changed.is_none_or(|at| at.elapsed() < QUIET) {
            return false;
        }
        self.changed = None;
        let contents = self.watched.contents();
        let differs = contents.is_some() && contents != self.checked;
        if differs {
            self.check();
        }
        differs
    }

    /// Takes a message of the check with this number, and returns true if it is the last one of the
    /// check that runs. A message of a check that was ended may still come.
    ///
    /// # Errors
    ///
    /// Fails if the progress cannot be read.
    pub fn message(&mut self, number: u64, message: CheckMessage) -> Result<bool> {
        let running = self.check.as_ref().filter(|check| check.number == number);
        let Some(check) = running else {
            return Ok(false);
        };
        self.state
            .receive(message, check.started.elapsed().as_secs_f64());
        if self.state.is_checking() {
            return Ok(false);
        }
        self.check = None;
        self.learner.refresh(&mut self.state)?;
        Ok(true)
    }

    /// Takes a line about the work of the check with this number.
    pub fn work(&mut self, number: u64, line: &str) {
        if self
            .check
            .as_ref()
            .is_some_and(|check| check.number == number)
        {
            self.state.work(line);
        }
    }

    /// Goes to another exercise, and checks its answer.
    ///
    /// # Errors
    ///
    /// Fails if there is none with this id, or its files cannot be watched.
    pub fn go_to(&mut self, id: &str) -> Result<()> {
        self.check = None;
        self.learner.choose(id)?;
        self.state = self.learner.state(self.state.look)?;
        self.watched = WatchedFiles::new(self.learner.watched_files(), &self.events)?;
        self.check();
        Ok(())
    }

    /// Begins the exercise anew, and returns a sentence about the answer.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn reset(&mut self) -> Result<String> {
        let kept = self.learner.folder.reset(self.learner.exercise())?;
        self.check();
        Ok(match kept {
            Some(kept) => format!("Your answer is kept in {}.", shown(&kept).display()),
            None => "The answer was as at the beginning.".to_owned(),
        })
    }

    /// Returns the index of the part for a guest: the first that failed, else the first.
    pub fn part_for_guest(&self) -> usize {
        self.state.failed_part().unwrap_or(0)
    }
}
