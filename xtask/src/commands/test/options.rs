//! The options of `cargo xtask test`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::schedules::ScheduleOptions;
use crate::commands::common::{Common, ConfigurationOptions, Lang};
use crate::commands::projects::{ProjectOptions, or_current_folder};
use crate::failure::Failure;
use crate::report::ReportFiles;
use crate::report::timelines::Timelines;
use crate::run::GuestKind;
use crate::run::plan::Partition;
use crate::text::shell_word;

/// Options of `test`.
#[derive(Debug, Clone, clap::Args)]
pub struct TestOptions {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    pub(super) configuration: ConfigurationOptions,

    /// The lessons and races to run, or folders with modules of your own; all lessons if left out
    ///
    /// A `*` in a name matches any letters: 'kthread_*' selects all lessons whose names begin
    /// with kthread_. A folder is a path with a slash: ./mydriver, or `.` itself, which is also meant
    /// without any if it has modules and is not in a clone of kmodlab. A file such as ./mydriver/tests/reset.md
    /// is one text of such a folder.
    #[arg(value_name = "LESSON|PATH")]
    pub(super) lessons: Vec<String>,

    #[command(flatten)]
    pub(super) project: ProjectOptions,

    /// Run this command in the guest of each folder, in place of the folder's texts
    ///
    /// The modules are in the command's folder: 'insmod mydriver.ko && ./t'. The test passes if
    /// the command's status is 0, the kernel complains of nothing and nothing is left behind.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["races", "update"])]
    pub(super) run: Option<String>,

    /// Run the races and their corrected versions (modules/races) instead of the lessons: those
    /// that are named, or all
    #[arg(long)]
    pub(super) races: bool,

    /// The language of the modules
    #[arg(long, value_enum, default_value = "both")]
    pub(super) lang: Lang,

    /// Boot a guest for every lesson, instead of resuming all from a snapshot, which is the
    /// default in virtual time
    #[arg(long)]
    pub(super) cold: bool,

    /// The time in the guests
    #[arg(long, value_enum, default_value = "virtual")]
    pub(super) time: TimeOption,

    /// Record each run into a file in this folder, for `replay`
    ///
    /// A recorded guest has one CPU, boots for its lesson, and has virtual time.
    #[arg(long, value_name = "FOLDER")]
    pub(super) record: Option<PathBuf>,

    /// List the test cases, and build and run nothing
    #[arg(long, conflicts_with_all = ["junit", "ktap", "artifacts", "repeat", "fail_fast", "update", "record"])]
    pub(super) list: bool,

    /// Run each lesson N times, and report how often it passed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) repeat: u32,

    #[command(flatten)]
    pub(super) schedules: ScheduleOptions,

    /// Run the Kth of N parts: each test case is in one of them, always the same
    #[arg(long, value_name = "K/N")]
    pub(super) partition: Option<Partition>,

    /// Start no guest after a failure
    #[arg(long)]
    pub(super) fail_fast: bool,

    /// Write the output into the lessons' texts, where it differs from the text
    ///
    /// A lesson stays as it is if its kernel warned or crashed, or something was left behind.
    /// Review the changes with `git diff`.
    #[arg(long, conflicts_with_all = ["partition", "fail_fast"])]
    pub(super) update: bool,

    /// Write a timeline of each run into this folder: which thread ran on which CPU when, which
    /// thread woke which, and the messages; as text, as a page and as a trace for Perfetto
    ///
    /// Only in virtual time. The timeline of a single run is printed too.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["list", "update", "record"])]
    pub(super) timeline: Option<PathBuf>,

    #[command(flatten)]
    pub(super) targets: ReportFiles,

    /// Write the logs and reports of each failure into this folder; by default into the cache
    #[arg(long, value_name = "FOLDER")]
    pub(super) artifacts: Option<PathBuf>,
}

/// The time in the guests, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TimeOption {
    /// As fast as possible: QEMU skips time in which a guest is idle
    Virtual,
    /// Real time: each command is typed at the guest's console
    Real,
}

impl TestOptions {
    /// Returns the names and paths of the lessons and projects.
    pub(in crate::commands) fn arguments(&self) -> Vec<String> {
        or_current_folder(&self.lessons)
    }

    /// Returns the folder of timelines, if timelines are requested.
    pub(super) fn timelines(&self) -> Result<Option<Timelines>> {
        let Some(folder) = &self.timeline else {
            return Ok(None);
        };
        if self.time == TimeOption::Real {
            let what = "--timeline: timelines need virtual time; leave out --time real";
            return Err(Failure::usage(what).into());
        }
        Timelines::new(folder).map(Some)
    }

    /// Returns the kind of the suite's guests.
    pub(super) fn guests(&self) -> GuestKind {
        match self.time {
            TimeOption::Real => GuestKind::RealTime,
            TimeOption::Virtual if self.record.is_some() => GuestKind::Recorded,
            TimeOption::Virtual if self.cold => GuestKind::Booted,
            TimeOption::Virtual => GuestKind::Resumed,
        }
    }

    /// Returns the options that select the same kernel and guest, each behind a space.
    pub(super) fn kernel_options(&self) -> String {
        let mut words = self.common.kernel_args();
        words.extend(self.configuration.args());
        words.extend(self.project.guest_args());
        let quoted =
            shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
        match words.is_empty() {
            true => quoted,
            false => " ".to_owned() + &quoted,
        }
    }

    /// Returns the options `--run` and `--record`, as far as they are given, each behind a space: a recorded guest
    /// has one CPU, so without them a seed has another meaning.
    pub(super) fn run_options(&self) -> String {
        let option = |name: &str, value: &Path| format!(" {name} {}", shell_word(value));
        let run = self.run.as_ref().map(|run| option("--run", Path::new(run)));
        let record = self
            .record
            .as_ref()
            .map(|folder| option("--record", folder));
        run.into_iter().chain(record).collect()
    }

    /// Refuses options that need virtual time with real time.
    pub(super) fn check(&self) -> Result<()> {
        self.targets.check()?;
        if self.time == TimeOption::Virtual {
            return Ok(());
        }
        let refuse = |what: &str| Err(Failure::usage(what).into());
        if self.update {
            return refuse("--update needs virtual time; leave out --time real");
        }
        if self.record.is_some() {
            return refuse("--record needs virtual time; leave out --time real");
        }
        Ok(())
    }
}
