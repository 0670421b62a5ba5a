//! Narrows the schedule of a failing seed, and runs the result beside its passing twin.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, bail};

use super::case::CompletedRun;
use super::delay_place::DelayPlace;
use super::failure_place::FailurePlace;
use super::outcome::Outcome;
use super::plan::{PlannedCase, TestCase};
use super::request::{CaseRequest, Mode};
use super::runner::Runner;
use super::scheduled::{ScheduledCase, main_module, point_location, symbols_of};
use super::suite::SuiteRun;
use crate::lesson::verdict::Verdict;
use crate::modules::Language;
use crate::schedule::narrow::{self, NarrowedDelays, Narrowing, Trial};
use crate::schedule::{ExactDelay, ExactSchedule, InjectedDelay, ProbePoint};
use crate::symbols::Symbols;
use crate::timeline::{RunPair, SourceMark, TimelineMarks};
use crate::ui::Stage;

/// Maximum number of runs for a failing seed.
pub const MAX_RUNS: usize = 30;

/// Maximum number of failing seeds of a test case that are tried. A seed cannot be narrowed if its failure
/// depends on microseconds: a run whose delays are named has other code that reads them.
const MAX_SEEDS: usize = 3;

/// Runs of these that are for the pair: with probes at more points, and without if those change the
/// verdicts.
const PAIR_RUNS: usize = 4;

/// Maximum number of probe points that are observed in the pair.
const MAX_OBSERVED: usize = 64;

/// About the time that a task needs for the probes of a function, in nanoseconds.
const MORE_NANOSECONDS: u64 = 200_000;

/// The narrowed schedule of a failing seed.
#[derive(Debug, Clone)]
pub struct NarrowedRace {
    /// The lesson's name.
    pub lesson: String,
    /// The word that selects it on a command line.
    pub argument: String,
    /// The language of its module.
    pub language: Language,
    /// The seed.
    pub seed: u32,
    /// The number of runs.
    pub runs: usize,
    /// The result.
    pub result: NarrowingResult,
}

impl NarrowedRace {
    fn is_impossible(&self) -> bool {
        matches!(self.result, NarrowingResult::Impossible(_))
    }
}

/// Returns the first race that could be narrowed, or the first of all. Takes no race after that.
fn first_possible(mut races: impl Iterator<Item = NarrowedRace>) -> Option<NarrowedRace> {
    let first = races.next()?;
    match first.is_impossible() {
        true => Some(races.find(|race| !race.is_impossible()).unwrap_or(first)),
        false => Some(first),
    }
}

/// The result of narrowing the schedule of a seed.
#[derive(Debug, Clone)]
pub enum NarrowingResult {
    /// The delays that decide.
    Narrowed(Box<Narrowed>),
    /// The test case fails in the same way without any delay.
    WithoutDelays,
    /// There is no result, for this reason.
    Impossible(String),
}

/// A schedule with the delays that decide, and the pair of runs that shows it.
#[derive(Debug, Clone)]
pub struct Narrowed {
    /// The schedule, which fails as the seed does.
    pub schedule: ExactSchedule,
    /// Its delays in the order of time, with their places.
    pub delays: Vec<NarrowedDelay>,
    /// The index of the delay without which the run passes.
    pub deciding: Option<usize>,
    /// Whether the search came to its end before the limit of runs.
    pub complete: bool,
    /// The failing run and its passing twin, if there is one.
    pub pair: Option<Pair>,
}

/// A delay and its place in the source.
#[derive(Debug, Clone)]
pub struct NarrowedDelay {
    /// The delay.
    pub delay: ExactDelay,
    /// Its length in a run, in nanoseconds: a task that sleeps for a microsecond runs again only when
    /// the kernel gives it a CPU.
    pub duration_nanoseconds: u64,
    /// The place.
    pub place: DelayPlace,
}

/// The failing run and its passing twin.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The schedule of the passing twin, which is that of the failing run with a deciding delay of length 0.
    pub twin: ExactSchedule,
    /// Whether the two runs have longer delays, and more probes, which report the lines that the
    /// tasks reach.
    pub observed: bool,
    /// Their timelines.
    pub timelines: RunPair,
}

impl Runner<'_> {
    /// Narrows the first failing seed of each test case; if that is impossible, one of the next that fail.
    /// Reports the progress as a stage.
    pub fn narrow(&self, cases: &[PlannedCase<'_>], suite: &SuiteRun) -> Vec<NarrowedRace> {
        let cases = cases.iter().zip(&suite.schedules);
        cases
            .filter_map(|(case, prepared)| {
                let (case, prepared) = (case.runnable()?, prepared.as_ref()?);
                let TestCase { lesson, language } = *case;
                let failed = suite.outcomes.iter().filter(|outcome| {
                    (&outcome.lesson, outcome.language) == (&lesson.name, language)
                        && outcome.failed()
                        && !matches!(outcome.verdict, Verdict::Infrastructure { .. })
                });
                let mut failed: Vec<&Outcome> = failed.collect();
                failed.sort_by_key(|outcome| outcome.seed());
                let narrow = |outcome: &Outcome| {
                    let mut runs = 0;
                    let result = self.narrowed(case, prepared, outcome, &mut runs);
                    Some(NarrowedRace {
                        lesson: lesson.name.clone(),
                        argument: lesson.origin().argument,
                        language,
                        seed: outcome.seed()?,
                        runs,
                        result: result.unwrap_or_else(|error| {
                            NarrowingResult::Impossible(format!("{error:#}"))
                        }),
                    })
                };
                let races = failed.into_iter().take(MAX_SEEDS).filter_map(narrow);
                first_possible(races)
            })
            .collect()
    }

    fn narrowed(
        &self,
        case: &TestCase<'_>,
        prepared: &ScheduledCase,
        failed: &Outcome,
        runs: &mut usize,
    ) -> Result<NarrowingResult> {
        let scheduled = failed.scheduled.as_ref().context("it had no schedule")?;
        let report = &scheduled.report;
        let full = ExactSchedule::of(report.start_nanoseconds, &report.delays);
        let mut full = full.context("the seed has too many delays to name each")?;
        full.fit();
        let stage = self.session.ui.stage("narrow");
        stage.begin(&failed.label(), MAX_RUNS as u64);
        let place = FailurePlace::of(failed);
        let mut search = FailureSearch {
            runner: self,
            case,
            prepared,
            place: &place,
            runs,
            stage: &stage,
            delays: HashMap::new(),
        };
        let limit = MAX_RUNS - PAIR_RUNS;
        let result = narrow::narrow(&full, limit, &mut |schedule| {
            Ok::<_, anyhow::Error>(search.run(schedule, &[], false)?.0)
        })?;
        let result = match result {
            Narrowing::Narrowed(delays) => search
                .explained(delays)
                .map(|narrowed| NarrowingResult::Narrowed(Box::new(narrowed)))?,
            Narrowing::WithoutDelays => NarrowingResult::WithoutDelays,
            Narrowing::NotRepeated => NarrowingResult::Impossible(
                "a run in which its delays are named one by one does not fail in the same way"
                    .to_owned(),
            ),
        };
        stage.done(false, format!("{runs} runs"));
        Ok(result)
    }
}

struct FailureSearch<'a> {
    runner: &'a Runner<'a>,
    case: &'a TestCase<'a>,
    prepared: &'a ScheduledCase,
    place: &'a FailurePlace,
    /// The number of runs so far.
    runs: &'a mut usize,
    stage: &'a Stage<'a>,
    /// The delays of the runs that failed in the same way.
    delays: HashMap<ExactSchedule, Vec<InjectedDelay>>,
}

impl FailureSearch<'_> {
    /// Runs a schedule, and compares its result with the failure to explain.
    fn run(
        &mut self,
        schedule: &ExactSchedule,
        observed: &[ProbePoint],
        timeline: bool,
    ) -> Result<(Trial, CompletedRun)> {
        *self.runs += 1;
        self.stage.position(*self.runs as u64);
        let request = CaseRequest {
            schedule: Some(&self.prepared.exact(schedule, observed)?),
            timeline,
            ..CaseRequest::new(Mode::Virtual)
        };
        let completed = self.runner.case(self.case, &request, &mut |_| ())?;
        let trial = match &completed.outcome {
            Outcome {
                verdict: Verdict::Infrastructure { what },
                ..
            } => bail!("a run was not judged: {what}"),
            outcome if outcome.verdict.passed() => Trial::Passed,
            outcome if FailurePlace::of(outcome) == *self.place => Trial::Same,
            _ => Trial::Other,
        };
        let line = format!("narrow: {trial:?} with {schedule}");
        self.runner.session.ui.tool_output(&line);
        if let (Trial::Same, Some(scheduled)) = (trial, &completed.outcome.scheduled) {
            let delays = || scheduled.report.delays.clone();
            self.delays.entry(schedule.clone()).or_insert_with(delays);
        }
        Ok((trial, completed))
    }

    fn explained(&mut self, narrowed: NarrowedDelays) -> Result<Narrowed> {
        let NarrowedDelays {
            schedule,
            deciding,
            complete,
        } = narrowed;
        let TestCase { lesson, language } = *self.case;
        let Runner { session, built, .. } = self.runner;
        let origin = lesson.origin();
        let mut symbols = symbols_of(session, built, &origin, language);
        let module = main_module(built, &origin, language).ok();
        let injected = self.delays.get(&schedule).map_or(&[][..], Vec::as_slice);
        let delays = schedule.delays.iter().map(|delay| NarrowedDelay {
            delay: delay.clone(),
            duration_nanoseconds: injected
                .iter()
                .find(|injected| delay.is(injected))
                .map_or(delay.nanoseconds, |delay| delay.duration_nanoseconds),
            place: module.map_or_else(DelayPlace::default, |module| {
                DelayPlace::of(delay, self.prepared, module, &mut symbols)
            }),
        });
        let delays = delays.collect();
        let pair = match deciding {
            Some(deciding) => self.pair(&schedule, deciding, &mut symbols)?,
            None => None,
        };
        Ok(Narrowed {
            schedule,
            delays,
            deciding,
            complete,
            pair,
        })
    }

    /// Runs the schedule and its passing twin with timelines, and reports which lines the tasks execute if
    /// the probes for that change neither verdict.
    fn pair(
        &mut self,
        schedule: &ExactSchedule,
        deciding: usize,
        symbols: &mut Symbols<'_>,
    ) -> Result<Option<Pair>> {
        let twin = narrow::without(schedule, deciding);
        let origin = self.case.lesson.origin();
        let module = main_module(self.runner.built, &origin, self.case.language)?;
        let lesson = &module.name;
        let mut lines = HashSet::new();
        let observed = self.prepared.reached_first().filter(|point| {
            let location = symbols.source_location(lesson, &point.function, point.offset);
            location.is_some_and(|location| lines.insert((location.file, location.line)))
        });
        let observed: Vec<ProbePoint> = observed.take(MAX_OBSERVED).cloned().collect();
        let longer = longer(schedule);
        for (schedule, observed) in [(&longer, &observed[..]), (schedule, &[])] {
            let (failing, failing_run) = self.run(schedule, observed, true)?;
            if failing != Trial::Same {
                continue;
            }
            let without = narrow::without(schedule, deciding);
            let (passing, passing_run) = self.run(&without, observed, true)?;
            if passing != Trial::Passed {
                continue;
            }
            let delay = &schedule.delays[deciding];
            let mut side = |run: CompletedRun| marks(lesson, run, symbols);
            let (failing, passing) = (side(failing_run), side(passing_run));
            return Ok(failing.zip(passing).map(|(failing, passing)| Pair {
                twin,
                observed: !observed.is_empty(),
                timelines: RunPair::new(failing, passing, |mark| mark.is_delay_of(delay)),
            }));
        }
        Ok(None)
    }
}

/// Returns the schedule with longer delays, which leave other tasks the time for more probes.
fn longer(schedule: &ExactSchedule) -> ExactSchedule {
    let mut longer = schedule.clone();
    for delay in &mut longer.delays {
        delay.nanoseconds += (3 * delay.nanoseconds).min(MORE_NANOSECONDS) + MORE_NANOSECONDS;
    }
    longer
}

/// Returns a run's timeline with the lines of source that its tasks reached.
fn marks(lesson: &str, run: CompletedRun, symbols: &mut Symbols<'_>) -> Option<TimelineMarks> {
    let report = run.outcome.scheduled?.report;
    let mut source = |point: &ProbePoint| point_location(symbols, lesson, point);
    let delays = report.delays.iter().map(|delay| SourceMark {
        clock_nanoseconds: delay.clock_nanoseconds,
        task: delay.task.clone(),
        location: source(&delay.point),
        delay: Some(delay.clone()),
    });
    let delays: Vec<SourceMark> = delays.collect();
    let arrivals = report.arrivals.iter().map(|arrival| SourceMark {
        clock_nanoseconds: arrival.clock_nanoseconds,
        task: arrival.task.clone(),
        location: source(&arrival.point),
        delay: None,
    });
    let mut marks: Vec<SourceMark> = arrivals.collect();
    marks.extend(delays);
    Some(TimelineMarks {
        timeline: run.timeline?,
        marks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Narrows seeds, of which a set is impossible; returns the result's seed and the number of seeds tried.
    fn tried(seeds: &[u32], impossible: &[u32]) -> (Option<u32>, usize) {
        let mut count = 0;
        let races = seeds.iter().map(|seed| {
            count += 1;
            NarrowedRace {
                lesson: "draws".to_owned(),
                argument: "draws".to_owned(),
                language: Language::C,
                seed: *seed,
                runs: 1,
                result: match impossible.contains(seed) {
                    true => NarrowingResult::Impossible("of this".to_owned()),
                    false => NarrowingResult::WithoutDelays,
                },
            }
        });
        let seed = first_possible(races).map(|race| race.seed);
        (seed, count)
    }

    #[test]
    fn the_first_seed_that_can_be_narrowed_is_taken() {
        assert_eq!(tried(&[2, 5, 7], &[]), (Some(2), 1));
        assert_eq!(tried(&[2, 5, 7], &[2]), (Some(5), 2));
        assert_eq!(tried(&[2, 5, 7], &[2, 5, 7]), (Some(2), 3));
        assert_eq!(tried(&[], &[]), (None, 0));
    }
}
