//! Shows the runs of a suite on the progress board.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::run::{RunEvent, RunObserver};
use crate::ui::{GuestRow, ProgressBoard, Ui};

/// Shows a suite's runs while they are under way.
#[derive(Debug)]
pub struct SuiteProgress<'a> {
    board: ProgressBoard<'a>,
    state: Mutex<ProgressState>,
}

#[derive(Debug, Default)]
struct ProgressState {
    rows: HashMap<usize, GuestRow>,
    finished: u64,
}

impl<'a> SuiteProgress<'a> {
    /// Starts to show a suite with this number of runs.
    pub fn new(ui: &'a Ui, runs: usize) -> Self {
        Self {
            board: ui.board("tests", runs as u64),
            state: Mutex::default(),
        }
    }

    /// Ends with the suite, and keeps its duration for the summary.
    pub fn done(self) {
        self.board.done();
    }
}

impl RunObserver for SuiteProgress<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            RunEvent::Started { run, case } => {
                let steps = case.lesson.transcript.steps.len() as u64;
                let row = self.board.guest(&case.name(), steps);
                state.rows.insert(*run, row);
            }
            RunEvent::StepBegan {
                run,
                number,
                command,
            } => {
                if let Some(row) = state.rows.get(run) {
                    row.step(u64::from(*number), command);
                }
            }
            RunEvent::Completed { .. } => {}
            RunEvent::Finished { run, outcome } => {
                state.rows.remove(run);
                if outcome.failed() {
                    let (label, verdict) = (outcome.label(), outcome.verdict.name());
                    self.board.failed(&format!("{label}: {verdict}"));
                }
                state.finished += 1;
                self.board.position(state.finished);
            }
        }
    }
}
