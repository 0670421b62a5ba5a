//! Runs of a suite: each test case in a guest of its own, several at the same time, and all of
//! them as often as requested.
//!
//! ```text
//! TestCase -> Assignment -> (guest) -> GuestRun -> Verdict -> Outcome
//! ```

mod baseline;
mod case;
mod clean;
mod debug;
mod delay_place;
mod events;
mod failure_place;
mod narrow;
pub mod outcome;
pub mod plan;
mod prepare;
mod race_findings;
mod request;
mod runner;
mod scheduled;
mod start;
mod suite;
pub mod update;
mod weak_memory;

pub use case::CompletedRun;
pub use clean::{CleanSchedules, clean_schedules};
pub use delay_place::{DelayPlace, SourceLine};
pub use events::{RunEvent, RunObserver};
pub use narrow::{Narrowed, NarrowedDelay, NarrowedRace, NarrowingResult, Pair};
pub use outcome::{Outcome, ScheduleName};
pub use prepare::{GuestKind, Prepared, SuiteNeeds};
pub use race_findings::{RaceFindings, race_findings};
pub use request::Mode;
pub use runner::{RecordedInput, Runner, TaggedRun};
pub use scheduled::{ScheduledCase, check_schedule};
pub use start::{GuestSettings, GuestStart, StartOptions};
pub use suite::{SuiteRun, SuiteSettings, without_guests};
