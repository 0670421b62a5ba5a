//! Runs of one test case under many schedules.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::outcome::ScheduleName;
use super::plan::TestCase;
use super::request::{CaseRequest, CaseSchedule, Mode, scheduled_script};
use super::runner::Runner;
use super::weak_memory;
use crate::failure::Failure;
use crate::lesson::Origin;
use crate::modules::{Language, Module};
use crate::pipeline::Built;
use crate::schedule::{
    self, Aim, Baseline, ExactDelay, ExactSchedule, HeldStore, KernelCode, KernelPoint, ModuleCode,
    ProbePoint, SeededSchedule,
};
use crate::session::Session;
use crate::symbols::{SourceLocation, Symbols};
use crate::vm::{GuestRun, Snapshot};

/// Everything that the schedules of one test case share.
#[derive(Debug)]
pub struct ScheduledCase {
    /// The name of the module whose tasks are delayed, as the kernel has it.
    module: String,
    /// A guest that has the test case and waits for a schedule, if a snapshot could be taken.
    snapshot: Option<Snapshot>,
    /// The places in the module's code.
    code: ModuleCode,
    /// The probe points that tasks reach; without them there are no schedules of seeds.
    baseline: Option<Baseline>,
}

impl ScheduledCase {
    /// Returns the schedule of a seed.
    ///
    /// # Errors
    ///
    /// If there was no baseline run.
    pub(super) fn seeded(&self, seed: u32, aim: Aim) -> Result<CaseSchedule<'_>> {
        let baseline = self.baseline.as_ref().context("there is no baseline run")?;
        let schedule = SeededSchedule::new(seed, baseline, aim);
        let order = schedule.order(&self.module, &self.code);
        let order = order.map_err(|delay| unknown_point(&delay, &self.code))?;
        Ok(CaseSchedule {
            name: ScheduleName::Seed(seed),
            setting: order.setting,
            points: order.points,
            snapshot: self.snapshot.as_ref(),
        })
    }

    /// Returns the results of the baseline run, if there was one.
    pub(super) fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Returns a schedule that names its delays. With probe points in `observed`, `perturb` reports
    /// each arrival.
    ///
    /// # Errors
    ///
    /// If a delay is not at a probe point of the module.
    pub(super) fn exact(
        &self,
        schedule: &ExactSchedule,
        observed: &[ProbePoint],
    ) -> Result<CaseSchedule<'_>> {
        let order = schedule.order(&self.module, &self.code, observed);
        let order = order.map_err(|delay| unknown_point(&delay, &self.code))?;
        Ok(CaseSchedule {
            name: ScheduleName::Exact(schedule.clone()),
            setting: order.setting,
            points: order.points,
            snapshot: self.snapshot.as_ref(),
        })
    }

    /// Returns the probe points: first those that tasks reach, then all.
    pub(super) fn reached_first(&self) -> impl Iterator<Item = &ProbePoint> {
        let lines = self.baseline.iter().flat_map(|baseline| &baseline.lines);
        lines.flat_map(|line| &line.points).chain(&self.code.points)
    }

    /// Returns the probe point in the kernel at which a schedule delays a task, if it is one.
    pub(super) fn kernel_point(&self, delay: &ExactDelay) -> Option<&KernelPoint> {
        let is_at = |kernel: &&KernelPoint| delay.is_at(&kernel.point);
        let in_module = self.code.points.iter().any(|point| delay.is_at(point));
        self.code.kernel.iter().find(is_at).filter(|_| !in_module)
    }

    /// Returns the probe points at which the module calls the kernel to get to a point there: those that tasks
    /// reach, if that is known.
    pub(super) fn calls_of(&self, kernel: &KernelPoint) -> impl Iterator<Item = &ProbePoint> {
        let lines = self.baseline.iter().flat_map(|baseline| &baseline.lines);
        let reached = lines.flat_map(|line| &line.points);
        let all = self.code.points.iter().filter(|_| self.baseline.is_none());
        let called = kernel.called.clone();
        let is_call = move |point: &&ProbePoint| {
            let function = point.calls.as_ref();
            function.is_some_and(|function| called.contains(function))
        };
        reached.chain(all).filter(is_call)
    }

    /// Returns the store that a delay of a schedule holds back, if it holds one.
    pub(super) fn held_store(&self, delay: &ExactDelay) -> Option<&HeldStore> {
        self.code.held.iter().find(|held| delay.holds(held))
    }
}

/// Checks that each delay of a schedule is at a probe point of a test case's module.
///
/// # Errors
///
/// If one is not, or the module cannot be read.
pub fn check_schedule(
    session: &Session,
    built: &Built,
    case: &TestCase<'_>,
    schedule: &ExactSchedule,
) -> Result<()> {
    let origin = case.lesson.origin();
    let Ok(module) = main_module(built, &origin, case.language) else {
        // The verdict says why.
        return Ok(());
    };
    let held = match schedule.held_store() {
        Some(_) => weak_memory::held_stores(session, built, case, module)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let code = module_code(built, module, held)?;
    let order = schedule.order(&module.name, &code, &[]);
    order.map_err(|delay| unknown_point(&delay, &code))?;
    Ok(())
}

/// Returns the places in a module's code, and in the kernel's functions that it calls, at which tasks may be
/// delayed.
fn module_code(built: &Built, module: &Module, held: Vec<HeldStore>) -> Result<ModuleCode> {
    let points = schedule::probe_points(&module.path)?;
    let called = points.iter().filter_map(|point| point.calls.as_deref());
    let kernel = KernelCode::read(&built.kernel.vmlinux())?.points(called);
    Ok(ModuleCode {
        points,
        kernel,
        held,
    })
}

pub(super) fn unknown_point(delay: &ExactDelay, code: &ModuleCode) -> anyhow::Error {
    let ExactDelay {
        function,
        offset,
        until,
        ..
    } = delay;
    if let Some(until) = until {
        let of_function = code.held.iter().filter(|it| it.store.function == *function);
        let ranges: Vec<String> = of_function
            .map(|held| format!("{:#x}..{:#x}", held.store.offset, held.end.offset))
            .collect();
        let why = match ranges.is_empty() {
            true => "the function has no stores that may be held back".to_owned(),
            false => format!("those of {function} are {}", ranges.join(", ")),
        };
        return Failure::usage(format!(
            "--schedule: {function}+{offset:#x}..{until:#x} is not a store that may be held back: {why}"
        ))
        .into();
    }
    let kernel = code.kernel.iter().map(|kernel| &kernel.point);
    let points = code.points.iter().chain(kernel);
    let of_function = points.filter(|point| point.function == *function);
    let offsets: Vec<String> = of_function
        .map(|point| format!("{:#x}", point.offset))
        .collect();
    let why = match offsets.is_empty() {
        true => without_points(function, code),
        false => format!(
            "the probe points of {function} are at {}",
            offsets.join(", ")
        ),
    };
    Failure::usage(format!(
        "--schedule: {function}+{offset:#x} is not a probe point: {why}"
    ))
    .into()
}

/// Maximum number of functions that a message names.
const MAX_NAMED: usize = 6;

/// Says why there is no probe point in a function.
fn without_points(function: &str, code: &ModuleCode) -> String {
    let is_it = |point: &ProbePoint| point.calls.as_deref() == Some(function);
    if code.points.iter().any(is_it) {
        return format!("the module calls {function}, which has no probe points");
    }
    let own: BTreeSet<&str> = code.points.iter().map(|point| &*point.function).collect();
    let all = own.len();
    let named: Vec<&str> = own.into_iter().take(MAX_NAMED).collect();
    match (all, named.join(", ")) {
        (0, _) => "the module has no probe points".to_owned(),
        (1..=MAX_NAMED, named) => format!("the module's functions with probe points are {named}"),
        (_, named) => format!("the module has probe points in {all} functions, among them {named}"),
    }
}

impl Runner<'_> {
    /// Prepares the schedules of a test case: takes a snapshot of a guest that has the test
    /// case, and makes the baseline run, if `seeds` are to be run. With `weak_memory`, the seeds may
    /// hold back stores.
    ///
    /// # Errors
    ///
    /// If a guest cannot be run, or no task reaches a probe point.
    pub fn prepare_schedules(
        &self,
        case: &TestCase<'_>,
        seeds: bool,
        weak_memory: bool,
    ) -> Result<ScheduledCase> {
        let TestCase { lesson, language } = *case;
        let script = scheduled_script(self.built, case)?;
        let name = format!("{}-{language}", lesson.name);
        let snapshot = self.snapshot_with(&name, &script);
        let origin = lesson.origin();
        let module = main_module(self.built, &origin, language)?;
        if seeds && self.built.modules_of(&origin.owner, language).count() > 1 {
            self.session.ui.note(format!(
                "{}: schedules delay tasks in the code of {} only, the module that is loaded last",
                case.name(),
                module.name
            ));
        }
        let held = match weak_memory {
            true => weak_memory::held_stores(self.session, self.built, case, module)?,
            false => None,
        };
        let may_hold = held.is_some();
        let code = module_code(self.built, module, held.unwrap_or_default())?;
        let baseline = match seeds {
            true => Some(self.baseline(case, &script, snapshot.as_ref(), &code)?),
            false => None,
        };
        if may_hold
            && baseline
                .as_ref()
                .is_some_and(|baseline| baseline.stores.is_empty())
        {
            self.session.ui.note(format!(
                "--weak-memory: {} has no two stores of one task that another task uses: its schedules are \
                 those without the option",
                case.name()
            ));
        }
        Ok(ScheduledCase {
            module: module.kernel_name(),
            snapshot,
            code,
            baseline,
        })
    }

    /// Runs a test case with the schedule of a seed.
    ///
    /// # Errors
    ///
    /// If a guest cannot be run.
    pub fn seed(
        &self,
        case: &TestCase<'_>,
        seed: u32,
        prepared: &ScheduledCase,
    ) -> Result<GuestRun> {
        let request = CaseRequest {
            schedule: Some(&prepared.seeded(seed, Aim::default())?),
            ..CaseRequest::new(Mode::Virtual)
        };
        Ok(self.case(case, &request, &mut |_| ())?.run)
    }
}

/// Returns the module whose tasks schedules delay: of a project with several, the one that is
/// loaded last.
pub(super) fn main_module<'a>(
    built: &'a Built,
    origin: &'a Origin,
    language: Language,
) -> Result<&'a Module> {
    let last = built.modules_of(&origin.owner, language).next_back();
    last.context("the lesson's module was not built")
}

/// Returns the symbols of a guest with the modules of a lesson.
pub(super) fn symbols_of<'a>(
    session: &Session,
    built: &'a Built,
    origin: &'a Origin,
    language: Language,
) -> Symbols<'a> {
    let modules = built.modules_of(&origin.owner, language);
    let paths = modules.map(|module| (&*module.name, &*module.path));
    Symbols::new(&built.kernel, paths, session.workspace.modules())
        .of_project(origin.sources.clone())
}

/// Returns the line of the lesson's or of the kernel's source that has a probe point of a module.
pub(super) fn point_location(
    symbols: &mut Symbols<'_>,
    module: &str,
    point: &ProbePoint,
) -> Option<SourceLocation> {
    match point.in_kernel {
        true => symbols.kernel_location(&point.function, point.offset),
        false => symbols.source_location(module, &point.function, point.offset),
    }
}
