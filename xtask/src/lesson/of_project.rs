//! The lessons of a project: its texts, a command of the user's, or the load and unload of its
//! modules.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::transcript::{StatedLimit, Step, Transcript};
use super::{
    BadText, BadTextOwner, Lesson, LessonText, TextError, load::read_text, syntax, transcript,
};
use crate::failure::Failure;
use crate::modules::Module;
use crate::project::Project;

const README: &str = "README.md";

/// Beginnings of commands that load a module.
const LOADERS: [&str; 2] = ["insmod ", "modprobe "];

/// An expected line that stands for any lines.
const ANY_LINES: &str = "...";

/// Returns the lessons of a project: one that runs `command`, if there is one, else one for each
/// of its texts that run, else one that loads and unloads its modules. That one is complete only when
/// their names are known (see [`Lesson::with_modules`]).
///
/// # Errors
///
/// Fails with a usage error if the command is not one for a shell.
pub fn of_project(project: &Arc<Project>, command: Option<&str>) -> Result<Vec<LessonText>> {
    if let Some(command) = command {
        return of_command(project, command).map(|lesson| vec![Ok(lesson)]);
    }
    if project.texts.is_empty() {
        return Ok(vec![Ok(without_text(project))]);
    }
    let texts = project.run_texts().iter();
    texts.map(|text| of_text(project, text)).collect()
}

/// Returns the README of a project, as the user finds it, if its console blocks load a module and no test
/// runs them.
pub fn unread_readme(project: &Project) -> Option<PathBuf> {
    if !project.texts.is_empty() {
        return None;
    }
    let readme = project.shown.join(README);
    let text = std::fs::read_to_string(project.folder.join(README)).ok()?;
    let transcript = transcript::parse_optional(&text, &readme).ok()??;
    let loads = |step: &Step| LOADERS.iter().any(|word| step.command.starts_with(word));
    transcript.steps.iter().any(loads).then_some(readme)
}

/// Returns the lesson of one text.
fn of_text(project: &Arc<Project>, text: &PathBuf) -> Result<LessonText> {
    let name = match project.texts.len() {
        1 => project.name.clone(),
        _ => {
            let stem = text.with_extension("").display().to_string();
            format!("{}.{}", project.name, stem.replace('/', "."))
        }
    };
    let (path, readme) = (project.folder.join(text), project.shown.join(text));
    Ok(match read_text(&name, &path, &readme)? {
        Ok(lesson) => Ok(Lesson {
            transcript: Transcript {
                stated_limit: lesson.transcript.stated_limit.or(stated_limit(project)),
                ..lesson.transcript
            },
            folder: project.folder.clone(),
            project: Some(Arc::clone(project)),
            ..lesson
        }),
        Err(error) => Err(BadText {
            name,
            error,
            languages: project.builds.iter().map(|build| build.language).collect(),
            owner: BadTextOwner::Project,
        }),
    })
}

/// Returns the lesson that runs a command of the user's, whose output may be anything.
fn of_command(project: &Arc<Project>, command: &str) -> Result<Lesson> {
    let step = Step {
        line: 0,
        command: command.to_owned(),
        expected: vec![ANY_LINES.to_owned()],
        status: 0,
    };
    let lesson = Lesson {
        title: command.to_owned(),
        ..with_steps(project, vec![step])
    };
    match syntax::first_error(&lesson.transcript, &lesson.readme)? {
        None if !command.trim().is_empty() => Ok(lesson),
        None => Err(Failure::usage("--run: the command is empty").into()),
        Some(TextError { problem, .. }) => Err(Failure::usage(format!("--run: {problem}")).into()),
    }
}

/// Returns the lesson that runs a part of a project's text, or loads and unloads the module of the
/// project if the part has no console block and `loads` names it; none if there is nothing to
/// run. `markdown` has the part's lines, numbered as in `text`, which messages call `readme`.
///
/// # Errors
///
/// Fails with the lesson's fault and the line if the part cannot be tested, and with the host's if
/// no shell can be started.
pub fn of_part(
    project: &Arc<Project>,
    (name, title): (String, String),
    markdown: &str,
    (text, readme): (&Path, &Path),
    loads: Option<&str>,
) -> Result<Option<Lesson>> {
    let base = |transcript| Lesson {
        name: name.clone(),
        title: title.clone(),
        transcript,
        ..with_steps(project, Vec::new())
    };
    if let Some(transcript) = transcript::parse_optional(markdown, readme)? {
        if let Some(error) = syntax::first_error(&transcript, readme)? {
            return Err(error.into());
        }
        return Ok(Some(Lesson {
            text: text.to_owned(),
            readme: readme.to_owned(),
            ..base(transcript)
        }));
    }
    Ok(loads.map(|module| {
        let transcript = Transcript {
            steps: load_steps(&[module]),
            stated_limit: None,
        };
        Lesson {
            readme: readme.to_owned(),
            ..base(transcript)
        }
    }))
}

/// Returns the limit that a project states for its runs.
fn stated_limit(project: &Project) -> Option<StatedLimit> {
    project.limit.map(StatedLimit::Manifest)
}

fn without_text(project: &Arc<Project>) -> Lesson {
    Lesson {
        loads_modules: true,
        ..with_steps(project, Vec::new())
    }
}

fn with_steps(project: &Arc<Project>, steps: Vec<Step>) -> Lesson {
    Lesson {
        name: project.name.clone(),
        folder: project.folder.clone(),
        text: project.folder.clone(),
        readme: project.shown.clone(),
        title: "load and unload".to_owned(),
        transcript: Transcript {
            steps,
            stated_limit: stated_limit(project),
        },
        no_rust: None,
        two_cpus: None,
        project: Some(Arc::clone(project)),
        loads_modules: false,
    }
}

impl Lesson {
    /// Reports whether a step states a line of output.
    pub fn compares_output(&self) -> bool {
        let steps = self.transcript.steps.iter();
        let mut lines = steps.flat_map(|step| &step.expected);
        lines.any(|line| line != ANY_LINES)
    }

    /// Returns the lesson with the steps that load these modules, let them run for a second of the guest's
    /// time, list and unload them, in this order and back, if the lesson has no text of its own.
    pub fn with_modules<'a>(&self, modules: impl IntoIterator<Item = &'a Module>) -> Self {
        if !self.loads_modules {
            return self.clone();
        }
        let names: Vec<&str> = modules.into_iter().map(|module| &*module.name).collect();
        let mut steps = load_steps(&names);
        // Threads and timers of a module that is removed at once hardly run.
        steps.insert(names.len(), step("sleep 1".to_owned(), &[]));
        Self {
            transcript: Transcript {
                steps,
                ..self.transcript.clone()
            },
            ..self.clone()
        }
    }
}

/// Returns the steps that load these modules, list them, and unload them.
fn load_steps(names: &[&str]) -> Vec<Step> {
    let load = names.iter();
    let load = load.map(|name| step(format!("insmod {name}.ko"), &[]));
    let unload = names.iter().rev();
    let unload = unload.map(|name| step(format!("rmmod {name}"), &[]));
    let list = step("lsmod".to_owned(), &[ANY_LINES]);
    load.chain([list]).chain(unload).collect()
}

/// Returns a step that succeeds and prints these lines.
fn step(command: String, expected: &[&str]) -> Step {
    Step {
        line: 0,
        command,
        expected: expected.iter().map(|&line| line.to_owned()).collect(),
        status: 0,
    }
}
