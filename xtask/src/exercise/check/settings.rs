//! Settings of a check.

use super::CheckEvent;
use crate::exercise::answer::Answer;
use crate::kernel::Profile;
use crate::kernel::source::SourceRequest;
use crate::recording::RecordingFolder;

/// The seed of the first schedule, where nobody asks for another.
pub const FIRST_SEED: u32 = 1;

/// Returns the reason for which a course refuses an answer whose module uses these symbols.
pub type RefusalRule<'a> = &'a (dyn Fn(&Answer<'_>, &[String]) -> Option<String> + Sync);

/// Settings of a check.
#[derive(Clone, Copy)]
pub struct CheckSettings<'a> {
    /// The kernel.
    pub source: &'a SourceRequest,
    /// The profile in place of those that parts ask for.
    pub profile: Option<Profile>,
    /// Whether parts with schedules are run.
    pub schedules: bool,
    /// The seed of the first schedule.
    pub first_seed: u32,
    /// Whether guests are shown on the progress board.
    pub progress: bool,
    /// The folder for recordings of the parts that fail; those with schedules have none.
    pub recordings: Option<&'a RecordingFolder>,
    /// The rules of a course.
    pub refusal: RefusalRule<'a>,
    /// Receives each event, from several threads.
    pub on_event: &'a (dyn Fn(CheckEvent<'_>) + Sync),
}

impl<'a> CheckSettings<'a> {
    /// Returns the settings of a student's check.
    pub fn new(source: &'a SourceRequest) -> Self {
        Self {
            source,
            profile: None,
            schedules: true,
            first_seed: FIRST_SEED,
            progress: true,
            recordings: None,
            refusal: &|_, _| None,
            on_event: &|_| (),
        }
    }
}
