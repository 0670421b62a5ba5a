//! The verdict on a run that wrote without end.

use super::Case;
use crate::lesson::record::GuestRecord;
use crate::lesson::verdict::{OutputSource, Verdict};
use crate::text::{excerpt, excerpt_of_ends};
use crate::vm::{Channel, GuestEnd, GuestRun};

impl Case<'_> {
    /// Returns a verdict if the agent or the host stopped the run because there was too much
    /// output.
    pub(super) fn output_limit(&self, run: &GuestRun) -> Option<Verdict> {
        let GuestRecord {
            output_limit,
            late_output,
            steps,
            ..
        } = self.record;
        if let Some(last) = output_limit {
            let under_way = steps.last().filter(|step| step.end.is_none());
            let first = under_way.map_or(late_output, |step| &step.output);
            return Some(Verdict::OutputLimit {
                source: OutputSource::Commands,
                excerpt: excerpt_of_ends(first, last),
                during: self.during(),
            });
        }
        let (source, excerpt) = match &run.end {
            GuestEnd::OutputLimit(Channel::Log) => {
                // Endless warnings have a stack.
                let report = self.log.report().map(|report| report.lines);
                let lines = report.unwrap_or_else(|| self.log.ends());
                (OutputSource::KernelLog, lines)
            }
            GuestEnd::OutputLimit(Channel::Agent) => (OutputSource::Agent, Vec::new()),
            GuestEnd::OutputLimit(Channel::Debug) => {
                (OutputSource::DebugConsole, excerpt(&run.debug))
            }
            GuestEnd::OutputLimit(Channel::QemuErrors) => {
                (OutputSource::Qemu, excerpt(run.qemu_errors.as_bytes()))
            }
            GuestEnd::EventLimit { event } => (OutputSource::Events, vec![event.clone()]),
            _ => return None,
        };
        Some(Verdict::OutputLimit {
            source,
            excerpt,
            during: self.during(),
        })
    }
}
