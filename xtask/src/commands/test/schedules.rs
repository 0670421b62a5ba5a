//! The options of `test` that are about schedules.

use std::cell::RefCell;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::lesson::kernel_log::LevelFilter;
use crate::lesson::verdict::Verdict;
use crate::run::plan::PlannedCase;
use crate::run::{NarrowedRace, NarrowingResult, Outcome, Runner, SuiteRun};
use crate::schedule::{Aim, ExactDelay, ExactSchedule, Seeds};
use crate::streams;
use crate::text::{printable, shell_word};
use crate::ui::Ui;

/// Options that select schedules.
#[derive(Debug, Clone, clap::Args)]
pub struct ScheduleOptions {
    /// Run each lesson under N schedules, which delay its threads at other places each time
    ///
    /// A schedule depends on its seed, and the seeds are consecutive numbers. The report of a
    /// failure has the seed, with which --seed repeats it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with_all = ["list", "update"])]
    pub schedules: Option<u32>,

    /// The seed of the schedule, or of the first of several
    #[arg(long, value_name = "S", conflicts_with_all = ["list", "update"])]
    pub seed: Option<u32>,

    /// The choice of a seed's delays
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["schedule", "list", "update"])]
    pub aim: Aim,

    /// Hold stores back past later ones in half of the schedules, as CPUs with weakly ordered memory do
    ///
    /// Only stores that neither a barrier nor a release, a lock or a call orders are passed. A seed
    /// has another meaning with this option.
    #[arg(long, conflicts_with_all = ["list", "update"])]
    pub weak_memory: bool,

    /// Find out which delays of a failing seed decide, with at most 30 runs, and show the failing
    /// run beside one without the deciding delay; the default with --schedules, for the first seed
    /// that fails
    #[arg(long, conflicts_with_all = ["no_narrow", "record"])]
    pub narrow: bool,

    /// Leave this out
    #[arg(long)]
    pub no_narrow: bool,

    /// Run one lesson with the delays that TEXT names, as the report of a narrowed schedule has it
    ///
    /// TEXT is `start=TIME`, which delays the lesson's beginning, and then a word for each delay:
    /// TASK@FUNCTION+OFFSET#ARRIVAL=TIME. Times are in milliseconds: 0.1ms. With OFFSET..END, the store
    /// at OFFSET is held back until the task has been at END for that time.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["schedules", "seed", "narrow", "list", "update"])]
    pub schedule: Option<ExactSchedule>,

    /// With --seed, which is then narrowed, or --schedule: stop the guest when the deciding delay
    /// begins, and wait for gdb
    ///
    /// The deciding delay of --schedule is the last one.
    #[arg(long, conflicts_with_all = ["schedules", "no_narrow", "record", "cold", "list", "update"])]
    pub gdb: bool,
}

/// The schedules of a suite.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestedSchedules<'a> {
    pub seeds: Option<Seeds>,
    pub aim: Aim,
    /// Whether the seeds may hold back stores.
    pub weak_memory: bool,
    pub exact: Option<&'a ExactSchedule>,
    /// Whether the schedule of a failing seed is narrowed.
    pub narrows: bool,
    /// Whether the narrowed or exact schedule runs under a debugger.
    pub gdb: bool,
}

impl RequestedSchedules<'_> {
    /// Reports whether there are any.
    pub fn any(&self) -> bool {
        self.seeds.is_some() || self.exact.is_some()
    }

    /// Returns the options without which a seed has another meaning, each behind a space.
    pub fn options(&self) -> &'static str {
        match (self.aim, self.weak_memory) {
            (Aim::Conflicts, false) => "",
            (Aim::Conflicts, true) => " --weak-memory",
            (Aim::Random, false) => " --aim random",
            (Aim::Random, true) => " --aim random --weak-memory",
        }
    }
}

/// The seed of the first schedule, unless one is given.
const FIRST_SEED: u32 = 1;

impl ScheduleOptions {
    /// Returns the requested schedules.
    ///
    /// # Errors
    ///
    /// If the options contradict each other.
    pub fn requested(&self, real_time: bool, records: bool) -> Result<RequestedSchedules<'_>> {
        let refuse = |what: &str| Err(Failure::usage(what).into());
        if real_time && (self.schedule.is_some() || self.seed.or(self.schedules).is_some()) {
            return refuse("schedules need virtual time; leave out --time real");
        }
        if self.narrow && self.seed.or(self.schedules).is_none() {
            return refuse("--narrow needs a seed: give --seed S or --schedules N");
        }
        if self.weak_memory && self.schedule.is_none() && self.seed.or(self.schedules).is_none() {
            return refuse("--weak-memory needs schedules: give --schedules N or --seed S");
        }
        if self.gdb && self.seed.is_none() && self.schedule.is_none() {
            return refuse("--gdb needs a schedule: give --seed S or --schedule TEXT");
        }
        Ok(RequestedSchedules {
            gdb: self.gdb,
            seeds: self.seeds()?,
            aim: self.aim,
            weak_memory: self.weak_memory,
            exact: self.schedule.as_ref(),
            // A recorded guest has one CPU, and is not the guest of the same seed.
            narrows: self.narrow
                || self.gdb && self.seed.is_some()
                || self.schedules.is_some() && !self.no_narrow && !records,
        })
    }

    fn seeds(&self) -> Result<Option<Seeds>> {
        let (first, count) = match (self.seed, self.schedules) {
            (None, None) => return Ok(None),
            (first, count) => (first.unwrap_or(FIRST_SEED), count.unwrap_or(1)),
        };
        let seeds = Seeds::new(first, count).ok_or_else(|| {
            let last = u32::MAX;
            Failure::usage(format!(
                "--seed {first}: there are not {count} seeds from there on; the last is {last}"
            ))
        })?;
        Ok(Some(seeds))
    }
}

/// Checks that there is one test case for a schedule that names its delays.
///
/// # Errors
///
/// If there is another number.
pub(super) fn check_single(
    schedules: RequestedSchedules<'_>,
    cases: &[PlannedCase<'_>],
) -> Result<()> {
    let count = cases.iter().filter_map(PlannedCase::runnable).count();
    let why = match schedules {
        RequestedSchedules { exact: Some(_), .. } => {
            "--schedule: the text names functions of one module"
        }
        RequestedSchedules { gdb: true, .. } => "--gdb: gdb debugs one guest",
        _ => return Ok(()),
    };
    if count != 1 {
        return Err(Failure::usage(format!(
            "{why}, and {count} test cases are selected: name one lesson, and its language with \
             --lang"
        ))
        .into());
    }
    Ok(())
}

/// Runs the exact schedule, or the narrowed one, under a debugger from its deciding delay on.
///
/// # Errors
///
/// If there is no such delay, or the guest cannot be run.
pub(super) fn debug(
    runner: &Runner<'_>,
    schedules: RequestedSchedules<'_>,
    cases: &[PlannedCase<'_>],
    suite: &SuiteRun,
    narrowed: &[NarrowedRace],
) -> Result<()> {
    let ui = &runner.session.ui;
    let mut all = cases.iter().zip(&suite.schedules);
    let found = all.find_map(|(case, prepared)| Some((case.runnable()?, prepared.as_ref()?)));
    let (case, prepared) = found.context("no guest ran")?;
    let last = |schedule: &ExactSchedule| schedule.delays.len().saturating_sub(1);
    let (schedule, deciding) = match (schedules.exact, narrowed.first().map(|race| &race.result)) {
        (Some(exact), _) => (exact, last(exact)),
        (None, Some(NarrowingResult::Narrowed(narrowed))) => {
            let schedule = &narrowed.schedule;
            (schedule, narrowed.deciding.unwrap_or(last(schedule)))
        }
        (None, Some(_)) => {
            ui.note("--gdb: the schedule could not be narrowed, so no delay decides");
            return Ok(());
        }
        (None, None) => {
            ui.note("--gdb: the seed did not fail, so no delay decides");
            return Ok(());
        }
    };
    let ready = |commands: &Path| {
        crate::errln!(
            "the guest waits at the beginning of the delay; in another terminal: gdb -x {}",
            shell_word(commands)
        );
    };
    let filter = RefCell::new(LevelFilter::default());
    let on_log = |bytes: &[u8]| {
        let mut stderr = streams::stderr();
        stderr
            .write_all(&filter.borrow_mut().push(bytes))
            .context("cannot print")
    };
    let completed = runner.debug(case, prepared, schedule, deciding, &ready, &on_log)?;
    let outcome = &completed.outcome;
    // Whether the kernel or the host notices a hang depends on the debugger, and so do its words.
    let hang = |outcome: &Outcome| {
        let hangs = matches!(outcome.verdict, Verdict::Hang { .. });
        hangs.then(|| outcome.verdict.text_line())
    };
    let same = suite.outcomes.iter().any(|other| {
        other.fails_like(outcome) || hang(other).is_some() && hang(other) == hang(outcome)
    });
    ui.note(format!(
        "under the debugger: {}, {}",
        outcome.verdict,
        if same {
            "as without it"
        } else {
            "NOT as without it"
        }
    ));
    Ok(())
}

/// Notes the delays of an exact schedule that did not take place: a run without its delays may pass.
pub(super) fn note_missed(ui: &Ui, exact: &ExactSchedule, outcomes: &[Outcome]) {
    let Some(scheduled) = outcomes
        .iter()
        .find_map(|outcome| outcome.scheduled.as_ref())
    else {
        return;
    };
    let took_place = |delay: &&ExactDelay| {
        let injected = &scheduled.report.delays;
        injected.iter().any(|injected| delay.is(injected))
    };
    // A delay of no length is none.
    let requested = exact.delays.iter().filter(|delay| delay.nanoseconds > 0);
    for delay in requested.filter(|delay| !took_place(delay)) {
        let ExactDelay {
            task,
            function,
            offset,
            arrival,
            ..
        } = delay;
        let times = match arrival {
            1 => String::new(),
            more => format!(" {more} times"),
        };
        ui.note(format!(
            "--schedule: a delay did not take place: no task `{}` came to {function}+{offset:#x}{times}",
            printable(task)
        ));
    }
}
