//! What a run of lessons came to, for people.
//!
//! One line a lesson and language, then what a failed one needs, then the counts alone on
//! the last line.

mod details;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use snapbox::report::Palette;

use crate::failure::Fault;
use crate::lesson::Lesson;
use crate::lesson::kernel_log::KernelLog;
use crate::lesson::verdict::Verdict;
use crate::modules::Language;
use crate::symbols::Spot;
use crate::vm::GuestRun;

/// A lesson in one language and what its run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The lesson's name.
    pub lesson: String,
    /// What its module is written in.
    pub language: Language,
    /// Its text, as shown to the user.
    pub readme: PathBuf,
    /// What its run came to.
    pub verdict: Verdict,
    /// Where in the lesson's sources the tasks were that the kernel reported.
    pub spots: Vec<Spot>,
    /// The host's time for the guest.
    pub wall: Duration,
    /// The guest's clock at its end, in seconds since boot.
    pub guest_seconds: Option<f64>,
    /// The file with all that the guest said.
    pub log: Option<PathBuf>,
}

impl Outcome {
    /// The outcome of a lesson that was played; `log` is where all that the
    /// guest said is kept.
    pub fn played(
        lesson: &Lesson,
        language: Language,
        verdict: Verdict,
        run: &GuestRun,
        log: PathBuf,
    ) -> Self {
        Self {
            lesson: lesson.name.clone(),
            language,
            readme: lesson.readme.clone(),
            verdict,
            spots: Vec::new(),
            wall: run.wall,
            guest_seconds: KernelLog::read("", &run.log).last_time(),
            log: Some(log),
        }
    }

    /// The outcome of a lesson that was not.
    pub fn skipped(lesson: &Lesson, language: Language, why: impl Into<String>) -> Self {
        Self {
            lesson: lesson.name.clone(),
            language,
            readme: lesson.readme.clone(),
            verdict: Verdict::Skipped { why: why.into() },
            spots: Vec::new(),
            wall: Duration::ZERO,
            guest_seconds: None,
            log: None,
        }
    }

    /// The run's name: `kthread_run (c)`.
    pub fn name(&self) -> String {
        format!("{} ({})", self.lesson, self.language)
    }
}

/// Whose fault it is if not all is well: a lesson's before the machine's.
pub fn fault(outcomes: &[Outcome]) -> Option<Fault> {
    let mut fault = None;
    for Outcome { verdict, .. } in outcomes {
        match verdict {
            Verdict::Pass | Verdict::Skipped { .. } => {}
            Verdict::Infrastructure { .. } => fault = fault.or(Some(Fault::Machine)),
            _ => fault = Some(Fault::Lesson),
        }
    }
    fault
}

/// Writes the report. `color` is for a terminal.
pub fn print(out: &mut dyn Write, outcomes: &[Outcome], color: bool) -> io::Result<()> {
    let palette = if color {
        Palette::color()
    } else {
        Palette::plain()
    };
    let width = outcomes.iter().map(|outcome| outcome.name().len()).max();
    let width = width.unwrap_or(0);
    for outcome in outcomes {
        let Outcome {
            verdict,
            wall,
            guest_seconds,
            ..
        } = outcome;
        let word = if verdict.passed() {
            palette.info("ok")
        } else if verdict.skipped() {
            palette.warn("--")
        } else {
            palette.error("FAILED")
        };
        write!(out, "{:width$}  {word}", outcome.name())?;
        if !verdict.skipped() {
            write!(out, "  {:.1} s", wall.as_secs_f64())?;
        }
        if let Some(seconds) = guest_seconds {
            write!(out, " ({seconds:.1} s in the guest)")?;
        }
        if verdict.passed() {
            writeln!(out)?;
        } else {
            writeln!(out, "  {}: {verdict}", verdict.name())?;
        }
    }
    for outcome in outcomes {
        if !outcome.verdict.passed() && !outcome.verdict.skipped() {
            details::print(out, outcome, palette)?;
        }
    }
    let passed = outcomes.iter().filter(|o| o.verdict.passed()).count();
    let skipped = outcomes.iter().filter(|o| o.verdict.skipped()).count();
    let failed = outcomes.len() - passed - skipped;
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod tests;
