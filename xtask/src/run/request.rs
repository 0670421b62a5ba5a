//! The request for a run of a test case.

use std::path::PathBuf;

use anyhow::Result;
use kmodlab_protocol::{GuestFile, Setting};

use super::debug::DebugRequest;
use super::outcome::ScheduleName;
use super::plan::TestCase;
use super::runner::Script;
use crate::lesson::timestamp::{REAL_TOLERANCE, Tolerance, VIRTUAL_TOLERANCE};
use crate::pipeline::{self, Built};
use crate::schedule::ProbePoint;
use crate::vm::{Accel, Snapshot};

/// The way in which a guest is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In virtual time: the guest runs alone, as fast as it can.
    Virtual,
    /// The same, in a guest that boots, has one CPU, and is recorded.
    Recorded,
    /// In real time, with this accelerator: the host types the commands.
    RealTime(Accel),
}

impl Mode {
    /// Returns the tolerance for timestamps in a lesson.
    pub fn tolerance(self) -> Tolerance {
        match self {
            Mode::Virtual | Mode::Recorded => VIRTUAL_TOLERANCE,
            Mode::RealTime(_) => REAL_TOLERANCE,
        }
    }
}

/// The request for a run of a test case.
#[derive(Clone, Copy)]
pub(super) struct CaseRequest<'a> {
    pub mode: Mode,
    /// The schedule to apply.
    pub schedule: Option<&'a CaseSchedule<'a>>,
    /// The debugger under which the schedule runs, if any.
    pub debugger: Option<&'a DebugRequest<'a>>,
    /// Whether a timeline is made.
    pub timeline: bool,
    /// The number of this repetition, from 1, if there are several.
    pub repetition: Option<u32>,
    /// The command-line options that select the same kernel.
    pub kernel_options: &'a str,
    /// Returns the folder for the artifacts of a failed run with this id.
    pub artifacts: ArtifactFolder<'a>,
}

/// A function that returns the folder for the artifacts of a failed run with this id; `None` if
/// none are written.
pub type ArtifactFolder<'a> = &'a (dyn Fn(&str) -> Option<PathBuf> + Sync);

impl CaseRequest<'_> {
    /// Returns the request for a single run without options.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            schedule: None,
            debugger: None,
            timeline: false,
            repetition: None,
            kernel_options: "",
            artifacts: &|_| None,
        }
    }
}

/// The schedule of one run of a test case.
#[derive(Debug)]
pub(super) struct CaseSchedule<'a> {
    pub name: ScheduleName,
    /// The order for `perturb`.
    pub setting: Setting,
    /// The probe points of the order.
    pub points: Vec<ProbePoint>,
    pub snapshot: Option<&'a Snapshot>,
}

/// Returns the script of a run with a schedule. The kernel always records a trace, so that all
/// guests of a test case are the same, and so is the run of a seed when its timeline is
/// requested.
pub(super) fn scheduled_script<'a>(built: &Built, case: &TestCase<'a>) -> Result<Script<'a>> {
    Ok(Script {
        transcript: &case.lesson.transcript,
        files: lesson_files(built, case)?,
        traces: true,
    })
}

/// Returns the lesson's modules and the other files of its project, for the guest.
pub(super) fn lesson_files(built: &Built, case: &TestCase<'_>) -> Result<Vec<GuestFile>> {
    let owner = case.lesson.owner();
    let modules = built.modules_of(owner, case.language);
    let mut files: Vec<GuestFile> = modules.map(pipeline::in_guest).collect::<Result<_>>()?;
    let of_project = built.project_files.iter().filter(|(name, _)| name == owner);
    files.extend(of_project.map(|(_, file)| file.clone()));
    Ok(files)
}
