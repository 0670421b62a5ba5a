//! The student at work on an exercise: the folder, the exercises, and the state for the screen.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::state::{CourseRow, LearnPage, LearnState, Look, PartRow, Phase, TaskInfo};
use crate::exercise::student::{StudentFolder, shown};
use crate::exercise::{Catalogue, Exercise, LineNumbers, TASK};
use crate::failure::Failure;
use crate::process::{Tool, xtask_binary};

/// A student at work on an exercise.
#[derive(Debug)]
pub struct Learner {
    /// The student's folder.
    pub folder: StudentFolder,
    /// The options of `learn` for the processes that check answers or show something.
    pub options: Vec<String>,
    catalogue: Catalogue,
    /// The index of the exercise.
    current: usize,
}

impl Learner {
    /// Begins with the exercise with this id.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub fn new(
        folder: StudentFolder,
        catalogue: Catalogue,
        id: &str,
        options: Vec<String>,
    ) -> Result<Self> {
        let mut learner = Self {
            folder,
            options,
            catalogue,
            current: 0,
        };
        learner.choose(id)?;
        Ok(learner)
    }

    /// Goes to the exercise with this id.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub fn choose(&mut self, id: &str) -> Result<()> {
        let exercises = &self.catalogue.exercises;
        let place = exercises.iter().position(|exercise| exercise.id == id);
        self.current = place.with_context(|| format!("there is no exercise {id}"))?;
        Ok(())
    }

    /// Returns the id of the exercise with this number in the course, or with this name.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is none.
    pub fn find(&self, name: &str) -> Result<String> {
        let Ok(number) = name.parse::<usize>() else {
            return Ok(self.catalogue.find(name)?.id.clone());
        };
        let exercises = &self.catalogue.exercises;
        let place = number.checked_sub(1);
        let numbered = place.and_then(|place| exercises.get(place));
        let numbered = numbered.map(|exercise| exercise.id.clone());
        numbered.ok_or_else(|| {
            let count = exercises.len();
            Failure::usage(format!("the exercises have the numbers 1 to {count}")).into()
        })
    }

    /// Returns the exercise.
    pub fn exercise(&self) -> &Exercise {
        &self.catalogue.exercises[self.current]
    }

    /// Returns the files whose change starts a check; the first is the answer. The exercise's own
    /// text is among them for those who write exercises.
    pub fn watched_files(&self) -> Vec<PathBuf> {
        let exercise = self.exercise();
        vec![self.folder.answer_of(exercise), exercise.folder.join(TASK)]
    }

    /// Returns the state of the screen before the first check of the exercise.
    ///
    /// # Errors
    ///
    /// Fails if the record of the progress cannot be read.
    pub fn state(&self, look: Look) -> Result<LearnState> {
        let exercise = self.exercise();
        let task = &exercise.task;
        let variant = self.folder.variant_of(exercise);
        let text = task.student_text(&variant, false);
        let parts = task.parts.iter().enumerate();
        let parts: Vec<_> = parts.filter(|(_, part)| !part.settings.hidden).collect();
        let line = |index: usize| text.line_of(index, LineNumbers::OfStudent).unwrap_or(1);
        let language = self.folder.language_of(exercise);
        let start = exercise.solution(language);
        let start = start.map(|solution| solution.start(&task.variants, &variant));
        let mut state = LearnState {
            task: TaskInfo {
                id: exercise.id.clone(),
                title: task.title.clone(),
                module: exercise.module.clone(),
                language: Some(language),
                text_path: shown(&self.folder.folder_of(exercise).join(TASK))
                    .display()
                    .to_string(),
                answer_path: shown(&self.folder.answer_of(exercise))
                    .display()
                    .to_string(),
                minutes: task.minutes,
                lines: parts.iter().map(|(index, _)| line(*index)).collect(),
                text: self.folder.text_of(exercise),
                start: start.unwrap_or_default(),
            },
            course: Vec::new(),
            recorded_tries: 0,
            last_try: String::new(),
            phase: Phase::Checked,
            compiled: None,
            parts: parts
                .iter()
                .map(|(_, part)| PartRow {
                    title: part.title.clone(),
                    maximum: part.points,
                    schedules: part.settings.schedules,
                    ..PartRow::default()
                })
                .collect(),
            result: None,
            details: Vec::new(),
            source: String::new(),
            hints_shown: 0,
            page: LearnPage::Parts,
            scroll: 0,
            note: None,
            look,
        };
        self.refresh(&mut state)?;
        Ok(state)
    }

    /// Brings the state up to date with the record of the progress.
    ///
    /// # Errors
    ///
    /// Fails if the record cannot be read.
    pub fn refresh(&self, state: &mut LearnState) -> Result<()> {
        let progress = self.folder.progress()?;
        let row = |exercise: &Exercise| {
            let own = progress.of(&exercise.id);
            CourseRow {
                id: exercise.id.clone(),
                title: exercise.task.title.clone(),
                passed: own.passed,
                points: own.points,
                maximum: exercise.task.points(),
            }
        };
        state.course = self.catalogue.exercises.iter().map(row).collect();
        let own = progress.of(&state.task.id);
        state.recorded_tries = own.checks;
        state.last_try = own.answer;
        // Before the first change of the file, a hint would come too early.
        if state.result.is_some() && !state.is_untouched() {
            let recorded = usize::try_from(own.hints).unwrap_or(usize::MAX);
            state.hints_shown = recorded.max(state.first_hints());
        }
        Ok(())
    }

    /// Shows one more hint, and records that.
    ///
    /// # Errors
    ///
    /// Fails if the record cannot be written.
    pub fn hint(&self, state: &mut LearnState) -> Result<()> {
        if state.hints_shown >= state.hint_count() {
            state.note = Some("There are no more hints.".to_owned());
            return Ok(());
        }
        state.hints_shown += 1;
        let mut progress = self.folder.progress()?;
        let shown = u32::try_from(state.hints_shown).unwrap_or(u32::MAX);
        progress.of_mut(&state.task.id).hints = shown;
        self.folder.save(&progress)
    }

    /// Returns the lines of the solution, or a line that says who keeps it.
    pub fn solution(&self) -> Vec<String> {
        if let Err(kept) = self.folder.check_solutions() {
            return vec![kept.to_string()];
        }
        let exercise = self.exercise();
        let variant = self.folder.variant_of(exercise);
        let solution = exercise.solution(self.folder.language_of(exercise));
        let text = solution.map(|solution| solution.filled(&exercise.task.variants, &variant));
        text.unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the command that shows a guest of a part, given by its index, on the terminal.
    ///
    /// # Errors
    ///
    /// Fails if this program's own file cannot be found.
    pub fn shell(&self, part: usize) -> Result<Tool> {
        Ok(Tool::new(xtask_binary()?)
            .arg("shell")
            .arg("--folder")
            .arg(&self.folder.root)
            .args(&self.options)
            .arg(&self.exercise().id)
            .arg((part + 1).to_string()))
    }
}
