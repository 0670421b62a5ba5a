//! Modules: `kernel_ext` once for a kernel, each lesson in Rust against it, and
//! each lesson's twin in C.

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

/// The recipes' number; a change of how modules are built changes it.
const KIND: &str = "modules 3";

/// The folder of modules without line tables, in each module's.
const STRIPPED: &str = "stripped";

/// What is said of sources that a compiler refuses.
const DOES_NOT_COMPILE: &str = "this does not compile";

/// What a lesson needs of a built `kernel_ext` (see `modules/Kbuild`).
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
    /// The lesson's name, which is the module's too.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// The `.ko` file, with line tables.
    pub path: PathBuf,
    /// The same without them, for a guest: it reads each byte at some cost, and
    /// has no use for these.
    pub stripped: PathBuf,
}

/// Builds for `image` the modules of `wanted`, each a lesson's name and a
/// language: those that the cache does not have.
///
/// A module that does not compile is the lesson's failure, and the error has
/// the compiler's words.
pub fn build(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    wanted: &[(&str, Language)],
) -> Result<Vec<Module>> {
    let builder = ModuleBuilder {
        session,
        toolchain,
        image,
        sources: session.workspace.modules(),
    };
    let stage = session.ui.stage("modules");
    let keys = wanted
        .iter()
        .map(|(name, language)| builder.lesson_key(name, *language))
        .collect::<Result<Vec<_>>>()?;
    let modules: Vec<Module> = wanted
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

/// What a module's folder in the cache is called, before its key.
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
    /// Everything that `kernel_ext` is made from.
    fn kernel_ext_key(&self) -> Result<Key> {
        Ok(Inputs::new(KIND)
            .text("kernel", self.image.key.as_str())
            .file("Kbuild", &self.sources.join("Kbuild"))?
            .tree("kernel_ext", &self.sources.join("kernel_ext"))?
            .key())
    }

    /// The folder with what lessons in Rust need of `kernel_ext`.
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

    /// Compiles several lessons in one run of kbuild, whose start costs more
    /// than a lesson.
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

    /// Runs kbuild in `work`; `fault` is what to say if a tool finds fault with
    /// the sources.
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
        // rustc tells places from this folder on, clang from the root on.
        let here = format!("{}/", work.display());
        let made = kernel::make(self.toolchain, tree, objects, self.session.jobs)?
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
            let words = compiler.join("\n");
            let log = log.display();
            Failure::lesson(format!(
                "{fault} for Linux {version}:\n{words}\nthe whole log: {log}"
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
