//! Recordings of the parts that fail.

use anyhow::Result;

use super::{Check, PartIndex};
use crate::exercise::result::PartState;
use crate::recording::RecordingFolder;
use crate::run::plan::PlannedCase;
use crate::run::{
    GuestSettings, GuestStart, Mode, RunEvent, RunObserver, Runner, StartOptions, SuiteSettings,
};

impl Check<'_> {
    /// Runs each part without schedules that failed once more in a guest that is recorded, and writes the
    /// recordings. A part that passes there, because the guest has one CPU, has none.
    pub(super) fn record_failures(&self, kernel: usize, folder: &RecordingFolder) -> Result<()> {
        let kernel = &self.kernels[kernel];
        let mut parts = self.parts_of(kernel.profile);
        parts.retain(|&part| self.is_recordable(part));
        if parts.is_empty() {
            return Ok(());
        }
        let options = StartOptions {
            delays: false,
            snapshot: false,
        };
        let settings = GuestSettings::default();
        let runner = Runner {
            session: self.session,
            built: &kernel.built,
            start: &GuestStart::new(self.session, &kernel.built, options, &settings)?,
        };
        let cases = self.cases(&parts);
        let runnable = cases.iter().filter_map(PlannedCase::runnable).copied();
        let writer = folder.writer(self.session, &kernel.built, runnable);
        let settings = SuiteSettings::new(Mode::Recorded);
        runner.suite(&cases, settings, &[&FailedRuns(&writer)]);
        writer.finish()
    }

    fn is_recordable(&self, part: PartIndex) -> bool {
        let (answer, index) = part;
        self.parts[answer][index].state == PartState::Failed
            && self.compiled[answer].verdict == "pass"
            && !self.has_schedules(part)
    }
}

/// Passes on the runs that failed.
struct FailedRuns<'a>(&'a dyn RunObserver);

impl RunObserver for FailedRuns<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { completed, .. } = event
            && !completed.outcome.verdict.passed()
        {
            self.0.on_event(event);
        }
    }
}
