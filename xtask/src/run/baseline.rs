//! The baseline run of a test case, which schedules begin with: which tasks reach which probe points, and
//! use which memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use kmodlab_protocol::RunOptions;

use super::plan::TestCase;
use super::runner::{Runner, Script};
use super::scheduled::{main_module, symbols_of, unknown_point};
use crate::failure::Failure;
use crate::schedule::{
    self, Baseline, BaselineReport, ExactSchedule, ModuleCode, PerturbOrder, ProbeLine, ProbePoint,
    Schedule,
};
use crate::vm::{GuestEnd, Snapshot};
use crate::workers;

/// Stands for all lines that are not the lesson's: more of a module's code comes from Rust's
/// library and the kernel's headers than from its own source.
const OTHER_LINES: (String, u32) = (String::new(), 0);

/// A run behind the first baseline run. These do not depend on each other.
enum FurtherRun<'a> {
    /// With probes at these points: the module's calls, and the kernel's functions that it calls.
    Kernel(&'a [ProbePoint]),
    /// With the order of two tasks reversed.
    Reversed(ExactSchedule),
}

/// Number of baseline runs above which a note gives the reason why the schedules do not begin.
const MANY_RUNS: usize = 8;

/// Returns the message for a test case whose commands reach no probe point of its module.
fn nothing_to_delay(case: &str, module: &str) -> String {
    if module == schedule::MODULE {
        return format!(
            "a schedule cannot delay {case}: kmodlab's own module, which delays tasks, has the name {module} \
             too; rename the module"
        );
    }
    format!(
        "a schedule has nothing to delay: the commands of {case} run no code of {module}.ko; load it with \
         `insmod {module}.ko` and use it, or leave out --schedules and --seed"
    )
}

impl Runner<'_> {
    /// Returns the probe points that the lesson's tasks reach in its module.
    ///
    /// A line that this run did not reach is included if its function was reached, because
    /// another run may reach it: where a condition holds in one run and not in the other, there
    /// may be a race. A line that was reached has only the probe points that were reached.
    pub(super) fn baseline(
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
        // A module may hang before it reaches a point.
        let hung = AtomicBool::new(false);
        let run = |order: PerturbOrder| -> Result<BaselineReport> {
            let options = RunOptions {
                setting: Some(order.setting),
                reports_trace: false,
            };
            let run = self.script_from(snapshot, script, &options, &mut |_| ())?;
            if run.run.interruption.is_some() || run.run.end != GuestEnd::Ended {
                hung.store(true, Ordering::Relaxed);
            }
            Ok(BaselineReport::read(&run.run.debug, &order.points))
        };
        let chunks = schedule::chunks(points);
        if chunks.len() > MANY_RUNS {
            self.session.ui.note(format!(
                "{} has {} instructions where a delay can matter; at least {} runs find those that it reaches",
                case.name(),
                points.len(),
                chunks.len()
            ));
        }
        let mut report = BaselineReport::default();
        for part in workers::map(self.session.jobs, &chunks, |chunk| {
            run(Schedule::baseline(chunk).order(&module_name))
        }) {
            report.extend(part?);
        }
        // Otherwise every schedule would delay nothing, and pass. A hang is the verdict of each.
        ensure!(
            !report.arrivals.is_empty() || hung.load(Ordering::Relaxed),
            Failure::lesson(nothing_to_delay(&case.name(), &module.name))
        );
        let called = report.arrivals.iter();
        let called = called.filter_map(|arrival| arrival.point.calls.as_deref());
        let kernel_points = code.kernel_points_of(&called.collect());
        // Those of a second run would have other times, and other addresses.
        let kernel_points = schedule::chunks(&kernel_points).first().copied();
        let mut more: Vec<FurtherRun<'_>> =
            kernel_points.map(FurtherRun::Kernel).into_iter().collect();
        more.extend(
            schedule::reversals(&report)
                .into_iter()
                .map(FurtherRun::Reversed),
        );
        let reports = workers::map(self.session.jobs, &more, |further| match further {
            FurtherRun::Kernel(points) => run(Schedule::baseline(points).order(&module_name)),
            FurtherRun::Reversed(schedule) => {
                let mut report = BaselineReport::default();
                for chunk in schedule::chunks_with_delay(points) {
                    let order = schedule.baseline_order(&module_name, code, chunk);
                    report.extend(run(order.map_err(|delay| unknown_point(&delay, code))?)?);
                }
                Ok(report)
            }
        });
        let mut reports: Vec<BaselineReport> = reports.into_iter().collect::<Result<_>>()?;
        let kernel = match kernel_points {
            Some(_) => reports.remove(0),
            None => BaselineReport::default(),
        };
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
        // The compiler also keeps functions that are executed only where they are inlined.
        let reached: HashSet<&(String, u32)> = reached_lines.iter().map(|(line, _)| line).collect();
        let functions = points.chunk_by(|a, b| a.function == b.function);
        let unreached = functions.filter_map(|points| {
            let own: Vec<_> = points.iter().map(&mut line_of).collect();
            let mut own = own.iter().filter(|line| **line != OTHER_LINES).peekable();
            let is_own = own.peek().is_some() && !tasks.contains_key(&*points[0].function);
            (is_own && !own.any(|line| reached.contains(line))).then(|| points[0].function.clone())
        });
        let unreached: Vec<String> = unreached.collect();
        let lines = lines.into_iter().map(|((line, _), mut found)| {
            found.points.sort_by_key(ProbePoint::address);
            found.is_own = line != OTHER_LINES;
            found
        });
        Ok(Baseline {
            starts: starts.into_values().cloned().collect(),
            lines: lines.collect(),
            arrivals: report.counts(),
            conflicts: schedule::all_conflicts(&report, &reports, |point| {
                line_of(point) != OTHER_LINES
            }),
            kernel_conflicts: schedule::kernel_conflicts(&kernel),
            unreached,
            rendezvous: schedule::rendezvous(&report, |point| line_of(point) != OTHER_LINES),
            waits_long: !lesson.compares_output(),
            stores: schedule::store_arrivals(&report, &code.held),
        })
    }
}
