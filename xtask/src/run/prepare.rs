//! Builds everything that a suite needs.

use anyhow::{Result, bail};
use kmodlab_protocol::TRACKER;

use super::plan::PlannedCase;
use super::request::Mode;
use super::runner::Runner;
use super::start::{GuestSettings, GuestStart, StartOptions};
use crate::kernel::Configuration;
use crate::kernel::source::SourceRequest;
use crate::modules::{Language, ModuleRequest};
use crate::pipeline::{self, Built};
use crate::schedule;
use crate::session::Session;
use crate::vm::accel;

/// The needs of a suite.
#[derive(Debug, Clone, Copy)]
pub struct SuiteNeeds<'a> {
    /// The kernel.
    pub source: &'a SourceRequest,
    /// The kernel's configuration.
    pub configuration: &'a Configuration,
    /// The hardware and kernel parameters of the guests.
    pub settings: &'a GuestSettings,
    /// The test cases.
    pub cases: &'a [PlannedCase<'a>],
    /// Whether the suite has schedules.
    pub schedules: bool,
    /// The kind of its guests.
    pub guests: GuestKind,
}

/// The kind of a suite's guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestKind {
    /// In virtual time, and resumed from a snapshot.
    Resumed,
    /// In virtual time, and booted.
    Booted,
    /// In virtual time, booted and recorded.
    Recorded,
    /// In real time.
    RealTime,
}

/// Everything that a suite needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The kernel and modules.
    pub built: Built,
    /// The start of guests in virtual time.
    pub start: GuestStart,
    /// The way in which guests are run.
    pub mode: Mode,
}

impl Prepared {
    /// Builds everything that a suite needs.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be built, or one of kmodlab's own modules. A lesson's module that
    /// cannot be built is not an error: its test case gets a verdict.
    pub fn new(session: &Session, needs: SuiteNeeds<'_>) -> Result<Self> {
        let SuiteNeeds {
            source,
            configuration,
            settings,
            cases,
            schedules,
            guests,
        } = needs;
        let mut modules: Vec<ModuleRequest<'_>> = cases
            .iter()
            .filter_map(PlannedCase::runnable)
            .map(|case| case.lesson.modules(case.language))
            .collect();
        if schedules && !modules.is_empty() {
            modules.push(ModuleRequest::Own(schedule::MODULE, Language::Rust));
        }
        let built = pipeline::prepare_modules(session, source, configuration, &modules)?;
        let mut lessons = built.modules.iter();
        let runs_guests = lessons.any(|module| module.name != schedule::MODULE);
        let delays = schedules && runs_guests;
        for (name, language) in [(schedule::MODULE, Language::Rust), (TRACKER, Language::C)] {
            if let Some(unbuilt) = built.unbuilt(name, language) {
                bail!("{}", unbuilt.message);
            }
        }
        let mode = match guests {
            GuestKind::Resumed | GuestKind::Booted => Mode::Virtual,
            GuestKind::Recorded => Mode::Recorded,
            GuestKind::RealTime => {
                let Built {
                    toolchain,
                    kernel,
                    initramfs,
                    ..
                } = &built;
                Mode::RealTime(accel::choose(session, toolchain, kernel, initramfs, None)?)
            }
        };
        let options = StartOptions {
            delays,
            snapshot: guests == GuestKind::Resumed && runs_guests,
        };
        let start = GuestStart::new(session, &built, options, settings)?;
        Ok(Self { built, start, mode })
    }

    /// Returns the runner of guests.
    pub fn runner<'a>(&'a self, session: &'a Session) -> Runner<'a> {
        Runner {
            session,
            built: &self.built,
            start: &self.start,
        }
    }
}
