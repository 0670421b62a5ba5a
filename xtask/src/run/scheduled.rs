//! Runs of one test case under many schedules.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Context as _, Result, ensure};
use kmodlab_protocol::RunOptions;

use super::outcome::ScheduleName;
use super::plan::TestCase;
use super::request::{CaseRequest, CaseSchedule, Mode, scheduled_script};
use super::runner::{Runner, Script};
use super::weak_memory;
use crate::failure::Failure;
use crate::lesson::Origin;
use crate::modules::{Language, Module};
use crate::pipeline::Built;
use crate::schedule::{
    self, Aim, Baseline, BaselineReport, ExactDelay, ExactSchedule, HeldStore, ModuleCode,
    ProbeLine, ProbePoint, Schedule, SeededSchedule,
};
use crate::session::Session;
use crate::symbols::Symbols;
use crate::vm::{GuestRun, Snapshot};

/// Stands for all lines that are not the lesson's: more of a module's code comes from Rust's
/// library and the kernel's headers than from its own source.
const OTHER_LINES: (String, u32) = (String::new(), 0);

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
    let code = ModuleCode {
        points: schedule::probe_points(&module.path)?,
        held: match schedule.held_store() {
            Some(_) => weak_memory::held_stores(session, built, case, module)?.unwrap_or_default(),
            None => Vec::new(),
        },
    };
    let order = schedule.order(&module.name, &code, &[]);
    order.map_err(|delay| unknown_point(&delay, &code))?;
    Ok(())
}

fn unknown_point(delay: &ExactDelay, code: &ModuleCode) -> anyhow::Error {
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
    let points = &code.points;
    let of_function = points.iter().filter(|point| point.function == *function);
    let offsets: Vec<String> = of_function
        .map(|point| format!("{:#x}", point.offset))
        .collect();
    let why = match offsets.is_empty() {
        true => "the module has no such function with probe points".to_owned(),
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
        let held = match weak_memory {
            true => weak_memory::held_stores(self.session, self.built, case, module)?,
            false => None,
        };
        let may_hold = held.is_some();
        let code = ModuleCode {
            points: schedule::probe_points(&module.path)?,
            held: held.unwrap_or_default(),
        };
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

    /// Returns the probe points that the lesson's tasks reach in its module.
    ///
    /// A line that this run did not reach is included if its function was reached, because
    /// another run may reach it: where a condition holds in one run and not in the other, there
    /// may be a race. A line that was reached has only the probe points that were reached.
    fn baseline(
        &self,
        case: &TestCase<'_>,
        script: &Script<'_>,
        snapshot: Option<&Snapshot>,
        code: &ModuleCode,
    ) -> Result<Baseline> {
        let points = &code.points[..];
        let TestCase { lesson, language } = *case;
        let origin = lesson.origin();
        let module = main_module(self.built, &origin, language)?;
        let module_name = module.kernel_name();
        let mut report = BaselineReport::default();
        for chunk in schedule::chunks(points) {
            let order = Schedule::baseline(chunk).order(&module_name);
            let options = RunOptions {
                setting: Some(order.setting),
                reports_trace: false,
            };
            let run = self.script_from(snapshot, script, &options, &mut |_| ())?;
            report.extend(BaselineReport::read(&run.run.debug, chunk));
        }
        let mut reversed = Vec::new();
        for schedule in schedule::reversals(&report) {
            let mut report = BaselineReport::default();
            for chunk in schedule::chunks_with_delay(points) {
                let order = schedule.baseline_order(&module_name, code, chunk);
                let order = order.map_err(|delay| unknown_point(&delay, code))?;
                let options = RunOptions {
                    setting: Some(order.setting),
                    reports_trace: false,
                };
                let run = self.script_from(snapshot, script, &options, &mut |_| ())?;
                report.extend(BaselineReport::read(&run.run.debug, &order.points));
            }
            reversed.push(report);
        }
        // Otherwise every schedule would delay nothing, and pass.
        ensure!(
            !report.arrivals.is_empty(),
            Failure::lesson(format!(
                "a schedule has nothing to delay: the commands of {} run no code of its module; \
                 load the module with `insmod {}.ko`, or test the lesson without --schedules and \
                 --seed",
                case.name(),
                lesson.name
            ))
        );
        let mut symbols = symbols_of(self.session, self.built, &origin, language);
        let mut line_of = |point: &ProbePoint| {
            let location = symbols.source_location(&module.name, &point.function, point.offset);
            location.map_or(OTHER_LINES, |location| (location.file, location.line))
        };
        // A module with many probe points is run several times, and then a task's start is its
        // first point in the first of these runs that reaches one.
        let mut starts: BTreeMap<&str, &ProbePoint> = BTreeMap::new();
        let mut tasks: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut lines: BTreeMap<_, ProbeLine> = BTreeMap::new();
        let mut reached_lines = HashSet::new();
        // Only the first task at each point counts.
        let mut known = HashSet::new();
        for arrival in &report.arrivals {
            let (point, task) = (&arrival.point, arrival.task_name());
            if !known.insert(point.address()) {
                continue;
            }
            starts.entry(task).or_insert(point);
            let of_function = tasks.entry(&point.function).or_default();
            of_function.insert(task.to_owned());
            let key = (line_of(point), "");
            reached_lines.insert((key.0.clone(), &*point.function));
            let line: &mut ProbeLine = lines.entry(key).or_default();
            line.points.push(point.clone());
            line.tasks.insert(task.to_owned());
        }
        for point in points {
            // The line of an inlined function is in several functions.
            let key = (line_of(point), &*point.function);
            if let Some(tasks) = tasks.get(key.1)
                && key.0 != OTHER_LINES
                && !reached_lines.contains(&key)
            {
                let line = lines.entry(key).or_default();
                line.points.push(point.clone());
                line.tasks.extend(tasks.iter().cloned());
            }
        }
        let lines = lines.into_iter().map(|((line, _), mut found)| {
            found.points.sort_by_key(ProbePoint::address);
            found.is_own = line != OTHER_LINES;
            found
        });
        Ok(Baseline {
            starts: starts.into_values().cloned().collect(),
            lines: lines.collect(),
            arrivals: report.counts(),
            conflicts: schedule::all_conflicts(&report, &reversed, |point| {
                line_of(point) != OTHER_LINES
            }),
            stores: schedule::store_arrivals(&report, &code.held),
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
