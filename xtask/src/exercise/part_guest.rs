//! A guest for one part of an answer: its commands, and its timeline.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use super::answer::Answer;
use crate::failure::Failure;
use crate::kernel::source::SourceRequest;
use crate::lesson::Lesson;
use crate::lesson::transcript::Step;
use crate::modules::ModuleRequest;
use crate::run::plan::{PlannedCase, TestCase};
use crate::run::{
    GuestKind, GuestSettings, Prepared, RunEvent, RunObserver, SuiteNeeds, SuiteSettings,
};
use crate::session::Session;
use crate::timeline::Timeline;

/// A command of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCommand {
    /// The line in the text.
    pub line: usize,
    /// The command.
    pub command: String,
}

impl Answer<'_> {
    /// Returns the module to build.
    pub fn module(&self) -> ModuleRequest<'_> {
        ModuleRequest::Project(&self.project, self.language)
    }

    /// Returns the commands of a part, given by its index; none if the part needs no guest.
    pub fn commands(&self, part: usize) -> Vec<PartCommand> {
        let steps = self.lesson(part).map(|lesson| &lesson.transcript.steps[..]);
        let command = |step: &Step| PartCommand {
            line: step.line,
            command: step.command.clone(),
        };
        steps.unwrap_or_default().iter().map(command).collect()
    }

    fn lesson(&self, part: usize) -> Option<&Lesson> {
        self.parts.get(part)?.lesson.as_ref()
    }

    /// Runs a part in a guest, and returns the timeline.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if the answer does not compile, with a usage error if the part
    /// needs no guest, and if the guest cannot be run.
    pub fn timeline(
        &self,
        session: &Session,
        source: &SourceRequest,
        part: usize,
    ) -> Result<Timeline> {
        let lesson = self
            .lesson(part)
            .ok_or_else(|| Failure::usage("this part needs no guest, so it has no timeline"))?;
        let index = self.parts[part].index;
        let profile = self.exercise.task.parts[index].settings.profile();
        let cases = [PlannedCase::Read(TestCase {
            lesson,
            language: self.language,
        })];
        let needs = SuiteNeeds {
            source,
            configuration: &profile.into(),
            settings: &GuestSettings::default(),
            cases: &cases,
            schedules: false,
            guests: GuestKind::Resumed,
        };
        let prepared = Prepared::new(session, needs)?;
        prepared.built.all_modules()?;
        let settings = SuiteSettings {
            timeline: true,
            ..SuiteSettings::new(prepared.mode)
        };
        let last = LastTimeline::default();
        let run = prepared.runner(session).suite(&cases, settings, &[&last]);
        let timeline = last.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        match run.outcomes.first() {
            Some(outcome) if timeline.is_none() => bail!("{}", outcome.verdict),
            _ => timeline.context("the run has no timeline"),
        }
    }
}

/// Keeps the timeline of a run.
#[derive(Debug, Default)]
struct LastTimeline(Mutex<Option<Timeline>>);

impl RunObserver for LastTimeline {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { completed, .. } = event {
            let mut timeline = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            timeline.clone_from(&completed.timeline);
        }
    }
}
