//! The modules of projects, which kbuild builds in a copy of the project's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::attribution::Attribution;
use super::builder::{ModuleBuilder, is_full, write};
use super::compiled::{COMPILED, CompiledSource, compiled_sources};
use super::kbuild_lines::undefined_symbol;
use super::load_order::{LoadOrder, load_order};
use super::own_kbuild::KbuildOutput;
use super::project_paths::ProjectPaths;
use super::unbuilt::UnbuiltModule;
use super::undefined::{errors_at_calls, notes_on_others};
use super::warnings::{HERE, Warnings};
use super::{Language, Module, STRIPPED, entry_name, off_options, sandbox};
use crate::cache::Parts;
use crate::failure::{Failure, Fault, fault_of};
use crate::kernel;
use crate::key::{Inputs, Key, files_below};
use crate::project::{Build, KbuildSource, Project, ProjectFile, ProjectFiles, unknown_module};
use crate::ui::Stage;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "project 9";

/// The file with the names of the modules in the order in which they can be loaded.
const ORDER: &str = "load-order";

/// The file with the compiler's warnings.
const WARNINGS: &str = "warnings";

/// Make variables for a Kbuild whose modules use `kernel_ext`:
///
/// ```text
/// x-y := $(KERNEL_EXT) main.o
/// RUSTFLAGS_main.o := $(KERNEL_EXT_FLAGS)
/// ```
const KERNEL_EXT_VARIABLES: [&str; 2] = [
    "KERNEL_EXT=kernel_ext/modinfo.o kernel_ext/kernel_ext.o kernel_ext/helpers.a",
    "KERNEL_EXT_FLAGS=--extern kernel_ext=$(obj)/kernel_ext/libkernel_ext.rmeta",
];

/// The results of kbuild for a project.
pub(super) struct KbuildResults<'a> {
    /// The modules.
    pub modules: &'a [PathBuf],
    /// The names of the modules, in the order in which they can be loaded.
    pub order: &'a [String],
    /// The sources, and how they were compiled.
    pub compiled: &'a [CompiledSource],
    /// The warnings.
    pub warnings: &'a str,
}

/// The modules of a project.
pub(super) struct BuiltProject {
    /// The modules, in the order in which they can be loaded.
    pub modules: Vec<Module>,
    /// Whether they were compiled, and not in the cache.
    pub compiled: bool,
    /// The compiler's warnings; empty if there are none.
    pub warnings: String,
}

impl ModuleBuilder<'_> {
    /// Returns the key of a project's modules.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub(super) fn project_key(&self, project: &Project, language: Language) -> Result<Key> {
        self.key_of_files(project, language, &project.files()?)
    }

    pub(super) fn key_of_files(
        &self,
        project: &Project,
        language: Language,
        files: &ProjectFiles,
    ) -> Result<Key> {
        let mut inputs = Inputs::new(KIND);
        inputs
            .text("project", &project.name)
            .text("language", language.name())
            .text("order", project.load_order.join(" "))
            .text("kernel", self.image.key.as_str());
        let build = build_of(project, language)?;
        if build.uses_kernel_ext {
            inputs.text("kernel_ext", self.kernel_ext_key()?.as_str());
        }
        if let KbuildSource::Written(text) = &build.kbuild {
            inputs.text("Kbuild", text);
        }
        for ProjectFile { name, path } in &files.files {
            inputs
                .file(&name.to_string_lossy(), path)
                .map_err(|error| {
                    error.context(Failure::lesson(format!(
                        "{} is not readable",
                        project.shown.join(name).display()
                    )))
                })?;
        }
        Ok(inputs.key())
    }

    /// Returns the modules of a project, or the reason why they could not be built; builds them
    /// if the cache does not have them. `others` are the other projects of the command.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used, or if kbuild fails for a reason of the host's.
    pub(super) fn project(
        &self,
        stage: &Stage<'_>,
        project: &Project,
        language: Language,
        others: &[&Project],
    ) -> Result<Result<BuiltProject, UnbuiltModule>> {
        let cache = &self.session.cache;
        let unbuilt = |error: &anyhow::Error| UnbuiltModule::new(&project.name, language, error);
        let files = project.files()?;
        let key = match self.key_of_files(project, language, &files) {
            Ok(key) => key,
            Err(error) if fault_of(&error) == Fault::Lesson => return Ok(Err(unbuilt(&error))),
            Err(error) => return Err(error),
        };
        let entry = entry_name(&project.name, language);
        let found = cache.find("modules", &entry, &key, Parts::All)?;
        let compiled = found.is_none();
        let folder = match found {
            Some(folder) => folder,
            None => match self.compile(stage, project, language, (&files, &key), others) {
                Ok(folder) => folder,
                // The other projects may still be built.
                Err(error) if matches!(fault_of(&error), Fault::Lesson | Fault::Host) => {
                    return Ok(Err(unbuilt(&cache.explain_full_disk(error))));
                }
                Err(error) => return Err(error),
            },
        };
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let warnings = read(WARNINGS)?;
        let shown = format!("{}/", shown_folder(project));
        let warnings = warnings.trim_end().replace(HERE, &shown);
        if !warnings.is_empty() && !project.is_answer {
            self.session.ui.note(&warnings);
        }
        let module = |name: &str| Module {
            owner: project.name.clone(),
            name: name.to_owned(),
            language,
            path: folder.join(format!("{name}.ko")),
            stripped: folder.join(STRIPPED).join(format!("{name}.ko")),
        };
        Ok(Ok(BuiltProject {
            modules: read(ORDER)?.lines().map(module).collect(),
            compiled,
            warnings,
        }))
    }

    /// Copies the files of a project, whose contents have this key, to `folder`.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a file changed meanwhile.
    pub(super) fn copy_files(
        &self,
        project: &Project,
        language: Language,
        (files, key): (&ProjectFiles, &Key),
        folder: &Path,
    ) -> Result<()> {
        files.copy_to(folder)?;
        let copied = self.key_of_files(project, language, &copies(files, folder))?;
        ensure!(
            copied == *key,
            Failure::lesson(format!(
                "a file of {} changed while it was copied; run the command again",
                project.shown.display()
            ))
        );
        Ok(())
    }

    /// Compiles the modules of a project, and returns their folder in the cache.
    fn compile(
        &self,
        stage: &Stage<'_>,
        project: &Project,
        language: Language,
        (files, key): (&ProjectFiles, &Key),
        others: &[&Project],
    ) -> Result<PathBuf> {
        let build = build_of(project, language)?;
        stage.begin(&format!("compiling {}", project.shown.display()), 0);
        let name = entry_name(&project.name, language);
        let work_folder = self.session.cache.work_folder(&format!("project-{name}"))?;
        let work = work_folder.path();
        let sources = build.source_folder(work);
        self.copy_files(project, language, (files, key), &sources)?;
        if let KbuildSource::Written(text) = &build.kbuild {
            write(&work.join("Kbuild"), text)?;
        }
        let mut readable = Vec::new();
        if build.uses_kernel_ext {
            readable.push(self.copy_kernel_ext(stage, work)?);
        }
        let sandbox = sandbox::of(self, work, readable)?;
        let log = self.log(&name)?;
        let image = self.image;
        let make = kernel::make_module(
            self.toolchain,
            (&image.tree, &image.objects),
            self.session.jobs,
            work,
            &sources,
        )
        .args(KERNEL_EXT_VARIABLES);
        let shown = shown_folder(project);
        let mut attribution = Attribution::of_project(work, &sources, &project.name, &shown);
        let mut warnings = Warnings::new(ProjectPaths::new(work, &sources));
        let below_shown = format!("{shown}/");
        let mut output = KbuildOutput::new(ProjectPaths::new(work, &sources), &below_shown);
        let mut undefined = Vec::new();
        let made = self.kbuild(stage, make, sandbox.as_ref(), &log, |line| {
            attribution.line(line);
            warnings.line(line);
            output.line(line);
            undefined.extend(undefined_symbol(line));
        });
        if let Err(error) = made {
            let is_full = is_full(work)?;
            let is_projects = build.kbuild == KbuildSource::Own && !output.shows_host() && !is_full;
            let errors = attribution.errors().remove(project.name.as_str());
            let errors = match (errors, is_projects) {
                (Some(errors), _) => errors,
                (None, true) => output.errors(),
                (None, false) => return Err(error),
            };
            let errors = errors.behind(errors_at_calls(files, &undefined, &shown)?);
            let errors = match is_projects {
                true => errors.of_lesson(),
                false => errors,
            };
            if errors.fault == Fault::Host && is_full {
                return Err(error.context("No space left on device"));
            }
            let unbuilt =
                UnbuiltModule::with_errors(&project.name, language, &errors, &image.label(), &log);
            let mut message = unbuilt.message;
            for why in &files.left_out {
                message += &format!("\nnote: {why}");
            }
            if let Some(note) = note_on_kernel_ext(build, &errors.lines) {
                message += &format!("\n{note}");
            }
            if let Some(note) = off_options::note_on_errors(&errors.lines, image)? {
                message += &format!("\n{note}");
            }
            for note in notes_on_others(others, &undefined)? {
                message += &format!("\n{note}");
            }
            if !undefined.is_empty() {
                for symbol in kernel::missing_symbols(&image.tree, &image.objects, &undefined)? {
                    message += &format!("\nnote: {symbol}");
                }
            }
            return Err(match unbuilt.fault {
                Fault::Lesson => Failure::lesson(message).into(),
                _ => Failure::host(message).into(),
            });
        }
        let built = built_modules(work)?;
        if built.is_empty() {
            return Err(Failure::lesson(format!(
                "{shown}: kbuild made no module. The options of the kernel that obj-$(CONFIG_...) \
                 lines name may be off; the whole log: {}",
                log.display()
            ))
            .into());
        }
        let order = load_order(&built, &project.load_order);
        let unusable = || Failure::lesson(format!("{shown}: a result of the build cannot be used"));
        let order = match order.with_context(unusable)? {
            LoadOrder::Order(order) => order,
            LoadOrder::Circle(names) => {
                return Err(Failure::lesson(format!(
                    "{shown}: the modules {} need each other's symbols, so none of them can be \
                     loaded first",
                    names.join(", ")
                ))
                .into());
            }
            LoadOrder::Unknown(name) => {
                let names = names_of(&built);
                return Err(Failure::lesson(unknown_module(&project.shown, &name, &names)).into());
            }
        };
        warnings.add(off_options::notes(work, &sources, self.image)?);
        let results = KbuildResults {
            modules: &built,
            order: &order,
            compiled: &compiled_sources(work, &sources)?,
            warnings: &warnings.text(),
        };
        self.keep_project(&name, key, &results)
    }

    /// Keeps the results of kbuild for a project in the cache, and returns the folder there.
    pub(super) fn keep_project(
        &self,
        name: &str,
        key: &Key,
        results: &KbuildResults<'_>,
    ) -> Result<PathBuf> {
        let entry = self.session.cache.entry("modules", name, key, |staging| {
            for path in results.modules {
                self.keep(path, staging)?;
            }
            let compiled = serde_json::to_string(results.compiled)?;
            write(&staging.join(COMPILED), &compiled)?;
            write(&staging.join(ORDER), &(results.order.join("\n") + "\n"))?;
            write(&staging.join(WARNINGS), results.warnings)
        })?;
        Ok(entry.path)
    }
}

/// Returns what a build lacks of which the compiler does not find `kernel_ext`.
fn note_on_kernel_ext(build: &Build, errors: &[String]) -> Option<String> {
    let complains = |line: &String| line.starts_with("error") && line.contains("`kernel_ext`");
    if build.uses_kernel_ext || !errors.iter().any(complains) {
        return None;
    }
    let lacks = match build.kbuild {
        KbuildSource::Own => {
            "the Kbuild does not use $(KERNEL_EXT) and $(KERNEL_EXT_FLAGS), which bring `kernel_ext` \
             (docs/your-modules.md shows how); without a Kbuild, kmodlab writes one that does"
        }
        KbuildSource::Written(_) => "kmodlab.toml has `kernel_ext = false`",
    };
    Some(format!("note: {lacks}"))
}

pub(super) fn build_of(project: &Project, language: Language) -> Result<&Build> {
    project.build(language).with_context(|| {
        Failure::usage(format!(
            "{} has no module in {}",
            project.shown.display(),
            language.title()
        ))
    })
}

/// Returns the files as they were copied to `folder`.
fn copies(files: &ProjectFiles, folder: &Path) -> ProjectFiles {
    let copy = |file: &ProjectFile| ProjectFile {
        name: file.name.clone(),
        path: folder.join(&file.name),
    };
    ProjectFiles {
        files: files.files.iter().map(copy).collect(),
        left_out: Vec::new(),
    }
}

/// Returns the modules that kbuild made in `work`, sorted by name. kbuild makes each once.
fn built_modules(work: &Path) -> Result<Vec<PathBuf>> {
    let mut built = files_below(work)?;
    built.retain(|path| path.extension().is_some_and(|own| own == "ko"));
    Ok(built)
}

fn names_of(modules: &[PathBuf]) -> Vec<String> {
    let stems = modules
        .iter()
        .map(|path| path.file_stem().unwrap_or_default());
    stems
        .map(|stem| stem.to_string_lossy().into_owned())
        .collect()
}

/// Returns the project's folder as the user wrote it, without a slash at the end.
fn shown_folder(project: &Project) -> String {
    let shown = project.shown.display().to_string();
    shown.trim_end_matches('/').to_owned()
}
