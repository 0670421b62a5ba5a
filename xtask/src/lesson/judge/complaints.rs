//! Complaints of a kernel that went on.

use std::cell::OnceCell;

use super::{Case, GuestRecord, KernelReport, Verdict};
use crate::lesson::compare::{WILDCARD, line_matches};
use crate::lesson::kernel_log::is_refusal;
use crate::lesson::leaks::{self, Leaks};
use crate::lesson::timestamp::split_expected;

/// Minimum number of letters and digits of a line in the transcript that expects a complaint.
const MIN_EXPECTED: usize = 12;

impl Case<'_> {
    /// Returns a verdict if the kernel ended a process because it ran out of memory: whatever
    /// else went wrong follows from that.
    pub(super) fn out_of_memory(&self) -> Option<Verdict> {
        self.log
            .out_of_memory()
            .map(|report| self.kernel_report(report))
    }

    pub(super) fn complaint(&self) -> Option<Verdict> {
        // The scan that finds leaks comes after the lesson. In the log it reports their number,
        // which includes memory that was lost before the lesson.
        let counts =
            |report: &KernelReport| self.record.kmemleak.is_some() && report.counts_leaks();
        let report = self.log.report().filter(|report| !counts(report));
        let report = report.or_else(|| self.complaint_by_level());
        let Some(report) = report else {
            return self
                .leaks()
                .map(|Leaks { headline, report }| Verdict::KernelReport {
                    headline,
                    report,
                    during: None,
                });
        };
        Some(self.kernel_report(report))
    }

    /// Returns the first message of the kernel itself at the level of a warning or worse that the
    /// transcript did not expect.
    fn complaint_by_level(&self) -> Option<KernelReport> {
        let origins = OnceCell::new();
        self.log.complaint(|message, at| {
            let is_kernels = || origins.get_or_init(self.origins).is_kernels(message);
            !self.is_expected(message)
                && !self.is_allowed(message)
                && !self.is_expected_refusal(message, at)
                && is_kernels()
        })
    }

    /// Reports whether the lesson's project allows a message of the log.
    fn is_allowed(&self, message: &str) -> bool {
        let project = self.lesson.project.as_ref();
        project.is_some_and(|project| project.allowed.has_message(message))
    }

    /// Reports whether the kernel refused a module or a value with a message, at a time of its
    /// log, and the transcript expects that the command fails.
    fn is_expected_refusal(&self, message: &str, at: Option<f64>) -> bool {
        let step = || self.lesson.transcript.steps.get(self.step_at(at)?);
        is_refusal(message) && step().is_some_and(|step| step.status != 0)
    }

    /// Reports whether a line of the transcript expects a message of the log. A line of hardly
    /// more than wildcards does not.
    fn is_expected(&self, message: &str) -> bool {
        let steps = self.lesson.transcript.steps.iter();
        let mut lines = steps.flat_map(|step| &step.expected);
        lines.any(|line| {
            let letters = line.replace(WILDCARD, "");
            let letters = letters.chars().filter(|c| c.is_alphanumeric()).count();
            let text = split_expected(line).map_or(line.as_str(), |(_, text)| text.trim_start());
            let text = text.strip_prefix(&format!("{WILDCARD} ")).unwrap_or(text);
            letters >= MIN_EXPECTED && line_matches(text, message)
        })
    }

    fn kernel_report(&self, report: KernelReport) -> Verdict {
        Verdict::KernelReport {
            during: self.during_time(report.at),
            headline: report.headline,
            report: report.lines,
        }
    }

    fn leaks(&self) -> Option<Leaks> {
        let GuestRecord {
            kmemleak,
            sections,
            jiffies,
            ..
        } = &self.record;
        leaks::read(kmemleak.as_deref()?, jiffies.unwrap_or(0), sections)
    }
}
