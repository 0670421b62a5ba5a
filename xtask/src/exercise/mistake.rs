//! Common mistakes of a lesson: changes of its module that fail as the lesson's text describes.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::answer::AnswerFolder;
use super::{WRONG, WrongAnswer, read, wrong_answers};
use crate::failure::Failure;
use crate::kernel::Configuration;
use crate::kernel::source::SourceRequest;
use crate::lesson::{self, Lesson};
use crate::project::Project;
use crate::report::SuiteProgress;
use crate::run::plan::{PlannedCase, TestCase};
use crate::run::{
    CompletedRun, GuestKind, GuestSettings, Outcome, Prepared, RunObserver, SuiteNeeds,
    SuiteSettings,
};
use crate::session::Session;
use crate::workspace::Workspace;

/// A common mistake of a lesson or race, `wrong/ITEM.rs.patch` in its folder.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// The name of the lesson, which is that of its module too.
    pub lesson: String,
    /// The change.
    pub wrong: WrongAnswer,
    /// The path of the lesson's source for messages.
    pub file: PathBuf,
    /// The module with the mistake.
    pub source: String,
    /// The text whose transcript shows the mistake, and its path for messages.
    text: (PathBuf, PathBuf),
}

impl Mistake {
    /// Loads the mistakes of a lesson or race, sorted by name; none if it has none.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a file is malformed, or does not fit the lesson's module.
    pub fn of_lesson(workspace: &Workspace, lesson: &str) -> Result<Vec<Self>> {
        let folder = workspace.folder_of(lesson);
        let below = folder.join(WRONG);
        let load = |wrong: WrongAnswer| -> Result<Self> {
            let file = folder.join(wrong.language.source(lesson));
            let own = below.join(format!("{}.md", wrong.item));
            let text = match own.is_file() {
                true => own,
                false => folder.join("README.md"),
            };
            Ok(Self {
                lesson: lesson.to_owned(),
                source: wrong.apply(&read(&file)?)?,
                file: workspace.shown(&file),
                text: (text.clone(), workspace.shown(&text)),
                wrong,
            })
        };
        let answers = wrong_answers(&below, &workspace.shown(&below))?;
        answers.into_iter().map(load).collect()
    }

    /// Returns the lines that it changes, each group below its place in the lesson's source.
    pub fn shown_changes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, changed) in self.wrong.changes() {
            lines.push(format!("{}:{number}", self.file.display()));
            lines.extend(changed);
        }
        lines
    }

    /// Returns the lesson that shows the mistake.
    fn lesson(&self, folder: &AnswerFolder) -> Result<Lesson> {
        let language = self.wrong.language;
        let file = format!("{}.{}", self.lesson, language.extension());
        let name = format!("{}.{}", self.lesson, self.wrong.item);
        let sources = folder.write(&format!("{name}-{language}"), &file, &self.source)?;
        let project = Project::of_answer(&name, &self.lesson, language, &sources, &sources)?;
        let markdown = read(&self.text.0)?;
        let lesson = lesson::of_part(
            &project,
            (name, self.wrong.item.clone()),
            &markdown,
            (&self.text.0, &self.text.1),
            None,
        )?;
        lesson.with_context(|| {
            let text = self.text.1.display();
            Failure::lesson(format!("{text}: this text has no console block"))
        })
    }
}

/// A run of a lesson with a mistake.
#[derive(Debug)]
pub struct MistakeRun {
    /// The outcome.
    pub outcome: Outcome,
    /// The commands and their output, if a guest ran.
    pub session: Option<String>,
}

/// Runs the lessons with these mistakes, each in a guest of its own.
///
/// # Errors
///
/// Fails if a text cannot be tested, or if the kernel cannot be built.
pub fn run(
    session: &Session,
    source: &SourceRequest,
    configuration: &Configuration,
    mistakes: &[&Mistake],
) -> Result<Vec<MistakeRun>> {
    let folder = AnswerFolder::new()?;
    let lessons = mistakes.iter().map(|mistake| mistake.lesson(&folder));
    let lessons: Vec<Lesson> = lessons.collect::<Result<_>>()?;
    let case = |(lesson, mistake): (_, &&Mistake)| {
        let language = mistake.wrong.language;
        PlannedCase::Read(TestCase { lesson, language })
    };
    let cases: Vec<PlannedCase<'_>> = lessons.iter().zip(mistakes).map(case).collect();
    let needs = SuiteNeeds {
        source,
        configuration,
        settings: &GuestSettings::default(),
        cases: &cases,
        schedules: false,
        guests: GuestKind::Resumed,
    };
    let prepared = Prepared::new(session, needs)?;
    let runner = prepared.runner(session);
    let settings = SuiteSettings::new(prepared.mode);
    let progress = SuiteProgress::new(&session.ui, runner.count(&cases, settings));
    let sessions = Sessions::default();
    let run = runner.suite(
        &cases,
        settings,
        &[&progress as &dyn RunObserver, &sessions],
    );
    progress.done();
    let runs = run.outcomes.into_iter();
    Ok(runs
        .map(|outcome| MistakeRun {
            session: sessions.of(&outcome),
            outcome,
        })
        .collect())
}

/// Keeps the commands and the output of each run.
#[derive(Debug, Default)]
struct Sessions(std::sync::Mutex<Vec<(String, String)>>);

impl Sessions {
    fn of(&self, outcome: &Outcome) -> Option<String> {
        let sessions = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let own = sessions.iter().find(|(name, _)| *name == outcome.name());
        own.map(|(_, session)| session.clone())
    }
}

impl RunObserver for Sessions {
    fn on_event(&self, event: &crate::run::RunEvent<'_>) {
        if let crate::run::RunEvent::Completed { completed, .. } = event {
            let CompletedRun {
                outcome, session, ..
            } = completed;
            let mut sessions = self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            sessions.push((outcome.name(), session.clone()));
        }
    }
}
