//! The layouts of a project, and the Kbuild of those that have none of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::detection::{KBUILD_FILES, OBJECTS, declaration, describes_modules, without_module};
use super::files::ProjectFiles;
use super::manifest::{Manifest, ModuleEntry, shown_manifest};
use super::{MANIFEST, read_text, shown_path};
use crate::failure::Failure;
use crate::modules::{Language, check_name, kernel_name};

/// Folder of the project's files in the folder in which kbuild works, if kmodlab writes the
/// Kbuild: a module cannot have the name of one of its objects in the same folder.
pub const SOURCES: &str = "src";

/// The beginning of a Kbuild that kmodlab writes: modules in Rust are compiled as by modules/Kbuild, so that
/// schedules delay tasks on the same lines.
pub const KBUILD_HEAD: &str = "# Written by kmodlab.\nrustflags-y += -Zshare-generics=no\n";

/// The objects of `kernel_ext` that a module in Rust is linked with, in this order.
const KERNEL_EXT: &str = "kernel_ext/modinfo.o kernel_ext/kernel_ext.o kernel_ext/helpers.a";

/// The build of a project's modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Rust if a source of the modules is in Rust, else C.
    pub language: Language,
    /// The Kbuild.
    pub kbuild: KbuildSource,
    /// The names of the modules; `None` if they are in the project's own Kbuild, which only kbuild can read.
    pub modules: Option<Vec<String>>,
    /// Whether modules are linked with `kernel_ext`.
    pub uses_kernel_ext: bool,
}

/// The Kbuild of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KbuildSource {
    /// The project's own; its files lie in the folder in which kbuild works.
    Own,
    /// This text of kmodlab's; the project's files lie in the folder [`SOURCES`] beside it.
    Written(String),
}

impl Build {
    /// Returns the folder of the project's files in the folder `work` in which kbuild works.
    pub fn source_folder(&self, work: &Path) -> PathBuf {
        match self.kbuild {
            KbuildSource::Own => work.to_owned(),
            KbuildSource::Written(_) => work.join(SOURCES),
        }
    }
}

/// Returns the build of a project in each of its languages.
///
/// # Errors
///
/// Fails with the lesson's fault if the folder has no module, or describes its modules twice.
pub(super) fn builds(
    name: &str,
    shown: &Path,
    files: &ProjectFiles,
    manifest: &Manifest,
) -> Result<Vec<Build>> {
    let own = own_kbuild(files, shown)?;
    if !manifest.module.is_empty() {
        if let Some(own) = own {
            bail!(Failure::lesson(format!(
                "{} and {} both describe modules; remove the [module] tables from {MANIFEST}, or \
                 the obj-m lines",
                shown_manifest(shown),
                shown_path(shown, &own.file)
            )));
        }
        return Ok(vec![written(&manifest.module, files, shown)?]);
    }
    if let Some(own) = own {
        let is_rust = files.with_extension("rs").next().is_some();
        return Ok(vec![Build {
            language: if is_rust { Language::Rust } else { Language::C },
            kbuild: KbuildSource::Own,
            modules: None,
            uses_kernel_ext: own.uses_kernel_ext,
        }]);
    }
    if has_lesson_sources(name, files) {
        let languages = [Language::Rust, Language::C].into_iter();
        let has = |language: &Language| files.has(&source(name, *language)).is_some();
        return languages
            .filter(has)
            .map(|language| {
                let entry = ModuleEntry::of_source(source(name, language));
                written(&BTreeMap::from([(name.to_owned(), entry)]), files, shown)
            })
            .collect();
    }
    let modules = single_sources(files, shown)?;
    if modules.is_empty() {
        bail!(Failure::lesson(without_module(files, shown)));
    }
    Ok(vec![written(&modules, files, shown)?])
}

/// Returns the build of one module with one source.
///
/// # Errors
///
/// Fails with the lesson's fault if the source does not exist.
pub(super) fn of_module(
    module: &str,
    source: String,
    files: &ProjectFiles,
    shown: &Path,
) -> Result<Build> {
    let entry = ModuleEntry::of_source(source);
    written(&BTreeMap::from([(module.to_owned(), entry)]), files, shown)
}

/// Reports whether the folder is laid out like a lesson, so that its README is the text. The README
/// of a project with a Kbuild of its own is for readers.
pub(super) fn is_lesson(name: &str, builds: &[Build], files: &ProjectFiles) -> bool {
    has_lesson_sources(name, files) && builds.iter().all(|build| build.kbuild != KbuildSource::Own)
}

/// Reports whether the folder has `NAME.rs`, and `c/NAME.c` or a text.
fn has_lesson_sources(name: &str, files: &ProjectFiles) -> bool {
    let has = |language| files.has(&source(name, language)).is_some();
    check_name(name).is_ok()
        && (has(Language::C) || has(Language::Rust) && files.has("README.md").is_some())
}

fn source(name: &str, language: Language) -> String {
    language.source(name).display().to_string()
}

/// The Kbuild or Makefile of a project.
struct OwnKbuild {
    file: PathBuf,
    uses_kernel_ext: bool,
}

/// Returns the file with `obj-m` that kbuild would read in the project's folder.
fn own_kbuild(files: &ProjectFiles, shown: &Path) -> Result<Option<OwnKbuild>> {
    let mut present = KBUILD_FILES.iter().filter_map(|name| files.has(name));
    let Some(file) = present.next() else {
        return Ok(None);
    };
    let text = files.text(shown, &file)?;
    refuse_endless_folders(files, shown)?;
    Ok(describes_modules(&text).then(|| OwnKbuild {
        file,
        uses_kernel_ext: text.contains("$(KERNEL_EXT)"),
    }))
}

/// Refuses a Kbuild, in the folder or below, that leads kbuild back to itself.
fn refuse_endless_folders(files: &ProjectFiles, shown: &Path) -> Result<()> {
    for file in files.files.iter().map(|file| &file.name) {
        if !KBUILD_FILES.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let depth = file.components().count() - 1;
        let text = files.text(shown, file)?;
        if let Some(folder) = endless_folder(&text, depth) {
            bail!(Failure::lesson(format!(
                "{}: `{folder}` among the objects is the folder itself or one above it, so kbuild would read this \
                 file again without end; name only folders in the module's own",
                shown_path(shown, file)
            )));
        }
    }
    Ok(())
}

/// Returns a folder among the objects of a Kbuild's lines `obj-m += ...` from which kbuild comes to the same Kbuild
/// again, or which is outside of the project. The Kbuild is in a folder of the project's at this depth.
fn endless_folder(text: &str, depth: usize) -> Option<&str> {
    let lines = text.lines().map(str::trim_start);
    let objects = lines
        .filter(|line| OBJECTS.iter().any(|list| line.starts_with(list)))
        .filter_map(|line| line.split_once('='))
        .flat_map(|(_, objects)| {
            objects
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace()
        });
    let is_endless = |word: &&str| {
        let parts = word
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        let up = parts.clone().take_while(|part| *part == "..").count();
        let is_around = up == parts.count();
        word.ends_with('/') && (is_around || up > depth)
    };
    objects.into_iter().find(is_endless)
}

/// Returns a module for each source in the folder itself that declares one.
fn single_sources(files: &ProjectFiles, shown: &Path) -> Result<BTreeMap<String, ModuleEntry>> {
    let mut modules: BTreeMap<String, ModuleEntry> = BTreeMap::new();
    for file in &files.files {
        let name = &file.name;
        let Some(declares) = declaration(name) else {
            continue;
        };
        let (Some(stem), 1) = (name.file_stem(), name.components().count()) else {
            continue;
        };
        if !files.text(shown, name)?.contains(declares) {
            continue;
        }
        let stem = stem.to_string_lossy().into_owned();
        let entry = ModuleEntry::of_source(name.display().to_string());
        if let Some(other) = modules.insert(stem.clone(), entry) {
            bail!(Failure::lesson(format!(
                "{} and {} would both be the module {stem}; list its sources in {MANIFEST}, or \
                 give one of them another name",
                shown_path(shown, Path::new(&other.sources[0])),
                shown_path(shown, name)
            )));
        }
    }
    Ok(modules)
}

/// Returns the build of the modules that a manifest lists.
fn written(
    modules: &BTreeMap<String, ModuleEntry>,
    files: &ProjectFiles,
    shown: &Path,
) -> Result<Build> {
    let mut text = String::from(KBUILD_HEAD);
    let mut language = Language::C;
    let mut uses_kernel_ext = false;
    let mut objects: BTreeMap<String, &str> = BTreeMap::new();
    let mut kernel_names: BTreeMap<String, &str> = BTreeMap::new();
    for (module, entry) in modules {
        if let Some(other) = kernel_names.insert(kernel_name(module), module) {
            bail!(Failure::lesson(format!(
                "{}: the kernel has one name for the modules {other} and {module}, because it reads - as _; \
                 rename one of them",
                shown.display()
            )));
        }
        check_name(module).map_err(|_| {
            Failure::lesson(format!(
                "{}: `{module}` is not a name for a module: use letters, digits, _ and -, up to \
                 55 of them",
                shown.display()
            ))
        })?;
        let mut parts = Vec::new();
        let mut rust = Vec::new();
        for source in &entry.sources {
            let file = files.has(source).ok_or_else(|| {
                let mut message = format!(
                    "{}, a source of the module {module}, does not exist",
                    shown_path(shown, Path::new(source))
                );
                for why in &files.left_out {
                    message += &format!("\nnote: {why}");
                }
                Failure::lesson(message)
            })?;
            let is_rust = file.extension().is_some_and(|own| own == "rs");
            let stem = object_of(&file, is_rust);
            if let Some(other) = objects.insert(stem.clone(), source) {
                let clash = if other == source {
                    format!("{source} is a source of two modules; kbuild can link it with one only")
                } else {
                    format!("{other} and {source} would both become {stem}; rename one of them")
                };
                bail!(Failure::lesson(format!("{}: {clash}", shown.display())));
            }
            match file.extension().and_then(|own| own.to_str()) {
                Some("rs") => rust.push((file, stem.clone())),
                Some("c" | "S") => {}
                _ => bail!(Failure::lesson(format!(
                    "{}, a source of the module {module}, is not a .rs, .c or .S file",
                    shown_path(shown, Path::new(source))
                ))),
            }
            parts.push(format!("{SOURCES}/{stem}"));
        }
        ensure!(
            !parts.is_empty(),
            Failure::lesson(format!(
                "{}: the module {module} has no sources",
                shown.display()
            ))
        );
        let mut linked = false;
        for (file, _) in &rust {
            language = Language::Rust;
            linked |= match entry.kernel_ext {
                Some(uses) => uses,
                None => names_kernel_ext(&files.text(shown, file)?),
            };
        }
        uses_kernel_ext |= linked;
        let kernel_ext = if linked { KERNEL_EXT } else { "" };
        writeln!(text, "\nobj-m += {module}.o")?;
        writeln!(text, "{module}-y := {kernel_ext} {}", parts.join(" "))?;
        for (file, stem) in &rust {
            // kbuild's own rule is for an object with the name of the source.
            if file.with_extension("o") != Path::new(stem) {
                writeln!(
                    text,
                    "$(obj)/{SOURCES}/{stem}: $(src)/{SOURCES}/{} FORCE\n\t+$(call $(if \
                     $(rule_rustc_o_rs),if_changed_rule,if_changed_dep),rustc_o_rs)",
                    file.display()
                )?;
            }
        }
        for (_, stem) in rust.iter().filter(|_| linked) {
            writeln!(
                text,
                "RUSTFLAGS_{SOURCES}/{stem} := \
                 --extern kernel_ext=$(obj)/kernel_ext/libkernel_ext.rmeta"
            )?;
        }
        let flags = entry.flags(files, shown, module)?;
        for part in parts.iter().filter(|_| !flags.is_empty()) {
            writeln!(text, "CFLAGS_{part} += {flags}")?;
        }
    }
    Ok(Build {
        language,
        kbuild: KbuildSource::Written(text),
        modules: Some(modules.keys().cloned().collect()),
        uses_kernel_ext,
    })
}

/// Returns the object of a source. That of a crate is named like the crate, which has no dash.
fn object_of(source: &Path, is_crate: bool) -> String {
    let object = source.with_extension("o");
    let name = object.file_name().unwrap_or_default().to_string_lossy();
    match is_crate {
        true => object.with_file_name(name.replace('-', "_")),
        false => object,
    }
    .display()
    .to_string()
}

/// Reports whether a source in Rust uses the crate `kernel_ext`.
fn names_kernel_ext(text: &str) -> bool {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| line.contains("kernel_ext::"))
}

impl ProjectFiles {
    /// Returns the text of the file with this name.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn text(&self, shown: &Path, name: &Path) -> Result<String> {
        let file = self.files.iter().find(|file| file.name == name);
        let path = file.map_or(name, |file| &file.path);
        read_text(Path::new(""), shown, path)
    }
}

#[cfg(test)]
mod tests;
