//! Runs one test case in one guest, and judges the run.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use kmodlab_protocol::{RunOptions, State};

use super::outcome::{ObservedRun, Outcome, Phases, ScheduledRun};
use super::plan::TestCase;
use super::request::{CaseRequest, Mode, lesson_files, scheduled_script};
use super::runner::{RecordedInput, Runner, Script, TaggedRun};
use super::scheduled::{main_module, symbols_of};
use crate::lesson::Lesson;
use crate::lesson::judge::{self, Evidence};
use crate::lesson::kernel_log::without_levels;
use crate::lesson::left_behind::{left_behind, objects_left_behind};
use crate::lesson::narrative::narrative;
use crate::lesson::record;
use crate::lesson::timestamp::Tolerance;
use crate::lesson::trace_dump;
use crate::lesson::verdict::Verdict;
use crate::modules::{Module, kernel_name};
use crate::schedule::{self, DelayReport};
use crate::symbols::{self, SourceLocation};
use crate::timeline::{Timeline, TimelineInput};
use crate::vm::GuestRun;

/// The beginning of messages about the end of a guest, which kmodlab causes.
const RESET: &str = "sysrq: ";

/// Maximum number of the kernel's messages that are kept of a run under a schedule, to compare
/// all runs when the last has ended. A race prints some ten.
const MAX_MESSAGES: usize = 2000;

/// A run of a test case that ended: its outcome, and the evidence for that.
#[derive(Debug)]
pub struct CompletedRun {
    /// The outcome.
    pub outcome: Outcome,
    /// The guest's channels.
    pub run: GuestRun,
    /// The commands and their output, as a person sees them at a terminal.
    pub session: String,
    /// The steps, and what the lesson left behind.
    pub observed: ObservedRun,
    /// The timeline, if it was requested.
    pub timeline: Option<Timeline>,
    /// Everything that a replay needs, if the run was recorded and the recording is whole.
    pub recorded: Option<RecordedInput>,
}

impl Runner<'_> {
    /// Runs a test case once.
    ///
    /// # Errors
    ///
    /// If no guest can be run.
    pub fn single(&self, case: &TestCase<'_>, mode: Mode) -> Result<CompletedRun> {
        self.case(case, &CaseRequest::new(mode), &mut |_| ())
    }

    /// Runs a test case, and writes the guest's output to the cache's folder `logs`. `on_step`
    /// receives the number, from 1, of each step that begins.
    pub(super) fn case(
        &self,
        case: &TestCase<'_>,
        request: &CaseRequest<'_>,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<CompletedRun> {
        let TestCase { lesson, language } = *case;
        let CaseRequest { mode, schedule, .. } = *request;
        let (TaggedRun { tag, mut run }, recorded) = self.guest(case, request, on_step)?;
        let dump = request
            .timeline
            .then(|| trace_dump::take_dump(&mut run.log));
        let ended = Instant::now();
        let tolerance = match schedule {
            Some(_) => schedule::tolerance(mode.tolerance()),
            None => mode.tolerance(),
        };
        let evidence = Evidence::read(tag, &run);
        let (verdict, source_locations) = self.judged(case, tolerance, &evidence, &run);
        let earlier = judge::earlier_mismatch(lesson, &evidence, tolerance, &verdict);
        let succeeded = judge::unexpected_success(lesson, &verdict);
        let Evidence { record, log } = evidence;
        let steps = lesson.transcript.steps.iter();
        let commands: Vec<&str> = steps.map(|step| step.command.as_str()).collect();
        let session = record::session(commands.iter().copied(), &record.steps);
        let boot = run.boot.unwrap_or(run.wall);
        let states = record.before.as_ref().zip(record.after.as_ref());
        let left = |left: fn(&State, &State) -> Vec<String>| {
            states.map_or_else(Vec::new, |(before, after)| left(before, after))
        };
        let outcome = Outcome {
            run: request.repetition,
            kernel_options: request.kernel_options.to_owned(),
            wall: run.wall,
            guest_seconds: log.last_time(),
            narrative: match lesson.has_text() {
                true => Vec::new(),
                false => narrative(&lesson.transcript, &record, &log),
            },
            scheduled: schedule.map(|schedule| ScheduledRun {
                name: schedule.name.clone(),
                report: DelayReport::read(&run.debug, &schedule.points),
                messages: log
                    .messages()
                    .filter(|message| !message.starts_with(RESET))
                    .take(MAX_MESSAGES)
                    .map(str::to_owned)
                    .collect(),
            }),
            phases: Some(Phases {
                boot,
                lesson: run.wall.saturating_sub(boot),
                compare: ended.elapsed(),
            }),
            log: Some(self.write_log(case, &run, &session)?),
            earlier,
            succeeded,
            left: left(objects_left_behind),
            notes: self.built.notes_on(&lesson.origin().owner, language),
            source_locations,
            ..Outcome::new(lesson, language, verdict)
        };
        let id = outcome.id();
        let outcome = Outcome {
            artifacts: match outcome.failed() {
                true => (request.artifacts)(&id),
                false => None,
            },
            ..outcome
        };
        let timeline = dump.map(|dump| {
            let origin = lesson.origin();
            // A project has another name than its modules.
            let module = main_module(self.built, &origin, language)
                .map_or_else(|_| kernel_name(&lesson.name), Module::kernel_name);
            let delays = outcome.scheduled.as_ref();
            Timeline::of(&TimelineInput {
                name: &outcome.label(),
                lesson: &module,
                verdict: &outcome.verdict.to_string(),
                commands: &commands,
                programs: &own_programs(lesson),
                trace: record.trace.as_deref(),
                dump: dump.as_deref(),
                injected_delays: delays.map_or(&[], |scheduled| &scheduled.report.delays),
                log: &log,
            })
        });
        Ok(CompletedRun {
            outcome,
            run,
            session,
            observed: ObservedRun {
                left: left(left_behind),
                steps: record.steps,
            },
            timeline,
            recorded,
        })
    }

    /// Runs the guest of a test case.
    fn guest(
        &self,
        case: &TestCase<'_>,
        request: &CaseRequest<'_>,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<(TaggedRun, Option<RecordedInput>)> {
        let lesson = case.lesson;
        let options = RunOptions {
            setting: request.schedule.map(|schedule| schedule.setting.clone()),
            reports_trace: request.timeline,
        };
        let script = match request.schedule {
            Some(_) => scheduled_script(self.built, case)?,
            None => Script {
                transcript: &lesson.transcript,
                files: lesson_files(self.built, case)?,
                traces: request.timeline,
            },
        };
        if let (Some(debugger), Some(schedule)) = (request.debugger, request.schedule) {
            let run = self.debugged(case, &script, schedule, debugger)?;
            return Ok((run, None));
        }
        match (request.mode, request.schedule) {
            (Mode::Virtual, Some(schedule)) => {
                let run = self.script_from(schedule.snapshot, &script, &options, on_step)?;
                Ok((run, None))
            }
            (Mode::Virtual, None) => Ok((self.script(&script, &options, on_step)?, None)),
            (Mode::Recorded, _) => self.recorded(&script, &options, on_step),
            (Mode::RealTime(accel), _) => {
                let files = script.files;
                let (run, _) = self.real_time(&lesson.transcript, files, accel, on_step)?;
                Ok((run, None))
            }
        }
    }

    /// Writes a guest's output to the cache, and returns the file. A later run overwrites it.
    fn write_log(&self, case: &TestCase<'_>, run: &GuestRun, session: &str) -> Result<PathBuf> {
        let (name, language) = (&case.lesson.name, case.language);
        let kernel = self.built.kernel.label();
        let folder = self.session.cache.folder("logs")?;
        let path = folder.join(format!("{name}-{language}-{kernel}"));
        let mut output = [
            b"== the kernel's log\n",
            without_levels(&run.log).as_slice(),
            b"\n== the commands and their output\n",
            session.as_bytes(),
        ]
        .concat();
        if !run.debug.is_empty() {
            output.extend(b"\n== the output of perturb\n");
            output.extend(&run.debug);
        }
        self.session.cache.write(&path, &output)?;
        self.session
            .ui
            .tool_output(&String::from_utf8_lossy(&output));
        Ok(path)
    }

    /// Judges a run, and finds the source locations of a kernel report with the line tables of
    /// the kernel and the modules.
    pub fn judged(
        &self,
        case: &TestCase<'_>,
        tolerance: Tolerance,
        evidence: &Evidence,
        run: &GuestRun,
    ) -> (Verdict, Vec<SourceLocation>) {
        let origins = || {
            let modules = self.built.modules_of(case.lesson.owner(), case.language);
            let files = modules.map(|module| &*module.stripped);
            symbols::origins(&self.built.kernel.vmlinux(), files)
        };
        let mut verdict = judge::judge(case.lesson, evidence, run, tolerance, &origins);
        let locations = verdict.report_mut().map(|report| {
            let origin = case.lesson.origin();
            symbols_of(self.session, self.built, &origin, case.language).symbolize(report)
        });
        (verdict, locations.unwrap_or_default())
    }
}

/// Returns the names of a project's programs in the guest, as the kernel has them: 15 letters of each at most
/// (`TASK_COMM_LEN` in include/linux/sched.h).
fn own_programs(lesson: &Lesson) -> Vec<String> {
    const MAX_NAME: usize = 15;
    let project = lesson.project.iter();
    let files = project.flat_map(|project| &project.guest_files);
    let names = files.filter_map(|file| file.path.rsplit('/').next());
    names
        .map(|name| name.chars().take(MAX_NAME).collect())
        .collect()
}
