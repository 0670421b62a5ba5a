//! Runs of a suite: each test case in a guest of its own, several at the same time, and all of
//! them as often as requested.
//!
//! ```text
//! TestCase -> Assignment -> (guest) -> GuestRun -> Verdict -> Outcome
//! ```

mod case;
mod events;
pub mod outcome;
pub mod plan;
mod prepare;
mod request;
mod runner;
mod scheduled;
mod start;
mod suite;
pub mod update;

pub use case::CompletedRun;
pub use events::{RunEvent, RunObserver};
pub use outcome::Outcome;
pub use prepare::{GuestKind, Prepared, SuiteNeeds};
pub use request::Mode;
pub use runner::{RecordedInput, Runner, TaggedRun};
pub use scheduled::{RaceFindings, ScheduledCase, race_findings};
pub use start::{GuestStart, StartOptions};
pub use suite::{SuiteSettings, without_guests};
