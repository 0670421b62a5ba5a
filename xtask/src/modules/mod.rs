//! Modules: `kernel_ext` once for a kernel, and each lesson against it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cache::remove;
use crate::failure::Failure;
use crate::kernel::{self, KernelImage};
use crate::key::{Inputs, Key, files_below};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

/// The recipes' number; a change of how modules are built changes it.
const KIND: &str = "modules 1";

/// What a lesson needs of a built `kernel_ext` (see `modules/Kbuild`).
const KERNEL_EXT: [&str; 3] = ["kernel_ext.o", "helpers.o", "libkernel_ext.rmeta"];

/// A lesson's module, ready for `insmod`.
#[derive(Debug, Clone)]
pub struct Module {
    /// The lesson's name, which is the module's too.
    pub name: String,
    /// The `.ko` file.
    pub path: PathBuf,
}

/// Builds the modules of the lessons `names` for `image`, those that the cache
/// does not have.
///
/// A module that does not compile is the lesson's failure, and the error has
/// the compiler's words.
pub fn build(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    names: &[&str],
) -> Result<Vec<Module>> {
    let builder = Builder {
        session,
        toolchain,
        image,
        sources: session.workspace.modules(),
    };
    let stage = session.ui.stage("modules");
    let (kernel_ext, ext_key) = builder.kernel_ext(&stage)?;
    let keys = names
        .iter()
        .map(|name| builder.lesson_key(name, &ext_key))
        .collect::<Result<Vec<_>>>()?;
    let path = |name: &str, key: &Key| session.cache.path("modules", name, key);
    let missing: Vec<(&str, &Key)> = names
        .iter()
        .zip(&keys)
        .map(|(name, key)| (*name, key))
        .filter(|(name, key)| !path(name, key).exists())
        .collect();
    if !missing.is_empty() {
        builder
            .lessons(&stage, &kernel_ext, &missing)
            .map_err(|error| session.cache.explain_full_disk(error))?;
    }
    let modules: Vec<Module> = names
        .iter()
        .zip(&keys)
        .map(|(name, key)| Module {
            name: (*name).to_owned(),
            path: path(name, key).join(format!("{name}.ko")),
        })
        .collect();
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

struct Builder<'a> {
    session: &'a Session,
    toolchain: &'a Toolchain,
    image: &'a KernelImage,
    sources: PathBuf,
}

impl Builder<'_> {
    /// The folder with what lessons need of `kernel_ext`.
    fn kernel_ext(&self, stage: &Stage<'_>) -> Result<(PathBuf, Key)> {
        let key = Inputs::new(KIND)
            .text("kernel", self.image.key.as_str())
            .file("Kbuild", &self.sources.join("Kbuild"))?
            .tree("kernel_ext", &self.sources.join("kernel_ext"))?
            .key();
        let name = format!("kernel_ext-{}", self.image.version);
        let entry = self
            .session
            .cache
            .entry("modules", &name, &key, |staging| {
                stage.begin("compiling kernel_ext", 0);
                let folder = self.session.cache.work_folder("kernel_ext")?;
                let work = folder.path();
                copy(&self.sources.join("Kbuild"), &work.join("Kbuild"))?;
                copy_tree(&self.sources.join("kernel_ext"), &work.join("kernel_ext"))?;
                self.make(stage, work, &["LESSONS=".to_owned()])?;
                for file in KERNEL_EXT {
                    copy(&work.join("kernel_ext").join(file), &staging.join(file))?;
                }
                Ok(())
            })?;
        Ok((entry.path, key))
    }

    fn lesson_key(&self, name: &str, ext_key: &Key) -> Result<Key> {
        let folder = self.sources.join("lessons").join(name);
        let mut inputs = Inputs::new(KIND);
        inputs
            .text("kernel_ext", ext_key.as_str())
            .text("lesson", name);
        for source in rust_sources(&folder)? {
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
        kernel_ext: &Path,
        missing: &[(&str, &Key)],
    ) -> Result<()> {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        stage.begin(&format!("compiling {}", names.join(", ")), 0);
        let folder = self.session.cache.work_folder("lessons")?;
        let work = folder.path();
        copy(&self.sources.join("Kbuild"), &work.join("Kbuild"))?;
        std::fs::create_dir_all(work.join("kernel_ext"))?;
        for name in &names {
            let folder = self.sources.join("lessons").join(name);
            for source in rust_sources(&folder)? {
                let target = work
                    .join("lessons")
                    .join(name)
                    .join(source.strip_prefix(&folder)?);
                copy(&source, &target)?;
            }
        }
        let variables = [
            format!("LESSONS={}", names.join(" ")),
            format!("KERNEL_EXT={}", kernel_ext.display()),
        ];
        self.make(stage, work, &variables)?;
        for (name, key) in missing {
            let file = format!("{name}.ko");
            self.session.cache.entry("modules", name, key, |staging| {
                copy(&work.join(&file), &staging.join(&file))
            })?;
        }
        Ok(())
    }

    fn make(&self, stage: &Stage<'_>, work: &Path, variables: &[String]) -> Result<()> {
        let KernelImage {
            tree,
            objects,
            version,
            ..
        } = self.image;
        let log = self
            .session
            .cache
            .folder("logs")?
            .join(format!("modules-{version}"));
        remove(&log)?;
        let mut compiler = Vec::new();
        let made = kernel::make(self.toolchain, tree, objects, self.session.jobs)?
            .arg(format!("M={}", work.display()))
            .args(variables)
            .arg("modules")
            .run_logged("building modules", &log, |line| {
                stage.tool_line(line);
                let kbuild =
                    line.starts_with("make") || line.starts_with("  ") && !line.contains('|');
                if !kbuild || line.trim_start().starts_with("-->") {
                    compiler.push(line.replace("--> ", "--> modules/"));
                }
            });
        made.map_err(|error| {
            if compiler.is_empty() {
                return error;
            }
            let words = compiler.join("\n");
            let log = log.display();
            Failure::lesson(format!(
                "this does not compile for Linux {version}:\n{words}\nthe whole log: {log}"
            ))
            .into()
        })
    }
}

/// The Rust files of a lesson. Its text is no input of its module.
fn rust_sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files_below(folder)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    ensure!(
        !files.is_empty(),
        Failure::lesson(format!("{} has no Rust source", folder.display()))
    );
    Ok(files)
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
