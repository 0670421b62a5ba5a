//! Judges the run of a guest.

use std::cell::OnceCell;

use super::Lesson;
use super::compare::{compare, printed_lines};
use super::kernel_log::{INTERRUPTED, KernelLog, KernelReport, ReportKind};
use super::left_behind::{left_behind, left_behind_beside_report};
use super::origin::Origins;
use super::record::{self, GuestRecord, RecordedStep, StepEnd};
use super::shorten::shorten;
use super::timestamp::Tolerance;
use super::transcript::StatedLimit;
use super::verdict::{Mismatch, TextLocation, Verdict};
use crate::vm::{GuestEnd, GuestRun, Interruption};
use kmodlab_protocol::Tag;

/// The number of the log's last lines that are shown of a lost guest.
const LAST_LINES: usize = 20;

/// Seconds before and after a command in which the log's lines are shown with it.
const MARGIN: f64 = 0.05;

/// The channels of a guest, parsed.
#[derive(Debug)]
pub struct Evidence {
    /// The agent's messages.
    pub record: GuestRecord,
    /// The kernel's log.
    pub log: KernelLog,
}

impl Evidence {
    /// Returns true if the guest started the lesson.
    pub fn lesson_started(&self) -> bool {
        self.log.lesson_began() && self.record.started
    }

    /// Parses the channels of a guest whose agent's messages have this tag.
    pub fn read(tag: Tag, run: &GuestRun) -> Self {
        Self {
            record: record::read(tag, &run.agent),
            log: KernelLog::read(&run.log),
        }
    }
}

/// Judges the run of a guest that ran `lesson`. Timestamps may be off by the `tolerance`, which
/// depends on the guest's clock. `origins` returns the formats of the kernel and the modules; it is
/// called only if the log has a line whose origin matters.
///
/// The gravest finding counts: a host that failed before a kernel that stopped, that before
/// output without end, that before a shell that was lost, that before a kernel report, and that
/// before a mismatch.
pub fn judge(
    lesson: &Lesson,
    evidence: &Evidence,
    run: &GuestRun,
    tolerance: Tolerance,
    origins: &dyn Fn() -> Origins,
) -> Verdict {
    let Evidence { record, log } = evidence;
    let known = OnceCell::new();
    let own = log.without_imitations(|message| known.get_or_init(origins).is_modules(message));
    let log = own.as_ref().unwrap_or(log);
    let case = Case {
        lesson,
        tolerance,
        record,
        log,
        origins,
    };
    let project = lesson.project.as_ref();
    let is_allowed = |verdict: &Verdict| {
        project.is_some_and(|project| project.allowed.has_verdict(verdict.name()))
    };
    let counts = |verdict: &Verdict| !is_allowed(verdict);
    let verdict = case
        .host_failed(run)
        .or_else(|| case.not_started(run))
        .or_else(|| case.stopped(run))
        .or_else(|| case.output_limit(run))
        .or_else(|| case.out_of_memory().filter(counts))
        .or_else(|| case.shell_lost())
        .or_else(|| case.guest_lost())
        .or_else(|| case.complaint().filter(counts))
        .or_else(|| case.mismatch())
        .or_else(|| case.left_over().filter(counts))
        .or_else(|| case.unchecked())
        .unwrap_or(Verdict::Pass);
    // A guest that stopped has nothing more to judge.
    match is_allowed(&verdict) {
        true => Verdict::Pass,
        false => verdict,
    }
}

struct Case<'a> {
    lesson: &'a Lesson,
    tolerance: Tolerance,
    record: &'a GuestRecord,
    log: &'a KernelLog,
    origins: &'a dyn Fn() -> Origins,
}

impl Case<'_> {
    fn host_failed(&self, run: &GuestRun) -> Option<Verdict> {
        let GuestEnd::QemuFailed { status, stderr } = &run.end else {
            return None;
        };
        // 128 and a signal's number, as a shell reports it.
        let number = status.strip_prefix("exit status: ");
        let what = match number.and_then(|number| number.parse::<i32>().ok()) {
            Some(number @ 129..=192) => format!("QEMU was killed by signal {}", number - 128),
            _ => format!("QEMU failed ({status})"),
        };
        let what = format!("{what}\n{stderr}");
        Some(Verdict::Infrastructure {
            what: what.trim_end().to_owned(),
        })
    }

    /// Returns a verdict if the guest did not start the lesson, which is not the lesson's fault.
    fn not_started(&self, run: &GuestRun) -> Option<Verdict> {
        if self.log.lesson_began() && self.record.started {
            return None;
        }
        let what = if self.log.is_empty() && run.agent.is_empty() {
            "it printed nothing at all".to_owned()
        } else if let Some(KernelReport { headline, .. }) = self.log.report() {
            format!("before the test case began, the kernel reported: {headline}")
        } else if self.log.lesson_began() {
            "its agent did not start the test case".to_owned()
        } else if self.log.init_reached() {
            "it reached its first program, /init, but not the test case".to_owned()
        } else {
            "it never reached its first program, /init".to_owned()
        };
        let why = match &run.end {
            GuestEnd::OutOfTime { guest_seconds } => {
                format!(" within {guest_seconds:.0} s of its own time")
            }
            GuestEnd::Stuck => "; it stood still".to_owned(),
            GuestEnd::OutputLimit(_) | GuestEnd::EventLimit { .. } => {
                "; it wrote without end".to_owned()
            }
            GuestEnd::Ended | GuestEnd::QemuFailed { .. } => String::new(),
        };
        let log = self.log.last(LAST_LINES);
        let what = format!("the guest did not start the test case: {what}{why}");
        Some(Verdict::Infrastructure {
            what: [vec![what], log].concat().join("\n"),
        })
    }

    /// Returns a verdict if the kernel stopped, or something in the guest hung.
    fn stopped(&self, run: &GuestRun) -> Option<Verdict> {
        let report = self.log.report();
        if let Some(KernelReport {
            kind: ReportKind::Fatal,
            headline,
            lines,
            at,
            ..
        }) = report
        {
            return Some(Verdict::Panic {
                headline,
                report: lines,
                during: self.during().or_else(|| self.during_time(at)),
            });
        }
        let is_over = matches!(run.end, GuestEnd::OutOfTime { .. } | GuestEnd::Stuck);
        if is_over
            && !self.record.finished()
            && let Some(message) = self.log.halted()
        {
            return Some(self.lost(format!("a command stopped it: {message}")));
        }
        let during = self.during();
        let report = report.filter(|report| report.kind == ReportKind::Hang);
        let busy = run.interruption == Some(Interruption::Busy);
        let symptom = match (&run.end, &report) {
            _ if busy => "the module keeps a CPU busy and does not return".to_owned(),
            (_, Some(KernelReport { headline, .. })) if headline == INTERRUPTED => {
                "no CPU took interrupts any more".to_owned()
            }
            (_, Some(KernelReport { headline, .. })) => {
                headline.trim_end_matches(['.', ':']).to_owned()
            }
            // A guest whose agent has finished has ended, whatever QEMU does: while QEMU resets
            // the machine, its clock may advance by a day.
            (GuestEnd::OutOfTime { .. }, _) if !self.record.finished() => {
                "the guest did not come to an end".to_owned()
            }
            (GuestEnd::Stuck, _) if !self.record.finished() => {
                "the guest's clock stood still and nothing ran".to_owned()
            }
            _ if self.record.timeout.is_some() => format!(
                "the test case exceeded its limit of {} s ({})",
                self.lesson.transcript.limit(),
                self.limit_origin()
            ),
            _ => return None,
        };
        let symptom = match report.as_ref().and_then(|report| report.after.as_ref()) {
            Some(complaint) => format!("the kernel reported {complaint}, and then {symptom}"),
            None => symptom,
        };
        let now = match (&run.end, &report) {
            // After the kernel's own report, the clock of a guest that does not stop says nothing.
            (GuestEnd::OutOfTime { guest_seconds }, None) => Some(*guest_seconds),
            _ => self.record.timeout.or(self.log.last_time()),
        };
        let began = self.step_under_way().map(|step| step.begin);
        Some(Verdict::Hang {
            symptom,
            report: match report {
                Some(report) => report.lines,
                None => self
                    .log
                    .stacks()
                    .unwrap_or_else(|| self.log.last(LAST_LINES * 3)),
            },
            seconds: now
                .zip(began)
                .map(|(now, began)| now - began)
                // The step that reached the limit may have begun right before.
                .filter(|seconds| during.is_some() && (busy && *seconds > 0.0 || *seconds >= 1.0)),
            during,
        })
    }

    /// Returns the place that states the limit of the run, and of a default the place that can change it.
    fn limit_origin(&self) -> &'static str {
        match (self.lesson.transcript.stated_limit, &self.lesson.project) {
            (Some(StatedLimit::Text(_)), _) => "`<!-- limit: N s -->` in the text",
            (Some(StatedLimit::Manifest(_)), _) => "`limit` of `[test]` in kmodlab.toml",
            (None, Some(_)) => "the default; `limit` of `[test]` in kmodlab.toml changes it",
            (None, None) => "the default; `<!-- limit: N s -->` in the text changes it",
        }
    }

    fn shell_lost(&self) -> Option<Verdict> {
        let status = self.record.shell?;
        let complete = self.record.steps.len() == self.lesson.transcript.steps.len()
            && self.step_under_way().is_none();
        (!complete).then(|| Verdict::ShellLost {
            status,
            during: self.during(),
        })
    }

    fn guest_lost(&self) -> Option<Verdict> {
        (!self.record.finished()).then(|| {
            let what = match self.during() {
                Some(_) => "it ended in the middle of the test case",
                None => "it ended before it reported what the test case left behind",
            };
            self.lost(what.to_owned())
        })
    }

    /// Returns a verdict if a detector of the kernel was not active, so that the lack of findings
    /// shows nothing.
    fn unchecked(&self) -> Option<Verdict> {
        let why = match self.log.lockdep_off() {
            Some(line) => format!("lockdep had disabled itself: {line}"),
            None => format!("{} could not be used", self.record.unavailable.first()?),
        };
        Some(Verdict::Infrastructure {
            what: format!("a detector of the kernel was not active: {why}"),
        })
    }

    fn mismatch(&self) -> Option<Verdict> {
        let (first, further) = self.mismatches()?;
        Some(Verdict::Mismatch {
            first: Box::new(first),
            further,
        })
    }

    /// Returns the first of the steps that ended and differ from the text, and the number of the
    /// others.
    fn mismatches(&self) -> Option<(Mismatch, usize)> {
        let mut first = None;
        let mut further = 0;
        let mut above = None;
        let steps = &self.lesson.transcript.steps;
        for (index, (step, recorded)) in steps.iter().zip(&self.record.steps).enumerate() {
            let printed = printed_lines(&recorded.output);
            let compared = compare(&step.expected, &printed, above, self.tolerance);
            above = compared.last_timestamp;
            let Some(end) = recorded.end else { break };
            if compared.matches && end.status == step.status {
                continue;
            }
            if first.is_some() {
                further += 1;
                continue;
            }
            let printed = match compared.matches {
                true => &step.expected,
                false => &compared.normalised,
            };
            let (expected, printed) = shorten(&step.expected, printed);
            first = Some(Mismatch {
                location: self.location(index)?,
                expected,
                printed,
                status: (step.status, end.status),
                log: log::last(self.log_during(recorded.begin, end.at)),
            });
        }
        first.map(|first| (first, further))
    }

    fn left_over(&self) -> Option<Verdict> {
        let (Some(before), Some(after)) = (&self.record.before, &self.record.after) else {
            return None;
        };
        // Only a project accepts reports, and one that is not accepted has ended the judgement before.
        let reported = self.lesson.project.is_some() && self.log.report().is_some();
        let left = match reported && self.complaint().is_some() {
            true => left_behind_beside_report(before, after),
            false => left_behind(before, after),
        };
        (!left.is_empty()).then_some(Verdict::LeftOver { left })
    }

    fn lost(&self, what: String) -> Verdict {
        Verdict::GuestLost {
            what,
            during: self.during(),
            log: self.log.last(LAST_LINES),
        }
    }

    fn step_under_way(&self) -> Option<&RecordedStep> {
        self.record.steps.last().filter(|step| step.end.is_none())
    }

    /// Returns the step that was under way when the run ended.
    fn during(&self) -> Option<TextLocation> {
        self.step_under_way()
            .and_then(|_| self.location(self.record.steps.len() - 1))
    }

    fn location(&self, index: usize) -> Option<TextLocation> {
        let steps = &self.lesson.transcript.steps;
        let step = steps.get(index)?;
        Some(TextLocation {
            line: step.line,
            command: step.command.clone(),
            before: steps[..index]
                .iter()
                .map(|step| step.command.clone())
                .collect(),
        })
    }

    /// Returns the step that was under way at a time of the kernel's log; none after the end of
    /// the last step, when the guest idles.
    fn during_time(&self, at: Option<f64>) -> Option<TextLocation> {
        self.location(self.step_at(at)?)
    }

    /// Returns the index of that step.
    fn step_at(&self, at: Option<f64>) -> Option<usize> {
        let at = at? - self.log_ahead();
        let steps = &self.record.steps;
        let index = steps.iter().rposition(|step| step.begin <= at + 0.01)?;
        let was_last = self.record.shell.is_some() && index + 1 == steps.len();
        let is_over = |end: StepEnd| was_last && at > end.at + MARGIN;
        (!steps.get(index)?.end.is_some_and(is_over)).then_some(index)
    }
}

mod cause;
mod complaints;
mod log;
mod output_limit;

pub use cause::{earlier_mismatch, unexpected_success};

#[cfg(test)]
mod tests;
