//! Builds the modules: `kernel_ext` once for each kernel, each lesson's Rust module with it, and
//! each lesson's C twin.

mod attribution;
mod doc;
mod includes;
mod language;
mod sandbox;
mod sources;
mod unbuilt;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cache::{Parts, remove};
use crate::failure::{Failure, Fault, fault_of};
use crate::kernel::{self, KernelImage};
use crate::key::{Inputs, Key, files_below};
use crate::process::{Sandbox, Tool, has_landlock};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

use attribution::{Attribution, is_compilers};
use sources::{SourceFile, sources};

pub use doc::DocPages;
pub use language::Language;
pub use unbuilt::UnbuiltModule;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "modules 3";

/// Folder of the module without line tables, in each module's folder.
const STRIPPED: &str = "stripped";

/// Files of a built `kernel_ext` that a lesson needs (see `modules/Kbuild`).
const KERNEL_EXT: [&str; 4] = [
    "modinfo.o",
    "kernel_ext.o",
    "helpers.a",
    "libkernel_ext.rmeta",
];

/// Longest name of a module, in bytes: `MODULE_NAME_LEN` of
/// [`include/linux/module.h`](srctree/include/linux/module.h) on a 64-bit kernel,
/// without the NUL.
const NAME_MAX: usize = 55;

/// Checks that make and the shell take the name of a module, that of its folder, as a word.
///
/// # Errors
///
/// Fails with the rule if the name breaks it.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(format!(
            "the folder's name is that of a module, which has 1 to {NAME_MAX} of the letters \
             A-Z, a-z, 0-9, _ and -; rename the folder"
        )),
    }
}

/// A lesson's module, ready for `insmod`.
#[derive(Debug, Clone)]
pub struct Module {
    /// Name of the module and of its lesson.
    pub name: String,
    /// Language of the source.
    pub language: Language,
    /// Path of the `.ko` file with line tables.
    pub path: PathBuf,
    /// Path of the same file without line tables, for the guest, which needs time to read each
    /// byte and does not use line tables.
    pub stripped: PathBuf,
}

/// The modules that were requested.
#[derive(Debug, Clone, Default)]
pub struct ModuleSet {
    /// The modules that the cache has or that were built.
    pub modules: Vec<Module>,
    /// The modules that could not be built.
    pub unbuilt: Vec<UnbuiltModule>,
}

/// Returns true if the cache does not have one of the modules of `requested` for `image`.
///
/// # Errors
///
/// Fails if a damaged module cannot be removed.
pub fn are_missing(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    requested: &[(&str, Language)],
) -> Result<bool> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    for (name, language) in requested {
        // An unreadable source is for `build` to report.
        let Ok(key) = builder.lesson_key(name, *language) else {
            continue;
        };
        let entry = entry_name(name, *language);
        let found = session.cache.find("modules", &entry, &key, Parts::All)?;
        if found.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the modules of `requested`, each a lesson's name and a language, for `image`; builds
/// those that the cache does not have. A module that cannot be built does not stop the others.
///
/// # Errors
///
/// Fails if the cache cannot be used, or if kbuild fails and names no module as the reason.
pub fn build(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    requested: &[(&str, Language)],
) -> Result<ModuleSet> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    let stage = session.ui.stage("modules");
    let mut set = ModuleSet::default();
    let mut missing: Vec<(&str, Language, Key)> = Vec::new();
    for (name, language) in requested {
        let key = match builder.lesson_key(name, *language) {
            Ok(key) => key,
            Err(error) => {
                set.unbuilt
                    .push(UnbuiltModule::new(name, *language, &error));
                continue;
            }
        };
        let entry = entry_name(name, *language);
        let found = session.cache.find("modules", &entry, &key, Parts::All)?;
        let is_missing = found.is_none();
        let folder = found.unwrap_or_else(|| session.cache.path("modules", &entry, &key));
        let module = Module {
            name: (*name).to_owned(),
            language: *language,
            path: folder.join(format!("{name}.ko")),
            stripped: folder.join(STRIPPED).join(format!("{name}.ko")),
        };
        if is_missing {
            missing.push((name, *language, key));
        }
        set.modules.push(module);
    }
    for language in [Language::Rust, Language::C] {
        let missing: Vec<(&str, &Key)> = missing
            .iter()
            .filter(|(_, of, _)| *of == language)
            .map(|(name, _, key)| (*name, key))
            .collect();
        if !missing.is_empty() {
            let unbuilt = builder
                .lessons(&stage, language, &missing)
                .map_err(|error| session.cache.explain_full_disk(error))?;
            set.unbuilt.extend(unbuilt);
        }
    }
    let ModuleSet { modules, unbuilt } = &mut set;
    modules.retain(|module| !unbuilt.iter().any(|unbuilt| unbuilt.is(module)));
    let mut bytes = 0;
    for module in &*modules {
        bytes += std::fs::metadata(&module.path)
            .with_context(|| format!("cannot look at {}", module.path.display()))?
            .len();
    }
    let compiled = missing.len().saturating_sub(unbuilt.len());
    let not_built = match unbuilt.len() {
        0 => String::new(),
        count => format!(", {count} not built"),
    };
    stage.done(
        missing.is_empty() && unbuilt.is_empty(),
        format!(
            "{} ({compiled} compiled{not_built}), {}",
            modules.len(),
            crate::ui::size(bytes)
        ),
    );
    Ok(set)
}

/// Returns the name of a module's folder in the cache, without the key.
fn entry_name(lesson: &str, language: Language) -> String {
    format!("{lesson}-{language}")
}

struct ModuleBuilder<'a> {
    session: &'a Session,
    toolchain: &'a Toolchain,
    image: &'a KernelImage,
    sources: PathBuf,
}

impl<'a> ModuleBuilder<'a> {
    fn new(session: &'a Session, toolchain: &'a Toolchain, image: &'a KernelImage) -> Self {
        Self {
            session,
            toolchain,
            image,
            sources: session.workspace.modules(),
        }
    }

    /// Returns the key of `kernel_ext`.
    fn kernel_ext_key(&self) -> Result<Key> {
        Ok(Inputs::new(KIND)
            .text("kernel", self.image.key.as_str())
            .file("Kbuild", &self.sources.join("Kbuild"))?
            .tree("kernel_ext", &self.sources.join("kernel_ext"))?
            .key())
    }

    /// Returns the folder with the files of `kernel_ext` that Rust modules need.
    fn kernel_ext(&self, stage: &Stage<'_>) -> Result<PathBuf> {
        let name = format!("kernel_ext-{}", self.image.label());
        let key = self.kernel_ext_key()?;
        let entry = self
            .session
            .cache
            .entry("modules", &name, &key, |staging| {
                stage.begin("compiling kernel_ext", 0);
                let folder = self.session.cache.work_folder("kernel_ext")?;
                let work = folder.path();
                copy(&self.sources.join("Kbuild"), &work.join("Kbuild"))?;
                copy_tree(&self.sources.join("kernel_ext"), &work.join("kernel_ext"))?;
                self.make(
                    stage,
                    work,
                    &["LESSONS=".to_owned()],
                    "kernel_ext does not compile",
                )?;
                for file in KERNEL_EXT {
                    copy(&work.join("kernel_ext").join(file), &staging.join(file))?;
                }
                Ok(())
            })?;
        Ok(entry.path)
    }

    /// Returns the key of a lesson's module.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if it has no source or the source cannot be read.
    fn lesson_key(&self, name: &str, language: Language) -> Result<Key> {
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
    fn lessons(
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
            let made = self.kbuild(stage, work, &variables, sandbox.as_ref(), &log, |line| {
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
                    copy(&work.join(&file), &staging.join(&file))?;
                    let stripped = staging.join(STRIPPED);
                    std::fs::create_dir(&stripped)
                        .with_context(|| format!("cannot make {}", stripped.display()))?;
                    Tool::new(self.toolchain.llvm_bin.join("llvm-strip"))
                        .args(["--strip-debug", "-o"])
                        .arg(stripped.join(&file))
                        .arg(staging.join(&file))
                        .output()
                        .map(drop)
                })?;
        }
        Ok(unbuilt)
    }

    /// Runs kbuild in `work`, on `kernel_ext` alone. `fault` begins the error if a tool refuses
    /// the sources.
    fn make(
        &self,
        stage: &Stage<'_>,
        work: &Path,
        variables: &[String],
        fault: &str,
    ) -> Result<()> {
        let log = self.log("kernel_ext")?;
        let mut compiler = Vec::new();
        // rustc prints paths relative to this folder, clang absolute ones.
        let here = format!("{}/", work.display());
        let made = self.kbuild(stage, work, variables, None, &log, |line| {
            if is_compilers(line) {
                compiler.push(
                    line.replace("--> ", "--> modules/")
                        .replace(&here, "modules/"),
                );
            }
        });
        made.map_err(|error| {
            if compiler.is_empty() {
                return error;
            }
            let (label, output, log) = (self.image.label(), compiler.join("\n"), log.display());
            Failure::lesson(format!(
                "{fault} for Linux {label}:\n{output}\nthe whole log: {log}"
            ))
            .into()
        })
    }

    /// Returns the log of kbuild's runs for this part of the modules, which begins anew.
    fn log(&self, part: &str) -> Result<PathBuf> {
        let name = format!("modules-{}-{part}", self.image.label());
        let log = self.session.cache.folder("logs")?.join(name);
        remove(&log)?;
        Ok(log)
    }

    /// Runs kbuild in `work`, in `sandbox` if there is one; each line of its output goes to `on_line`. kbuild builds as much as
    /// it can, and keeps the output of each target together.
    fn kbuild(
        &self,
        stage: &Stage<'_>,
        work: &Path,
        variables: &[String],
        sandbox: Option<&Sandbox>,
        log: &Path,
        mut on_line: impl FnMut(&str),
    ) -> Result<()> {
        let KernelImage { tree, objects, .. } = self.image;
        let make = kernel::make(self.toolchain, tree, objects, self.session.jobs)
            .args(["--keep-going", "--output-sync=target"])
            .arg(format!("M={}", work.display()))
            .args(variables)
            .arg("modules");
        let make = match sandbox {
            Some(sandbox) => make.sandboxed(sandbox)?,
            None => make,
        };
        make.run_logged("building modules", log, |line| {
            stage.tool_line(line);
            on_line(line);
        })
    }
}

/// Reports whether the disk of a folder is full: a tool that failed to write may not say why, and
/// removes what it has written.
fn is_full(folder: &Path) -> Result<bool> {
    /// Bytes that kbuild needs for a few modules.
    const LITTLE: u64 = 4 << 20;
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot look at the disk of {}", folder.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))?;
    }
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        copy(&file, &to.join(file.strip_prefix(from)?))?;
    }
    Ok(())
}
