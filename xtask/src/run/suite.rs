//! Runs a suite.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow};

use super::events::{RunEvent, RunObserver};
use super::outcome::Outcome;
use super::plan::{PlannedCase, TestCase};
use super::request::{ArtifactFolder, CaseRequest, Mode};
use super::runner::Runner;
use super::scheduled::ScheduledCase;
use crate::failure::{Failure, Fault, fault_of};
use crate::lesson::verdict::Verdict;
use crate::schedule::{Aim, ExactSchedule, Seeds};
use crate::workers;

/// The settings of a suite.
#[derive(Clone, Copy)]
pub struct SuiteSettings<'a> {
    /// The way in which guests are run.
    pub mode: Mode,
    /// The number of repetitions of each test case.
    pub repeat: u32,
    /// The seeds of the schedules that each test case is run with, if any.
    pub seeds: Option<Seeds>,
    /// The choice of the delays of each seed.
    pub aim: Aim,
    /// Whether seeds may hold back stores.
    pub weak_memory: bool,
    /// The schedule that each test case is run with, if it names its delays.
    pub schedule: Option<&'a ExactSchedule>,
    /// Whether a timeline of each run is made.
    pub timeline: bool,
    /// Whether no guest is started after a failure.
    pub fail_fast: bool,
    /// The command-line options that select the same kernel, each behind a space.
    pub kernel_options: &'a str,
    /// Returns the folder for the artifacts of a failed run.
    pub artifacts: ArtifactFolder<'a>,
}

impl SuiteSettings<'_> {
    /// Returns the settings of a single run of each test case.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            repeat: 1,
            seeds: None,
            aim: Aim::default(),
            weak_memory: false,
            schedule: None,
            timeline: false,
            fail_fast: false,
            kernel_options: "",
            artifacts: &|_| None,
        }
    }
}

const FAILED_FAST: &str = "not run: an earlier one failed, and --fail-fast was given";

const HOST_FAILED: &str = "not run: the host failed before it";

/// Returns the outcomes of test cases of which none ran, for the reason `why`: that is the verdict
/// of the first that needs a guest, and the others that do are skipped.
pub fn without_guests(cases: &[PlannedCase<'_>], why: &str) -> Vec<Outcome> {
    let mut what = Some(why.to_owned());
    let mut verdict = |case: &PlannedCase<'_>| {
        case.verdict().unwrap_or_else(|| match what.take() {
            Some(what) => Verdict::Infrastructure { what },
            None => Verdict::Skipped {
                why: HOST_FAILED.to_owned(),
            },
        })
    };
    let outcomes = cases.iter();
    outcomes
        .map(|case| Outcome::of(case, verdict(case)))
        .collect()
}

/// The index of a test case, a seed, and the number of the repetition, from 1.
type Run = (usize, Option<u32>, u32);

/// Returns all runs in their order: one repetition after the other, and in each one seed after
/// the other. A test case that needs no guest for its verdict has only one.
fn runs(needs_guest: &[bool], settings: SuiteSettings<'_>) -> Vec<Run> {
    let seeds: Vec<Option<u32>> = match settings.seeds {
        Some(seeds) => seeds.all().map(Some).collect(),
        None => vec![None],
    };
    let rounds = (1..=settings.repeat).flat_map(|run| seeds.iter().map(move |&seed| (seed, run)));
    rounds
        .enumerate()
        .flat_map(|(round, (seed, run))| {
            (0..needs_guest.len())
                .filter(move |&case| round == 0 || needs_guest[case])
                .map(move |case| (case, seed, run))
        })
        .collect()
}

impl Runner<'_> {
    /// Runs test cases, as many guests at the same time as the session has jobs: a guest keeps
    /// one core busy. The observers receive all events.
    ///
    /// The outcomes are in the order of the test cases, and for each in the order of its
    /// runs. A guest that could not be run has an outcome too ([`Verdict::Infrastructure`]), and
    /// no other is started after it.
    pub fn suite(
        &self,
        cases: &[PlannedCase<'_>],
        settings: SuiteSettings<'_>,
        observers: &[&dyn RunObserver],
    ) -> SuiteRun {
        let runs = self.runs(cases, settings).into_iter().enumerate();
        let runs: Vec<(usize, Run)> = runs.collect();
        let suite = Suite {
            runner: *self,
            cases,
            settings,
            observers,
            schedules: cases.iter().map(|_| OnceLock::new()).collect(),
            stop: OnceLock::new(),
        };
        let outcomes = workers::map(self.session.jobs, &runs, |&(index, run)| {
            suite.outcome(index, run)
        });
        let mut outcomes: Vec<(Run, Outcome)> =
            runs.iter().map(|&(_, run)| run).zip(outcomes).collect();
        outcomes.sort_by_key(|&((case, seed, repetition), _)| (case, repetition, seed));
        let schedules = suite.schedules.into_iter();
        SuiteRun {
            outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            schedules: schedules
                .map(|schedules| schedules.into_inner()?.ok())
                .collect(),
        }
    }

    /// Returns the number of runs of these test cases.
    pub fn count(&self, cases: &[PlannedCase<'_>], settings: SuiteSettings<'_>) -> usize {
        self.runs(cases, settings).len()
    }

    fn runs(&self, cases: &[PlannedCase<'_>], settings: SuiteSettings<'_>) -> Vec<Run> {
        let needs_guest = |case| self.verdict_without_guest(case, settings.mode).is_none();
        let needs_guest: Vec<bool> = cases.iter().map(needs_guest).collect();
        runs(&needs_guest, settings)
    }

    /// Returns the verdict of a test case for which no guest has to run, if so.
    fn verdict_without_guest(&self, case: &PlannedCase<'_>, mode: Mode) -> Option<Verdict> {
        let case = match case.runnable() {
            Some(case) => case,
            None => return case.verdict(),
        };
        if let Some(unbuilt) = self.built.unbuilt(case.lesson.owner(), case.language) {
            let what = unbuilt.message.clone();
            return Some(match unbuilt.fault {
                Fault::Lesson => Verdict::DoesNotCompile { what },
                _ => Verdict::Infrastructure { what },
            });
        }
        let one_cpu = mode == Mode::Recorded;
        let two_cpus = case.lesson.two_cpus.as_ref().filter(|_| one_cpu);
        two_cpus.map(|why| Verdict::Skipped {
            why: format!("a recorded guest has one CPU: {why}"),
        })
    }
}

/// The results of a suite.
#[derive(Debug)]
pub struct SuiteRun {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// The schedules of each test case, if it ran with any.
    pub schedules: Vec<Option<ScheduledCase>>,
}

struct Suite<'a> {
    runner: Runner<'a>,
    cases: &'a [PlannedCase<'a>],
    settings: SuiteSettings<'a>,
    observers: &'a [&'a dyn RunObserver],
    /// The schedules of each test case, prepared when its first run needs them.
    schedules: Vec<OnceLock<Result<ScheduledCase, (Fault, String)>>>,
    /// The reason for which no more guests are started.
    stop: OnceLock<&'static str>,
}

impl Suite<'_> {
    fn notify(&self, event: &RunEvent<'_>) {
        for observer in self.observers {
            observer.on_event(event);
        }
    }

    /// Runs a test case unless there is a reason against it.
    fn outcome(&self, index: usize, run: Run) -> Outcome {
        let (case, _, repetition) = run;
        let case = &self.cases[case];
        let repetition = (self.settings.repeat > 1).then_some(repetition);
        let without_guest = |run, verdict| Outcome {
            run,
            kernel_options: self.settings.kernel_options.to_owned(),
            ..Outcome::of(case, verdict)
        };
        let known = self
            .runner
            .verdict_without_guest(case, self.settings.mode)
            .map(|verdict| without_guest(None, verdict));
        let stopped = || {
            let why = (*self.stop.get()?).to_owned();
            Some(without_guest(repetition, Verdict::Skipped { why }))
        };
        let run_case = || {
            let case = case.runnable().context("the test case cannot run")?;
            self.run(index, case, run, repetition)
        };
        let outcome = known.or_else(stopped).unwrap_or_else(|| {
            run_case().unwrap_or_else(|error| {
                let what = format!("{error:#}");
                if fault_of(&error) == Fault::Lesson {
                    return without_guest(repetition, Verdict::BadText { line: None, what });
                }
                // Only the first reason to stop is reported.
                let _ = self.stop.set(HOST_FAILED);
                without_guest(repetition, Verdict::Infrastructure { what })
            })
        });
        if outcome.failed() && self.settings.fail_fast {
            let _ = self.stop.set(FAILED_FAST);
        }
        self.notify(&RunEvent::Finished {
            run: index,
            outcome: &outcome,
        });
        outcome
    }

    fn run(
        &self,
        index: usize,
        case: &TestCase<'_>,
        run: Run,
        repetition: Option<u32>,
    ) -> Result<Outcome> {
        let (case_index, seed, _) = run;
        let schedule = match (seed, self.settings.schedule) {
            (Some(seed), _) => {
                let aim = self.settings.aim;
                Some(self.schedules(case_index, case)?.seeded(seed, aim)?)
            }
            (None, Some(schedule)) => Some(self.schedules(case_index, case)?.exact(schedule, &[])?),
            (None, None) => None,
        };
        self.notify(&RunEvent::Started { run: index, case });
        let request = CaseRequest {
            mode: self.settings.mode,
            schedule: schedule.as_ref(),
            debugger: None,
            timeline: self.settings.timeline,
            repetition,
            kernel_options: self.settings.kernel_options,
            artifacts: self.settings.artifacts,
        };
        let steps = &case.lesson.transcript.steps;
        let mut on_step = |number: u32| {
            let step = usize::try_from(number).ok().and_then(|number| {
                let index = number.checked_sub(1)?;
                steps.get(index)
            });
            if let Some(step) = step {
                self.notify(&RunEvent::StepBegan {
                    run: index,
                    number,
                    command: &step.command,
                });
            }
        };
        let completed = self.runner.case(case, &request, &mut on_step)?;
        self.notify(&RunEvent::Completed {
            case,
            completed: &completed,
        });
        Ok(completed.outcome)
    }

    fn schedules(&self, index: usize, case: &TestCase<'_>) -> Result<&ScheduledCase> {
        let SuiteSettings {
            seeds, schedule, ..
        } = self.settings;
        let holds = schedule.is_some_and(|schedule| schedule.held_store().is_some());
        let weak_memory = self.settings.weak_memory || holds;
        let prepare = || {
            self.runner
                .prepare_schedules(case, seeds.is_some(), weak_memory)
        };
        self.schedules[index]
            .get_or_init(|| prepare().map_err(|error| (fault_of(&error), format!("{error:#}"))))
            .as_ref()
            .map_err(|(fault, message)| match fault {
                Fault::Lesson => Failure::lesson(message).into(),
                _ => anyhow!(message.clone()),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_case_that_needs_no_guest_has_one_run_of_all_repetitions_and_seeds() {
        let settings = SuiteSettings {
            repeat: 2,
            seeds: Seeds::new(7, 2),
            ..SuiteSettings::new(Mode::Virtual)
        };
        let expected = [
            (0, Some(7), 1),
            (1, Some(7), 1),
            (1, Some(8), 1),
            (1, Some(7), 2),
            (1, Some(8), 2),
        ];
        assert_eq!(runs(&[false, true], settings), expected);
    }
}
