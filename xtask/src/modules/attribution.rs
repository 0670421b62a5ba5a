//! Attributes the errors of one kbuild run to the modules that it builds.
//!
//! With `make --output-sync=recurse` the output of each target is contiguous, and ends with make's
//! own line about the target if it failed. (`target` leaves out rules that are marked with `+`, such as the
//! kernel's for Rust.)
//!
//! ```text
//!   CC [M]  /work/lessons/x/c/x.o
//! /work/lessons/x/c/x.c:7:9: error: use of undeclared identifier 'nothing'
//! make[3]: *** [scripts/Makefile.build:234: /work/lessons/x/c/x.o] Error 1
//! ERROR: modpost: "nope" [/work/y.ko] undefined!
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use super::kbuild_lines::{failed_target, is_kbuild, is_make, target_without_rule};
use super::project_paths::ProjectPaths;
use super::tool_failure::{ToolFailure, is_diagnostic, tool_failure};
use crate::failure::Fault;

/// Maximum number of lines of a compiler's output that are kept for a module.
const MAX_LINES: usize = 100;

/// Folders of modules in the folder that kbuild works in.
const FOLDERS: [&str; 3] = ["lessons", "races", "tools"];

/// The errors of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModuleErrors {
    /// The party at fault: the lesson if a compiler refused the source, the host if a compiler
    /// crashed or could not write its result.
    pub fault: Fault,
    /// The lines of the compilers' output.
    pub lines: Vec<String>,
    /// Number of lines that were left out.
    pub left_out: usize,
}

impl ModuleErrors {
    /// Returns the same errors as the fault of the lesson.
    pub(super) fn of_lesson(self) -> Self {
        let fault = Fault::Lesson;
        Self { fault, ..self }
    }

    /// Returns the same errors behind these lines.
    pub(super) fn behind(self, mut lines: Vec<String>) -> Self {
        lines.extend(self.lines);
        Self { lines, ..self }
    }
}

/// Reads kbuild's output line by line.
#[derive(Debug)]
pub(super) struct Attribution<'a> {
    /// The folder that kbuild works in, with a slash at the end.
    work: String,
    /// The path of that folder's files in messages, with a slash at the end.
    shown: String,
    names: Vec<&'a str>,
    /// The folders of a project, whose name is the first.
    project: Option<ProjectPaths>,
    /// The compilers' output since the last line of kbuild or make.
    pending: Vec<String>,
    left_out: usize,
    errors: BTreeMap<&'a str, ModuleErrors>,
}

impl<'a> Attribution<'a> {
    /// Starts to read the output of a run in the folder `work` that builds these modules.
    pub(super) fn new(work: &Path, names: &[&'a str]) -> Self {
        Self {
            work: format!("{}/", work.display()),
            shown: "modules/".to_owned(),
            names: names.to_vec(),
            project: None,
            pending: Vec::new(),
            left_out: 0,
            errors: BTreeMap::new(),
        }
    }

    /// Starts to read the output of a run in the folder `work` that builds the project `name`,
    /// whose files lie in `sources` and are named below `shown` in messages.
    pub(super) fn of_project(work: &Path, sources: &Path, name: &'a str, shown: &str) -> Self {
        Self {
            shown: format!("{shown}/"),
            project: Some(ProjectPaths::new(work, sources)),
            ..Self::new(work, &[name])
        }
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &str) {
        if is_kbuild(line) {
            self.clear();
        } else if is_make(line) {
            if let Some((target, end)) = failed_target(line)
                && let Some(name) = self.module_of(target)
            {
                self.blame(name, end);
            } else if let Some(target) = target_without_rule(line)
                && let Some(name) = self.module_of(target)
            {
                let target = target.strip_prefix(&self.work).unwrap_or(target);
                let source = target.strip_suffix(".o").unwrap_or(target);
                self.clear();
                self.keep(format!(
                    "{}{source}: error: the source file does not exist",
                    self.shown
                ));
                self.blame(name, "Error 1");
            }
            self.clear();
        } else if self.project.is_some() && line.contains(": *** ") {
            // make cannot read the project's Kbuild.
            self.keep(format!("error: {line}"));
            if let Some(name) = self.names.first() {
                self.blame(name, "Error 1");
            }
        } else if let Some(error) = line.strip_prefix("ERROR: modpost: ")
            && let Some(name) = self.module_in(error)
        {
            let kept = std::mem::take(&mut self.pending);
            self.keep(line.to_owned());
            self.blame(name, "Error 1");
            self.pending = kept;
        } else {
            self.keep(line.to_owned());
        }
    }

    /// Returns the errors of each module that has some.
    pub(super) fn errors(self) -> BTreeMap<&'a str, ModuleErrors> {
        self.errors
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.left_out = 0;
    }

    fn keep(&mut self, line: String) {
        // The first error counts more than the includes that lead to it, of which there may be hundreds.
        let is_first_error = |pending: &[String]| {
            is_diagnostic(&line) && !pending.iter().any(|line| is_diagnostic(line))
        };
        if self.pending.len() == MAX_LINES && is_first_error(&self.pending) {
            self.pending.pop();
            self.left_out += 1;
        }
        if self.pending.len() < MAX_LINES {
            // clang prints absolute paths, rustc paths relative to the folder.
            if let Some(paths) = &self.project {
                self.pending.push(paths.shown(&line, &self.shown));
                return;
            }
            let line = line.replace(&self.work, &self.shown);
            let line = line
                .replace("--> lessons/", "--> modules/lessons/")
                .replace("::: lessons/", "::: modules/lessons/")
                .replace("--> races/", "--> modules/races/")
                .replace("::: races/", "::: modules/races/");
            self.pending.push(line);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds the pending lines to the errors of a module. `end` is how make says that the tool
    /// ended, such as `Error 1` or `Killed`.
    fn blame(&mut self, name: &'a str, end: &str) {
        let lines = std::mem::take(&mut self.pending);
        let errors = self.errors.entry(name).or_insert_with(|| ModuleErrors {
            fault: Fault::Lesson,
            lines: Vec::new(),
            left_out: 0,
        });
        let lines = match tool_failure(end, &lines) {
            ToolFailure::Refused => lines,
            ToolFailure::Limit(error) => {
                self.left_out = 0;
                vec![error]
            }
            ToolFailure::Host(note) => {
                errors.fault = Fault::Host;
                errors.lines.extend(note);
                lines
            }
        };
        let room = MAX_LINES.saturating_sub(errors.lines.len());
        errors.left_out += std::mem::take(&mut self.left_out) + lines.len().saturating_sub(room);
        errors.lines.extend(lines.into_iter().take(room));
    }

    /// Returns the module that a target belongs to: `lessons/x/c/x.o`, `x.o` or `x.mod.o`.
    fn module_of(&self, target: &str) -> Option<&'a str> {
        if let Some(paths) = &self.project {
            let name = self.names.first().copied();
            return name.filter(|_| paths.is_target(target));
        }
        let path = target.strip_prefix(&self.work).unwrap_or(target);
        let name = match path.split_once('/') {
            Some((folder, rest)) if FOLDERS.contains(&folder) => rest.split('/').next()?,
            Some(_) => return None,
            None => path.split('.').next()?,
        };
        self.names.iter().find(|known| **known == name).copied()
    }

    /// Returns the module that an error of modpost names: by its file, or after the word `module`. A
    /// project has all errors of its run.
    fn module_in(&self, error: &str) -> Option<&'a str> {
        if self.project.is_some() {
            return self.names.first().copied();
        }
        let is_separator = |letter: char| letter.is_whitespace() || "[]\"',:".contains(letter);
        let words: Vec<&str> = error
            .split(is_separator)
            .filter(|word| !word.is_empty())
            .collect();
        let is_file = |word: &str| {
            word.starts_with(&self.work) || word.ends_with(".ko") || word.ends_with(".o")
        };
        let mut before = "";
        words.into_iter().find_map(|word| {
            let named = is_file(word) || before == "module";
            before = word;
            named.then(|| self.module_of(word)).flatten()
        })
    }
}

#[cfg(test)]
mod tests;
