//! `cargo xtask test`: plays lessons in guests and compares.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use super::common::{Common, Lang, ProfileOption, refuse_lacking};
use crate::failure::Failure;
use crate::lesson::Lesson;
use crate::modules::Language;
use crate::play::plan::{Partition, Play, plan};
use crate::play::{Manner, Played, Time, update};
use crate::recording::Folder;
use crate::report::artifacts::Artifacts;
use crate::report::timelines::Timelines;
use crate::report::{ReportFiles, SuiteReport, TestedKernel, json, terminal};
use crate::schedule::{self, Seeds};
use crate::session::Session;
use crate::vm::accel;
use crate::workspace::Workspace;
use crate::{lesson, pipeline, play, report};

/// Options of `test`.
#[derive(Debug, Clone, clap::Args)]
pub struct TestOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    profile: ProfileOption,

    /// The lessons and races to play; all lessons if left out
    ///
    /// A `*` in a name stands for any letters: 'kthread_*' means all lessons
    /// whose names begin so.
    #[arg(value_name = "LESSON")]
    lessons: Vec<String>,

    /// Play the races and their mended twins (modules/races) instead of the
    /// lessons: those that are named, or all
    #[arg(long)]
    races: bool,

    /// The language of the modules that are played
    #[arg(long, value_enum, default_value = "both")]
    lang: Lang,

    /// Boot a guest for every lesson, rather than start all from one that was
    /// saved when it had booted, as is done in virtual time
    #[arg(long)]
    cold: bool,

    /// How time passes in the guests
    #[arg(long, value_enum, default_value = "virtual")]
    time: TimeOption,

    /// Record each play into a file in this folder, for `cargo xtask replay`
    ///
    /// A recorded guest has one CPU, boots for its lesson, and has virtual time.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,

    /// Say what would be played, and build and play nothing
    #[arg(long, conflicts_with_all = ["junit", "ktap", "artifacts", "repeat", "fail_fast", "update", "record"])]
    list: bool,

    /// Play each lesson N times, and say how often it passed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeat: u32,

    /// Play each lesson under N different schedules: its threads are held up at
    /// other places each time
    ///
    /// Which and for how long follows from a seed, and the seeds are
    /// consecutive numbers. A failure's seed is told, and --seed plays it again.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with_all = ["list", "update"])]
    schedules: Option<u32>,

    /// The seed of the schedule, or of the first of several
    #[arg(long, value_name = "S", conflicts_with_all = ["list", "update"])]
    seed: Option<u32>,

    /// Play the Kth of N parts: each play is in one of them, always the same
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,

    /// Start no guest after a failure
    #[arg(long)]
    fail_fast: bool,

    /// Write what was seen into the lessons' texts, where it is something else
    ///
    /// Only where a guest printed something else, never where the kernel warned
    /// or crashed or something was left behind. For review: see `git diff`.
    #[arg(long, conflicts_with_all = ["partition", "fail_fast"])]
    update: bool,

    /// Tell of each play which thread ran on which CPU when, who woke whom, and
    /// what was said: as text, a page and a trace for Perfetto, in this folder
    ///
    /// In virtual time alone. Of a single play the text is printed too.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["list", "update", "record"])]
    timeline: Option<PathBuf>,

    #[command(flatten)]
    targets: ReportFiles,

    /// Keep what is known of each failure in this folder; else in the cache
    #[arg(long, value_name = "FOLDER")]
    artifacts: Option<PathBuf>,
}

/// How time passes in the guests, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TimeOption {
    /// As fast as it can: each guest plays its lesson by itself
    Virtual,
    /// As on the wall: each lesson is typed at a guest's console
    Real,
}

/// The seed of the first schedule, unless one is given.
const FIRST_SEED: u32 = 1;

impl TestOptions {
    /// The schedules' seeds, if there are to be any.
    fn seeds(&self) -> Result<Option<Seeds>> {
        let (first, count) = match (self.seed, self.schedules) {
            (None, None) => return Ok(None),
            (first, count) => (first.unwrap_or(FIRST_SEED), count.unwrap_or(1)),
        };
        if self.time == TimeOption::Real {
            let what = "a schedule is repeated in virtual time alone; leave out --time real";
            return Err(Failure::usage(what).into());
        }
        let seeds = Seeds::new(first, count).ok_or_else(|| {
            let last = u32::MAX;
            Failure::usage(format!(
                "--seed {first}: there are not {count} seeds from there on; the last is {last}"
            ))
        })?;
        Ok(Some(seeds))
    }

    /// Where timelines go, if there are to be any.
    fn timelines(&self) -> Result<Option<Timelines>> {
        let Some(folder) = &self.timeline else {
            return Ok(None);
        };
        if self.time == TimeOption::Real {
            let what = "--timeline: a guest is traced in virtual time alone; leave out --time real";
            return Err(Failure::usage(what).into());
        }
        Timelines::new(folder).map(Some)
    }
}

/// Plays the lessons; the status is 0 if all passed, 1 if one failed, 69 if
/// a guest could not be run.
pub fn run(options: &TestOptions) -> Result<ExitCode> {
    let started = Instant::now();
    options.targets.check()?;
    if options.update && options.time == TimeOption::Real {
        return Err(Failure::usage(
            "--update writes what guests say in virtual time; leave out --time real",
        )
        .into());
    }
    let seeds = options.seeds()?;
    let timelines = options.timelines()?;
    if options.record.is_some() && options.time == TimeOption::Real {
        let what = "--record keeps guests in virtual time; leave out --time real";
        return Err(Failure::usage(what).into());
    }
    let languages = options.lang.languages();
    let select = match options.races {
        true => lesson::select_races,
        false => lesson::select,
    };
    let lessons = select(&Workspace::find()?, &options.lessons)?;
    if let [language] = languages {
        let named = |lesson: &&Lesson| options.lessons.contains(&lesson.name);
        refuse_lacking(lessons.iter().filter(named), *language)?;
    }
    let plays = plan(&lessons, languages, options.partition);
    if options.list {
        return list(options, &plays).map(|()| ExitCode::SUCCESS);
    }
    for play in &plays {
        play.lesson.check_commands()?;
    }
    let session = options.common.session()?;
    let artifacts = Artifacts::new(options.artifacts.as_deref(), &session.cache)?;
    let record = options.record.as_deref().map(Folder::new).transpose()?;
    let mut report = SuiteReport {
        kernel: None,
        time: match options.time {
            TimeOption::Virtual => "virtual",
            TimeOption::Real => "real",
        },
        repeat: options.repeat,
        partition: options.partition,
        wall: started.elapsed(),
        stages: Vec::new(),
        outcomes: Vec::new(),
        races: Vec::new(),
    };
    if !plays.is_empty() {
        let kept = Kept {
            artifacts: &artifacts,
            timelines: timelines.as_ref(),
            record: record.as_ref(),
        };
        play(options, &session, &plays, seeds, kept, &mut report)?;
    }
    report.wall = started.elapsed();
    report.stages = session.ui.stages();
    if options.common.verbose {
        session.ui.summary();
    }
    let updated = if options.update {
        update::texts(&session.workspace, &lessons, &report.outcomes)
    } else {
        Ok(())
    };
    print(options, &report, timelines.as_ref())?;
    options.targets.write(&report)?;
    updated?;
    let fault = report::fault(&report.outcomes);
    Ok(fault.map_or(ExitCode::SUCCESS, |fault| ExitCode::from(fault.status())))
}

/// Where what is known of the plays is kept.
#[derive(Clone, Copy)]
struct Kept<'a> {
    artifacts: &'a Artifacts,
    timelines: Option<&'a Timelines>,
    record: Option<&'a Folder>,
}

/// Builds what the plays need, and plays them.
fn play(
    options: &TestOptions,
    session: &Session,
    plays: &[Play<'_>],
    seeds: Option<Seeds>,
    Kept {
        artifacts,
        timelines,
        record,
    }: Kept<'_>,
    report: &mut SuiteReport,
) -> Result<()> {
    let mut modules: Vec<_> = plays
        .iter()
        .filter(|play| play.lacks().is_none())
        .map(|play| (play.lesson.name.as_str(), play.language))
        .collect();
    if seeds.is_some() && !modules.is_empty() {
        modules.push((schedule::MODULE, Language::Rust));
    }
    let mut prepared = pipeline::prepare_modules(
        session,
        &options.common.source_request(),
        options.profile.profile(),
        &modules,
    )?;
    if seeds.is_some() && !modules.is_empty() {
        prepared = play::held_up(session, &prepared)?;
    }
    report.kernel = Some(TestedKernel {
        name: prepared.kernel.kernel.clone(),
        version: prepared.kernel.version.clone(),
        qemu: prepared.toolchain.qemu_version.clone(),
    });
    let time = match options.time {
        TimeOption::Virtual if record.is_some() => Time::Recorded,
        TimeOption::Virtual => Time::Virtual,
        TimeOption::Real => Time::Real(accel::choose(
            session,
            &prepared.toolchain,
            &prepared.kernel,
            &prepared.initramfs,
            None,
        )?),
    };
    if time == Time::Virtual && !options.cold && !modules.is_empty() {
        prepared.saved = play::saved(session, &prepared);
    }
    let mut words = options.common.kernel_args();
    words.extend(options.profile.args());
    let quoted =
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
    let kernel_options = if words.is_empty() {
        quoted
    } else {
        " ".to_owned() + &quoted
    };
    let manner = Manner {
        time,
        record,
        repeat: options.repeat,
        seeds,
        timeline: timelines.is_some(),
        fail_fast: options.fail_fast,
        keep_output: options.update,
        kernel_options: &kernel_options,
    };
    let note = |played: &Played, kept: Result<()>| {
        if let Err(error) = kept {
            let label = played.outcome.label();
            session.ui.note(format!("{label}: {error:#}"));
        }
    };
    report.outcomes = play::all(session, &prepared, plays, manner, &|lesson, played| {
        if let Some(timelines) = timelines {
            note(played, timelines.write_all(played));
        }
        if played.outcome.failed() {
            let kept = artifacts.write(lesson, &prepared.kernel, played);
            note(played, kept);
        }
    });
    if let Some(timelines) = timelines {
        session
            .ui
            .note(format!("timelines: {}", timelines.folder().display()));
    }
    report.races = play::race_findings(session, &prepared, &report.outcomes);
    if let Some(folder) = record {
        let replay = format!(
            "replay one with: cargo xtask replay {}/FILE",
            folder.path().display()
        );
        session.ui.note(replay);
    }
    if let Some(folder) = artifacts.folder() {
        session
            .ui
            .note(format!("artifacts of each failure: {}", folder.display()));
    }
    Ok(())
}

/// Prints the report for a person, and the timeline behind it if there is just
/// one: to standard error if another report takes standard output.
fn print(options: &TestOptions, report: &SuiteReport, timelines: Option<&Timelines>) -> Result<()> {
    let (mut stderr, mut stdout) = (std::io::stderr(), std::io::stdout());
    let (out, terminal): (&mut dyn std::io::Write, _) = if options.targets.take_standard_output() {
        let terminal = stderr.is_terminal();
        (&mut stderr, terminal)
    } else {
        let terminal = stdout.is_terminal();
        (&mut stdout, terminal)
    };
    let style = terminal::TerminalStyle::new(terminal, options.common.verbose);
    terminal::print(out, &report.outcomes, &report.races, &style)?;
    if let Some(text) = timelines.and_then(|timelines| timelines.only(terminal)) {
        write!(out, "\n{text}")?;
    }
    Ok(())
}

/// Prints what would be played.
fn list(options: &TestOptions, plays: &[Play<'_>]) -> Result<()> {
    if let Some(path) = &options.targets.json {
        return report::write(path, &json::list(plays)?);
    }
    let width = plays.iter().map(|play| play.lesson.name.len()).max();
    let width = width.unwrap_or(0);
    let mut stdout = std::io::stdout().lock();
    for play in plays {
        let Lesson { name, title, .. } = play.lesson;
        let language = play.language.name();
        write!(stdout, "{name:width$}  {language:4}  {title}")?;
        match play.lacks() {
            Some(why) => writeln!(stdout, " (skipped: {why})")?,
            None => writeln!(stdout)?,
        }
    }
    Ok(())
}
