//! Builds the modules: `kernel_ext` once for each kernel, each lesson's Rust module with it, and
//! each lesson's C twin.

mod doc;
mod language;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cache::remove;
use crate::failure::Failure;
use crate::kernel::{self, KernelImage};
use crate::key::{Inputs, Key, files_below};
use crate::process::Tool;
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

pub use doc::DocPages;
pub use language::Language;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "modules 3";

/// Folder of the module without line tables, in each module's folder.
const STRIPPED: &str = "stripped";

/// Beginning of the error if a compiler refuses the sources.
const DOES_NOT_COMPILE: &str = "this does not compile";

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

/// Refuses the name of a module, that of its `folder`, that make or a shell would interpret.
///
/// # Errors
///
/// Fails with the rule and the folder if the name breaks the rule.
pub fn check_name(name: &str, folder: &Path) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    ensure!(
        (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain),
        Failure::lesson(format!(
            "{}: the folder's name is that of a module, which has 1 to {NAME_MAX} of the letters \
             A-Z, a-z, 0-9, _ and -; rename the folder",
            folder.display()
        ))
    );
    Ok(())
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

/// Returns the modules of `requested`, each a lesson's name and a language, for `image`; builds
/// those that the cache does not have.
///
/// # Errors
///
/// Fails if a source cannot be read, and if a module does not compile: that is the lesson's
/// fault, and the error has the compiler's output.
pub fn build(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    requested: &[(&str, Language)],
) -> Result<Vec<Module>> {
    let builder = ModuleBuilder {
        session,
        toolchain,
        image,
        sources: session.workspace.modules(),
    };
    let stage = session.ui.stage("modules");
    let keys = requested
        .iter()
        .map(|(name, language)| builder.lesson_key(name, *language))
        .collect::<Result<Vec<_>>>()?;
    let modules: Vec<Module> = requested
        .iter()
        .zip(&keys)
        .map(|((name, language), key)| {
            let folder = session
                .cache
                .path("modules", &entry_name(name, *language), key);
            Module {
                name: (*name).to_owned(),
                language: *language,
                path: folder.join(format!("{name}.ko")),
                stripped: folder.join(STRIPPED).join(format!("{name}.ko")),
            }
        })
        .collect();
    let missing: Vec<(&Module, &Key)> = modules
        .iter()
        .zip(&keys)
        .filter(|(module, _)| !module.path.exists())
        .collect();
    for language in [Language::Rust, Language::C] {
        let missing: Vec<(&str, &Key)> = missing
            .iter()
            .filter(|(module, _)| module.language == language)
            .map(|(module, key)| (module.name.as_str(), *key))
            .collect();
        if !missing.is_empty() {
            builder
                .lessons(&stage, language, &missing)
                .map_err(|error| session.cache.explain_full_disk(error))?;
        }
    }
    let mut bytes = 0;
    for module in &modules {
        bytes += std::fs::metadata(&module.path)
            .with_context(|| format!("cannot look at {}", module.path.display()))?
            .len();
    }
    let (count, built) = (modules.len(), missing.len());
    stage.done(
        missing.is_empty(),
        format!("{count} ({built} compiled), {}", crate::ui::size(bytes)),
    );
    Ok(modules)
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

impl ModuleBuilder<'_> {
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
                self.make(stage, work, &["LESSONS=".to_owned()], DOES_NOT_COMPILE)?;
                for file in KERNEL_EXT {
                    copy(&work.join("kernel_ext").join(file), &staging.join(file))?;
                }
                Ok(())
            })?;
        Ok(entry.path)
    }

    fn lesson_key(&self, name: &str, language: Language) -> Result<Key> {
        let folder = self.session.workspace.folder_of(name);
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
        for source in language.sources(&folder)? {
            let label = source.strip_prefix(&folder)?.to_string_lossy().into_owned();
            inputs.file(&label, &source)?;
        }
        Ok(inputs.key())
    }

    /// Compiles several lessons in one run of kbuild, whose start takes longer than a lesson.
    fn lessons(
        &self,
        stage: &Stage<'_>,
        language: Language,
        missing: &[(&str, &Key)],
    ) -> Result<()> {
        let names = missing
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(" ");
        let mut variables = vec![
            format!("LESSONS={names}"),
            format!("LANGUAGE={}", language.name()),
        ];
        if language == Language::Rust {
            let kernel_ext = self.kernel_ext(stage)?;
            variables.push(format!("KERNEL_EXT={}", kernel_ext.display()));
        }
        stage.begin(&format!("compiling {names} ({language})"), 0);
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
            for source in language.sources(&folder)? {
                copy(&source, &target.join(source.strip_prefix(&folder)?))?;
            }
        }
        self.make(stage, work, &variables, DOES_NOT_COMPILE)?;
        for (name, key) in missing {
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
        Ok(())
    }

    /// Runs kbuild in `work`. `fault` begins the error if a tool refuses the sources.
    fn make(
        &self,
        stage: &Stage<'_>,
        work: &Path,
        variables: &[String],
        fault: &str,
    ) -> Result<()> {
        let KernelImage {
            tree,
            objects,
            version,
            ..
        } = self.image;
        let label = self.image.label();
        let log = self
            .session
            .cache
            .folder("logs")?
            .join(format!("modules-{label}"));
        remove(&log)?;
        let mut compiler = Vec::new();
        // rustc prints paths relative to this folder, clang absolute ones.
        let here = format!("{}/", work.display());
        let made = kernel::make(self.toolchain, tree, objects, self.session.jobs)
            .arg(format!("M={}", work.display()))
            .args(variables)
            .arg("modules")
            .run_logged("building modules", &log, |line| {
                stage.tool_line(line);
                let kbuild =
                    line.starts_with("make") || line.starts_with("  ") && !line.contains('|');
                if !kbuild || line.trim_start().starts_with("-->") {
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
            let output = compiler.join("\n");
            let log = log.display();
            Failure::lesson(format!(
                "{fault} for Linux {version}:\n{output}\nthe whole log: {log}"
            ))
            .into()
        })
    }
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
