//! Events of a suite, for its observers: the progress board, artifacts, timelines, recordings.

use super::case::CompletedRun;
use super::outcome::Outcome;
use super::plan::TestCase;

/// An event of a run. `run` numbers the runs of a suite in the order in which they start.
#[derive(Debug, Clone, Copy)]
pub enum RunEvent<'a> {
    /// A guest is about to start.
    Started {
        /// The run.
        run: usize,
        /// The test case.
        case: &'a TestCase<'a>,
    },
    /// A step began.
    StepBegan {
        /// The run.
        run: usize,
        /// The step's number, from 1.
        number: u32,
        /// The step's command.
        command: &'a str,
    },
    /// A guest ended, and its run was judged.
    Completed {
        /// The test case.
        case: &'a TestCase<'a>,
        /// The run's outcome and evidence.
        completed: &'a CompletedRun,
    },
    /// A run is over; this is the last event of each run, also of one without a guest.
    Finished {
        /// The run.
        run: usize,
        /// The outcome.
        outcome: &'a Outcome,
    },
}

/// An observer of a suite. Events of several runs come at the same time, from several threads.
pub trait RunObserver: Sync {
    /// Receives an event. An observer keeps its own errors.
    fn on_event(&self, event: &RunEvent<'_>);
}
