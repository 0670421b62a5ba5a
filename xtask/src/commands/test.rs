//! `cargo xtask test`: runs lessons in guests and compares their output with their texts.

mod options;
mod output;
mod schedules;
mod selection;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::failure::{Fault, fault_of};
use crate::kernel::Configuration;
use crate::kernel::source::SourceRequest;
use crate::lesson::verdict::Verdict;
use crate::lesson::{Lesson, LessonText};
use crate::modules::Language;
use crate::pipeline::Built;
use crate::project::{GuestChoice, MANIFEST};
use crate::recording::{RecordingFolder, RecordingWriter};
use crate::report::artifacts::Artifacts;
use crate::report::timelines::Timelines;
use crate::report::{self, SuiteProgress, SuiteReport, TestedKernel};
use crate::run::plan::{PlannedCase, plan};
use crate::run::update::TextUpdate;
use crate::run::{
    CleanSchedules, GuestSettings, Outcome, Prepared, RaceFindings, RunObserver, SuiteNeeds,
    SuiteSettings, check_schedule, clean_schedules, race_findings, without_guests,
};
use crate::session::Session;
use crate::text::shell_word;
use options::TimeOption;
use schedules::{RequestedSchedules, check_single};

pub use options::TestOptions;

/// Runs the lessons; the status is 0 if all passed, 1 if one failed, 69 if a guest could not be
/// run. The requested reports are written in any case, once the options are understood.
///
/// # Errors
///
/// If the options are invalid, or the kernel cannot be built.
pub fn run(options: &TestOptions) -> Result<ExitCode> {
    let started = Instant::now();
    options.check()?;
    let real_time = options.time == TimeOption::Real;
    let schedules = &options.schedules;
    let schedules = schedules.requested(real_time, options.record.is_some())?;
    let timelines = options.timelines()?;
    let (lessons, kernel, guest) = options.lessons()?;
    let source = options.common.source_request_or(&kernel);
    let configuration = options.configuration.configuration(&kernel)?;
    let guest = guest.for_kernel(&configuration);
    let cases = plan(&lessons, options.lang.languages(), options.partition);
    check_single(schedules, &cases)?;
    if options.list {
        return output::list(options, &cases).map(|()| ExitCode::SUCCESS);
    }
    let session = options.common.session()?;
    if options.run.is_none() {
        selection::note_unread(&session, lessons.iter().flatten());
    }
    let update = TextUpdate::default();
    let run_suite = |settings: GuestSettings| {
        run_suite(
            options,
            &session,
            (&source, &configuration, &settings),
            &lessons,
            schedules,
            timelines.as_ref(),
            &update,
        )
    };
    let settings = guest.hardware(&session).map(|hardware| GuestSettings {
        hardware,
        kernel_parameters: guest.kernel_parameters.clone(),
    });
    let (suite, unprepared) = match cases.iter().any(|case| case.runnable().is_some()) {
        true => settings.and_then(run_suite).map_or_else(
            |error| {
                let what = format!("{error:#}");
                (SuiteResult::without_guests(&cases, &what), Some(error))
            },
            |suite| (suite, None),
        ),
        false => (
            SuiteResult::without_guests(&cases, "no guest is needed"),
            None,
        ),
    };
    // An invalid option, found late.
    let unprepared = match unprepared {
        Some(error) if fault_of(&error) == Fault::Usage => return Err(error),
        unprepared => unprepared,
    };
    note_parameters(&session, &guest, &suite.outcomes);
    let report = SuiteReport {
        kernel: suite.kernel,
        time: match options.time {
            TimeOption::Virtual => "virtual",
            TimeOption::Real => "real",
        },
        repeat: options.repeat,
        partition: options.partition,
        wall: started.elapsed(),
        stages: session.ui.stages(),
        outcomes: suite.outcomes,
        races: suite.races,
        clean: suite.clean,
    };
    if options.common.verbose {
        session.ui.summary();
    }
    if let Some(error) = unprepared {
        // One error says more to a person than a row of skipped test cases.
        if let Err(error) = options.targets.write(&report) {
            session.ui.note(format!("{error:#}"));
        }
        return Err(error);
    }
    let updated = match options.update {
        true => {
            let read: Vec<&Lesson> = lessons.iter().flatten().collect();
            update.write(&read, &report.outcomes)
        }
        false => Ok(()),
    };
    // A standard output that is full takes no file's report away.
    let printed = output::print(options, &report, timelines.as_ref());
    options.targets.write(&report)?;
    printed?;
    updated?;
    suite.recorded?;
    let fault = report::fault(&report.outcomes);
    Ok(fault.map_or(ExitCode::SUCCESS, |fault| ExitCode::from(fault.status())))
}

/// The results of a suite.
struct SuiteResult {
    kernel: Option<TestedKernel>,
    outcomes: Vec<Outcome>,
    races: Vec<RaceFindings>,
    clean: Vec<CleanSchedules>,
    /// Whether all recordings could be written.
    recorded: Result<()>,
}

impl SuiteResult {
    /// Returns the results of a suite without guests, for this reason.
    fn without_guests(cases: &[PlannedCase<'_>], why: &str) -> Self {
        Self {
            kernel: None,
            outcomes: without_guests(cases, why),
            races: Vec::new(),
            clean: Vec::new(),
            recorded: Ok(()),
        }
    }
}

/// Builds everything that the test cases need, and runs them.
fn run_suite(
    options: &TestOptions,
    session: &Session,
    (source, configuration, settings): (&SourceRequest, &Configuration, &GuestSettings),
    lessons: &[LessonText],
    schedules: RequestedSchedules<'_>,
    timelines: Option<&Timelines>,
    update: &TextUpdate,
) -> Result<SuiteResult> {
    let artifacts = Artifacts::new(options.artifacts.as_deref(), &session.cache)?;
    let folder = options.record.as_deref().map(RecordingFolder::new);
    let folder = folder.transpose()?;
    let languages = options.lang.languages();
    let needs = SuiteNeeds {
        source,
        configuration,
        settings,
        cases: &plan(lessons, languages, options.partition),
        schedules: schedules.any(),
        guests: options.guests(),
    };
    let prepared = Prepared::new(session, needs)?;
    let built = &prepared.built;
    // The steps of a project without a text have the names of its modules.
    let lessons: Vec<LessonText> = lessons
        .iter()
        .map(|text| text.as_ref().map(|lesson| complete(lesson, built)))
        .map(|text| text.map_err(Clone::clone))
        .collect();
    let cases = &plan(&lessons, languages, options.partition)[..];
    let settings = SuiteSettings {
        mode: prepared.mode,
        repeat: options.repeat,
        seeds: schedules.seeds,
        aim: schedules.aim,
        weak_memory: schedules.weak_memory,
        schedule: schedules.exact,
        timeline: timelines.is_some(),
        fail_fast: options.fail_fast,
        kernel_options: &options.kernel_options(),
        artifacts: &|id| artifacts.folder_of(id, &session.ui),
    };
    if let Some(schedule) = schedules.exact {
        for case in cases.iter().filter_map(PlannedCase::runnable) {
            check_schedule(session, built, case, schedule)?;
        }
    }
    let runner = prepared.runner(session);
    let progress = SuiteProgress::new(&session.ui, runner.count(cases, settings));
    let artifact_writer = Artifacts::writer(session, &built.kernel);
    let timeline_writer = timelines.map(|timelines| timelines.writer(&session.ui));
    let runnable = || cases.iter().filter_map(PlannedCase::runnable).copied();
    let recording_writer = folder.as_ref();
    let recording_writer = recording_writer.map(|folder| folder.writer(session, built, runnable()));
    let mut observers: Vec<&dyn RunObserver> = vec![&progress, &artifact_writer];
    if let Some(writer) = &timeline_writer {
        observers.push(writer);
    }
    if let Some(writer) = &recording_writer {
        observers.push(writer);
    }
    if options.update {
        observers.push(update);
    }
    let run = runner.suite(cases, settings, &observers);
    progress.done();
    if let Some(exact) = schedules.exact {
        schedules::note_missed(&session.ui, exact, &run.outcomes);
    }
    let narrowed = match schedules.narrows {
        true => runner.narrow(cases, &run),
        false => Vec::new(),
    };
    if schedules.gdb {
        schedules::debug(&runner, schedules, cases, &run, &narrowed)?;
    }
    if let Some(timelines) = timelines {
        timelines.write_pairs(&narrowed, &session.ui);
    }
    let note = |what: &str, folder: &Path| {
        session.ui.note(format!("{what}{}", folder.display()));
    };
    if let Some(timelines) = timelines {
        note("timelines: ", timelines.folder());
    }
    if let Some(folder) = &folder {
        let file = shell_word(&folder.path().join("FILE"));
        let command = format!("replay one with: {} replay {file}", crate::program::name());
        session.ui.note(command);
    }
    if let Some(folder) = artifacts.folder() {
        note("artifacts of each failure: ", folder);
    }
    Ok(SuiteResult {
        kernel: Some(TestedKernel {
            name: built.kernel.kernel.clone(),
            version: built.kernel.version.clone(),
            qemu: built.toolchain.qemu_version.clone(),
        }),
        races: race_findings(
            session,
            built,
            &run.outcomes,
            &narrowed,
            schedules.options(),
            &options.run_options(),
        ),
        clean: clean_schedules(cases, &run, schedules.aim),
        outcomes: run.outcomes,
        recorded: recording_writer.map_or(Ok(()), RecordingWriter::finish),
    })
}

/// Notes the kernel parameters that a project states if a guest could not be run with them.
fn note_parameters(session: &Session, guest: &GuestChoice, outcomes: &[Outcome]) {
    let failed = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Infrastructure { .. });
    if outcomes.iter().any(failed) && !guest.kernel_parameters.is_empty() {
        session.ui.note(format!(
            "the guests have the kernel parameters of {MANIFEST}, `{}`: try without them",
            guest.kernel_parameters.join(" ")
        ));
    }
}

/// Returns a lesson with the steps that load the modules of its project, if it has no text.
pub(super) fn complete(lesson: &Lesson, built: &Built) -> Lesson {
    let languages = [Language::Rust, Language::C].into_iter();
    let modules = languages.flat_map(|language| built.modules_of(lesson.owner(), language));
    lesson.with_modules(modules)
}
