//! Checks answers: compiles each once per kernel, runs each part in a guest of its own, and the parts
//! with schedules when all parts above them passed.

mod observer;
mod record;
mod settings;

use std::collections::BTreeSet;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use kmodlab_protocol::TRACKER;

use super::answer::{Answer, AnswerPart};
use super::hints::{HintTable, candidates};
use super::judge::{compile_result, imports, judge, part_result};
use super::part::TaskPart;
use super::result::{CheckResult, CompileResult, PartResult, RESULT_SCHEMA};
use crate::failure::Failure;
use crate::kernel::Profile;
use crate::modules::{Language, ModuleRequest};
use crate::pipeline::{self, Built};
use crate::report::SuiteProgress;
use crate::report::json::KernelEntry;
use crate::run::plan::{PlannedCase, TestCase};
use crate::run::{
    GuestSettings, GuestStart, Mode, Outcome, RunObserver, Runner, StartOptions, SuiteSettings,
};
use crate::schedule::{self, Seeds};
use crate::session::Session;
use observer::PartObserver;

pub use observer::CheckEvent;
pub use settings::{CheckSettings, FIRST_SEED, RefusalRule};

/// Checks answers, and returns the result of each, in their order.
///
/// # Errors
///
/// Fails if the kernel or one of kmodlab's own modules cannot be built. An answer that does not
/// compile, and a guest that cannot be run, are results.
pub fn check(
    session: &Session,
    answers: &[Answer<'_>],
    settings: CheckSettings<'_>,
) -> Result<Vec<CheckResult>> {
    let table = HintTable::load(&session.workspace)?;
    let mut check = Check::new(session, answers, settings);
    for profile in Profile::ALL {
        check.build(profile)?;
    }
    for kernel in 0..check.kernels.len() {
        check.plain_parts(kernel)?;
        if let Some(folder) = settings.recordings {
            check.record_failures(kernel, folder)?;
        }
    }
    if settings.schedules {
        check.scheduled_parts()?;
    }
    Ok(check.results(&table))
}

/// A kernel with the modules of the answers that have a part for it.
struct CheckedKernel {
    profile: Profile,
    built: Built,
    /// For each answer, the symbols that its module uses on this kernel; none if it does not compile.
    imports: Vec<BTreeSet<String>>,
    /// The start of guests with `perturb`, once a part with schedules needs it.
    delayed: Option<GuestStart>,
}

struct Check<'a> {
    session: &'a Session,
    answers: &'a [Answer<'a>],
    settings: CheckSettings<'a>,
    kernels: Vec<CheckedKernel>,
    compiled: Vec<CompileResult>,
    /// For each answer, the results of its parts.
    parts: Vec<Vec<PartResult>>,
}

/// A part of an answer: the indices of both.
type PartIndex = (usize, usize);

impl<'a> Check<'a> {
    fn new(session: &'a Session, answers: &'a [Answer<'a>], settings: CheckSettings<'a>) -> Self {
        let parts = |answer: &Answer<'_>| {
            let parts = answer.parts.iter();
            parts.map(|part| part_result(answer, part)).collect()
        };
        let compiled = CompileResult {
            verdict: "pass".to_owned(),
            ..CompileResult::default()
        };
        Self {
            session,
            answers,
            settings,
            kernels: Vec::new(),
            compiled: vec![compiled; answers.len()],
            parts: answers.iter().map(parts).collect(),
        }
    }

    fn task_part(&self, (answer, part): PartIndex) -> &'a TaskPart {
        let answer = &self.answers[answer];
        &answer.exercise.task.parts[answer.parts[part].index]
    }

    fn answer_part(&self, (answer, part): PartIndex) -> &'a AnswerPart {
        &self.answers[answer].parts[part]
    }

    fn profile(&self, part: PartIndex) -> Profile {
        let own = self.task_part(part).settings.profile();
        self.settings.profile.unwrap_or(own)
    }

    fn has_schedules(&self, part: PartIndex) -> bool {
        self.task_part(part).settings.schedules.is_some()
    }

    /// Returns the parts for a profile.
    fn parts_of(&self, profile: Profile) -> Vec<PartIndex> {
        let answers = self.answers.iter().enumerate();
        let all = answers
            .flat_map(|(index, answer)| (0..answer.parts.len()).map(move |part| (index, part)));
        all.filter(|&part| self.profile(part) == profile).collect()
    }

    /// Compiles the answers that have a part for a profile.
    fn build(&mut self, profile: Profile) -> Result<()> {
        let parts = self.parts_of(profile);
        let mut of_profile: Vec<usize> = parts.iter().map(|(answer, _)| *answer).collect();
        of_profile.dedup();
        if of_profile.is_empty() {
            return Ok(());
        }
        let request = |&index: &usize| {
            let answer = &self.answers[index];
            ModuleRequest::Project(&answer.project, answer.language)
        };
        let mut modules: Vec<ModuleRequest<'_>> = of_profile.iter().map(request).collect();
        let schedules =
            self.settings.schedules && parts.iter().any(|&part| self.has_schedules(part));
        if schedules {
            modules.push(ModuleRequest::Own(schedule::MODULE, Language::Rust));
        }
        let built = pipeline::prepare_modules(
            self.session,
            self.settings.source,
            &profile.into(),
            &modules,
        )?;
        for (name, language) in [(schedule::MODULE, Language::Rust), (TRACKER, Language::C)] {
            if let Some(unbuilt) = built.unbuilt(name, language) {
                bail!("{}", unbuilt.message);
            }
        }
        let mut of_answers = vec![BTreeSet::new(); self.answers.len()];
        for index in of_profile {
            let result = compile_result(&built, &self.answers[index]);
            if result.verdict == "pass" {
                of_answers[index] = imports(&built, &self.answers[index])?;
            }
            if self.compiled[index].verdict == "pass" {
                self.compiled[index] = result;
                (self.settings.on_event)(CheckEvent::Compiled {
                    answer: index,
                    result: &self.compiled[index],
                });
            }
        }
        self.kernels.push(CheckedKernel {
            profile,
            built,
            imports: of_answers,
            delayed: None,
        });
        Ok(())
    }

    /// Runs the parts without schedules of the answers that compile, all at once.
    fn plain_parts(&mut self, kernel: usize) -> Result<()> {
        let kernel = &self.kernels[kernel];
        let mut parts = self.parts_of(kernel.profile);
        parts.retain(|&part| !self.has_schedules(part) && self.compiled[part.0].verdict == "pass");
        let mut with_guest = parts.clone();
        with_guest.retain(|&part| self.answer_part(part).lesson.is_some());
        let outcomes = match with_guest.is_empty() {
            true => Vec::new(),
            false => {
                let options = StartOptions {
                    delays: false,
                    snapshot: true,
                };
                let settings = GuestSettings::default();
                let start = GuestStart::new(self.session, &kernel.built, options, &settings)?;
                self.suite(kernel, &start, &with_guest, None)
            }
        };
        let mut outcomes = with_guest.iter().zip(outcomes).peekable();
        let mut judged = Vec::new();
        for part in parts {
            let of_part = outcomes.next_if(|(of, _)| **of == part);
            let outcomes: Vec<Outcome> = of_part.into_iter().map(|(_, outcome)| outcome).collect();
            judged.push((part, self.judge(kernel, part, &outcomes)));
        }
        for ((answer, part), result) in judged {
            self.parts[answer][part] = result;
        }
        Ok(())
    }

    /// Runs the parts with schedules above which all parts passed.
    fn scheduled_parts(&mut self) -> Result<()> {
        for answer in 0..self.answers.len() {
            for part in 0..self.answers[answer].parts.len() {
                let index = (answer, part);
                let above = &self.parts[answer][..part];
                let runs = self.has_schedules(index)
                    && self.compiled[answer].verdict == "pass"
                    && above.iter().all(PartResult::passed);
                if runs {
                    self.scheduled_part(index)?;
                }
            }
        }
        Ok(())
    }

    fn scheduled_part(&mut self, part: PartIndex) -> Result<()> {
        let profile = self.profile(part);
        let kernel = self
            .kernels
            .iter_mut()
            .find(|kernel| kernel.profile == profile);
        let kernel = kernel.context("the kernel of a part was not built")?;
        let options = StartOptions {
            delays: true,
            snapshot: true,
        };
        if kernel.delayed.is_none() {
            let settings = GuestSettings::default();
            let start = GuestStart::new(self.session, &kernel.built, options, &settings)?;
            kernel.delayed = Some(start);
        }
        let kernel = self.kernels.iter().find(|kernel| kernel.profile == profile);
        let (kernel, start) = kernel
            .and_then(|kernel| Some((kernel, kernel.delayed.as_ref()?)))
            .context("the guests of a part have no start")?;
        let count = self.task_part(part).settings.schedules.unwrap_or(1);
        let first = self.settings.first_seed;
        let seeds = Seeds::new(first, count)
            .ok_or_else(|| Failure::usage(format!("{first} is not the first of {count} seeds")))?;
        let outcomes = self.suite(kernel, start, &[part], Some(seeds));
        let result = self.judge(kernel, part, &outcomes);
        (self.settings.on_event)(CheckEvent::Judged {
            answer: part.0,
            part: part.1,
            result: &result,
        });
        self.parts[part.0][part.1] = result;
        Ok(())
    }

    fn judge(&self, kernel: &CheckedKernel, part: PartIndex, outcomes: &[Outcome]) -> PartResult {
        let (answer, of_answer) = (&self.answers[part.0], self.answer_part(part));
        judge(answer, of_answer, outcomes, &kernel.imports[part.0])
    }

    /// Returns the test cases of parts that have one.
    fn cases(&self, parts: &[PartIndex]) -> Vec<PlannedCase<'_>> {
        let case = |&part: &PartIndex| {
            let lesson = self.answer_part(part).lesson.as_ref()?;
            let language = self.answers[part.0].language;
            Some(PlannedCase::Read(TestCase { lesson, language }))
        };
        parts.iter().filter_map(case).collect()
    }

    /// Runs parts in guests: each once, or under each of `seeds` until one fails.
    fn suite(
        &self,
        kernel: &CheckedKernel,
        start: &GuestStart,
        parts: &[PartIndex],
        seeds: Option<Seeds>,
    ) -> Vec<Outcome> {
        let runner = Runner {
            session: self.session,
            built: &kernel.built,
            start,
        };
        let cases = self.cases(parts);
        let settings = SuiteSettings {
            seeds,
            fail_fast: seeds.is_some(),
            weak_memory: parts
                .iter()
                .any(|&part| self.task_part(part).settings.weak_memory),
            ..SuiteSettings::new(Mode::Virtual)
        };
        let observer = PartObserver {
            check: self,
            kernel,
            parts,
            judges: seeds.is_none(),
            began: Mutex::default(),
        };
        let progress = self
            .settings
            .progress
            .then(|| SuiteProgress::new(&self.session.ui, runner.count(&cases, settings)));
        let mut observers: Vec<&dyn RunObserver> = vec![&observer];
        observers.extend(
            progress
                .as_ref()
                .map(|progress| progress as &dyn RunObserver),
        );
        let run = runner.suite(&cases, settings, &observers);
        if let Some(progress) = progress {
            progress.done();
        }
        run.outcomes
    }

    fn results(self, table: &HintTable) -> Vec<CheckResult> {
        let kernel = self.kernels.first().map(|kernel| KernelEntry {
            name: kernel.built.kernel.kernel.clone(),
            version: kernel.built.kernel.version.clone(),
            qemu_version: kernel.built.toolchain.qemu_version.clone(),
        });
        let results = self.answers.iter().zip(self.compiled).zip(self.parts);
        results
            .enumerate()
            .map(|(index, ((answer, compile), parts))| {
                let of_kernels = self.kernels.iter().map(|kernel| &kernel.imports[index]);
                let imports: BTreeSet<&String> = of_kernels.flatten().collect();
                let imports: Vec<String> = imports.into_iter().cloned().collect();
                let result = CheckResult {
                    schema: RESULT_SCHEMA,
                    exercise: answer.exercise.id.clone(),
                    title: answer.exercise.task.title.clone(),
                    language: answer.language.to_string(),
                    answer: answer.shown.display().to_string(),
                    kernel: kernel.clone(),
                    compile,
                    points: parts.iter().map(|part| part.points).sum(),
                    maximum: parts.iter().map(|part| part.maximum).sum(),
                    parts,
                    refused: (self.settings.refusal)(answer, &imports),
                    imports,
                    hints: Vec::new(),
                };
                let (exercise, language) = (answer.exercise, answer.language);
                let (variant, source) = (&answer.variant, &answer.text);
                let hints = candidates(exercise, language, variant, source, table, &result);
                CheckResult { hints, ..result }
            })
            .collect()
    }
}
