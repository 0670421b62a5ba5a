//! Builds answers to exercises several at a time: the start of kbuild takes longer than to compile one
//! of them.
//!
//! Each has a single source, so the sources of modules with different names can lie in one folder,
//! with a Kbuild that is the Kbuilds of all. The compiler sees the same names as if each was built
//! alone, and the results are the same to the byte.
//!
//! For each module kbuild compiles a file of its own too, `NAME.mod.c`, which takes as long as a module in C.
//! It is the same for most answers to one exercise, so the batches share a folder, in which kbuild finds
//! what it made of the same text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::builder::{ModuleBuilder, write};
use super::compiled::{CompiledSource, compiled_sources};
use super::project::{KbuildResults, build_of};
use super::project_paths::ProjectPaths;
use super::warnings::Warnings;
use super::{Language, entry_name, off_options, sandbox};
use crate::cache::{Parts, remove};
use crate::kernel;
use crate::key::{Key, files_below};
use crate::project::{KBUILD_HEAD, KbuildSource, Project, ProjectFiles};
use crate::ui::Stage;

/// An answer that the cache does not have.
struct MissingAnswer<'a> {
    project: &'a Project,
    language: Language,
    files: ProjectFiles,
    key: Key,
    /// The name of its source without extension, which is that of its module.
    stem: String,
}

impl ModuleBuilder<'_> {
    /// Builds those of the answers that the cache does not have, as many at a time as have
    /// different names. One that cannot be built is left to [`ModuleBuilder::project`], which
    /// reports the reason.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used.
    pub(super) fn answers(
        &self,
        stage: &Stage<'_>,
        requested: &[(&Project, Language)],
    ) -> Result<usize> {
        let mut missing = Vec::new();
        for &(project, language) in requested {
            let files = project.files()?;
            let Ok(key) = self.key_of_files(project, language, &files) else {
                continue;
            };
            let entry = entry_name(&project.name, language);
            let found = self
                .session
                .cache
                .find("modules", &entry, &key, Parts::All)?;
            let stem = files.files.first().and_then(|file| file.name.file_stem());
            if let (None, Some(stem)) = (found, stem) {
                missing.push(MissingAnswer {
                    project,
                    language,
                    stem: stem.to_string_lossy().into_owned(),
                    files,
                    key,
                });
            }
        }
        if missing.len() < 2 {
            return Ok(0);
        }
        let folder = self.session.cache.work_folder("answers")?;
        let mut built = 0;
        while !missing.is_empty() {
            let mut names = BTreeSet::new();
            let (batch, rest) = missing
                .into_iter()
                .partition(|answer: &MissingAnswer<'_>| names.insert(answer.stem.clone()));
            built += self.batch(stage, folder.path(), batch)?;
            remove_all_but_kbuilds_own(folder.path())?;
            missing = rest;
        }
        Ok(built)
    }

    /// Builds one batch in the folder `work`, and returns the number of answers that were built.
    fn batch(
        &self,
        stage: &Stage<'_>,
        work: &Path,
        mut batch: Vec<MissingAnswer<'_>>,
    ) -> Result<usize> {
        stage.begin(&format!("compiling {} answers", batch.len()), 0);
        let mut readable = Vec::new();
        for answer in &batch {
            let build = build_of(answer.project, answer.language)?;
            let sources = build.source_folder(work);
            let MissingAnswer {
                project,
                language,
                files,
                key,
                ..
            } = answer;
            self.copy_files(project, *language, (files, key), &sources)?;
            if build.uses_kernel_ext && readable.is_empty() {
                readable.push(self.copy_kernel_ext(stage, work)?);
            }
        }
        let sandbox = sandbox::of(self, work, readable)?;
        let log = self.log("answers")?;
        let sources = write_kbuild(work, &batch)?;
        let mut warnings = Warnings::new(ProjectPaths::new(work, &sources));
        // A second time without those that do not compile.
        for _ in 0..2 {
            let trees = (&*self.image.tree, &*self.image.objects);
            let make =
                kernel::make_module(self.toolchain, trees, self.session.jobs, work, &sources);
            let made = self.kbuild(stage, make, sandbox.as_ref(), &log, |line| {
                warnings.line(line);
            });
            if made.is_ok() {
                let compiled = compiled_sources(work, &sources)?;
                warnings.add(off_options::notes(work, &sources, self.image)?);
                for answer in &batch {
                    let warnings = warnings.text_of(&answer.stem);
                    self.keep_answer(work, answer, &compiled, &warnings)?;
                }
                return Ok(batch.len());
            }
            let object =
                |answer: &MissingAnswer<'_>| sources.join(&answer.stem).with_extension("o");
            batch.retain(|answer| object(answer).is_file());
            if batch.is_empty() {
                break;
            }
            write_kbuild(work, &batch)?;
        }
        Ok(0)
    }

    fn keep_answer(
        &self,
        work: &Path,
        answer: &MissingAnswer<'_>,
        compiled: &[CompiledSource],
        warnings: &str,
    ) -> Result<()> {
        let stem = &answer.stem;
        let is_own =
            |one: &&CompiledSource| Path::new(&one.source).file_stem() == Some(stem.as_ref());
        let compiled: Vec<CompiledSource> = compiled.iter().filter(is_own).cloned().collect();
        let results = KbuildResults {
            modules: &[work.join(format!("{stem}.ko"))],
            order: std::slice::from_ref(stem),
            compiled: &compiled,
            warnings,
        };
        let name = entry_name(&answer.project.name, answer.language);
        self.keep_project(&name, &answer.key, &results).map(drop)
    }
}

/// Writes the Kbuild of all answers, and returns the folder of their sources.
fn write_kbuild(work: &Path, batch: &[MissingAnswer<'_>]) -> Result<PathBuf> {
    let mut all = KBUILD_HEAD.to_owned();
    let mut sources = work.to_owned();
    for answer in batch {
        let build = build_of(answer.project, answer.language)?;
        if let KbuildSource::Written(text) = &build.kbuild {
            all += text.strip_prefix(KBUILD_HEAD).unwrap_or(text);
        }
        sources = build.source_folder(work);
    }
    write(&work.join("Kbuild"), &all)?;
    Ok(sources)
}

/// Removes what a batch had and made, but `NAME.mod.c` and what kbuild made of it. kbuild compiles it again
/// if its text or the command differs.
fn remove_all_but_kbuilds_own(work: &Path) -> Result<()> {
    for file in files_below(work)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_kept = [".mod.c", ".mod.o", ".mod.o.cmd"]
            .iter()
            .any(|end| name.ends_with(end));
        if !is_kept {
            remove(&file)?;
        }
    }
    Ok(())
}
