//! The modules of lessons, races and tools, which `modules/Kbuild` builds.

use anyhow::{Context as _, Result, ensure};

use super::attribution::Attribution;
use super::builder::{ModuleBuilder, copy, is_full};
use super::sources::{SourceFile, sources};
use super::unbuilt::UnbuiltModule;
use super::{KIND, Language, entry_name, includes, sandbox};
use crate::failure::{Failure, Fault, fault_of};
use crate::key::{Inputs, Key};
use crate::process::has_landlock;
use crate::ui::Stage;

impl ModuleBuilder<'_> {
    /// Returns the key of a lesson's module.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if it has no source or the source cannot be read.
    pub(super) fn lesson_key(&self, name: &str, language: Language) -> Result<Key> {
        let folder = self.session.workspace.folder_of(name);
        let source = folder.join(language.source(name));
        let root = self.session.workspace.root();
        ensure!(
            source.is_file(),
            Failure::lesson(format!(
                "{} does not exist; the source of a module in {} has the name of its folder",
                source.strip_prefix(root).unwrap_or(&source).display(),
                language.title()
            ))
        );
        let mut inputs = Inputs::new(KIND);
        inputs
            .text("lesson", name)
            .text("language", language.name());
        match language {
            Language::Rust => inputs.text("kernel_ext", self.kernel_ext_key()?.as_str()),
            Language::C => inputs
                .text("kernel", self.image.key.as_str())
                .file("Kbuild", &self.sources.join("Kbuild"))?,
        };
        let sources = sources(language, &folder)?;
        if !has_landlock() {
            includes::check(language, &sources)?;
        }
        for SourceFile { name: file, path } in sources {
            inputs
                .file(&file.to_string_lossy(), &path)
                .with_context(|| {
                    Failure::lesson(format!("the source of {name} ({language}) is not readable"))
                })?;
        }
        Ok(inputs.key())
    }

    /// Compiles several lessons in one run of kbuild, whose start takes longer than a lesson.
    /// Returns the modules that could not be built.
    ///
    /// If some cannot be built, kbuild runs again without those: it makes no module file before
    /// all objects are there.
    pub(super) fn lessons(
        &self,
        stage: &Stage<'_>,
        language: Language,
        missing: &[(&str, &Key)],
    ) -> Result<Vec<UnbuiltModule>> {
        let mut names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let mut variables = vec![format!("LANGUAGE={}", language.name())];
        let mut readable = Vec::new();
        if language == Language::Rust {
            let kernel_ext = match self.kernel_ext(stage) {
                Err(error) if fault_of(&error) == Fault::Lesson => {
                    let unbuilt = |name: &&str| UnbuiltModule::new(name, language, &error);
                    return Ok(names.iter().map(unbuilt).collect());
                }
                kernel_ext => kernel_ext?,
            };
            variables.push(format!("KERNEL_EXT={}", kernel_ext.display()));
            readable.push(kernel_ext);
        }
        stage.begin(&format!("compiling {} ({language})", names.join(" ")), 0);
        let folder = self
            .session
            .cache
            .work_folder(&entry_name("lessons", language))?;
        let work = folder.path();
        copy(&self.sources.join("Kbuild"), &work.join("Kbuild"))?;
        if language == Language::Rust {
            std::fs::create_dir_all(work.join("kernel_ext"))?;
        }
        for (name, _) in missing {
            let folder = self.session.workspace.folder_of(name);
            let target = work.join(folder.strip_prefix(&self.sources)?);
            for SourceFile { name, path } in sources(language, &folder)? {
                copy(&path, &target.join(name))?;
            }
        }
        let sandbox = sandbox::of(self, work, readable)?;
        let log = self.log(language.name())?;
        let mut unbuilt = Vec::new();
        while !names.is_empty() {
            let lessons = format!("LESSONS={}", names.join(" "));
            let variables = [&variables[..], &[lessons]].concat();
            let mut attribution = Attribution::new(work, &names);
            let make = self.own_kbuild(work, &variables);
            let made = self.kbuild(stage, make, sandbox.as_ref(), &log, |line| {
                attribution.line(line);
            });
            let Err(error) = made else { break };
            let errors = attribution.errors();
            let by_host = errors.values().any(|errors| errors.fault == Fault::Host);
            if (errors.is_empty() || by_host) && is_full(work)? {
                return Err(error.context("No space left on device"));
            }
            if errors.is_empty() {
                return Err(error);
            }
            let label = self.image.label();
            unbuilt.extend(errors.iter().map(|(name, errors)| {
                UnbuiltModule::with_errors(name, language, errors, &label, &log)
            }));
            let failed: Vec<&str> = errors.into_keys().collect();
            names.retain(|name| !failed.contains(name));
        }
        for (name, key) in missing.iter().filter(|(name, _)| names.contains(name)) {
            let file = format!("{name}.ko");
            self.session
                .cache
                .entry("modules", &entry_name(name, language), key, |staging| {
                    self.keep(&work.join(&file), staging)
                })?;
        }
        Ok(unbuilt)
    }
}
