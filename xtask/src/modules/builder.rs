//! The runs of kbuild that build `kernel_ext` and the modules.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::kbuild_lines::is_compilers;
use super::{KERNEL_EXT, KIND, STRIPPED};
use crate::cache::{WorkFolder, remove};
use crate::failure::Failure;
use crate::kernel::{self, KernelImage};
use crate::key::{Inputs, Key, files_below};
use crate::process::{Sandbox, Tool};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

/// Builds modules for one kernel.
pub(super) struct ModuleBuilder<'a> {
    pub session: &'a Session,
    pub toolchain: &'a Toolchain,
    pub image: &'a KernelImage,
    /// `modules/` of the clone.
    pub sources: PathBuf,
}

impl<'a> ModuleBuilder<'a> {
    pub fn new(session: &'a Session, toolchain: &'a Toolchain, image: &'a KernelImage) -> Self {
        Self {
            session,
            toolchain,
            image,
            sources: session.workspace.modules(),
        }
    }

    /// Returns the key of `kernel_ext`.
    pub fn kernel_ext_key(&self) -> Result<Key> {
        Ok(Inputs::new(KIND)
            .text("kernel", self.image.key.as_str())
            .file("Kbuild", &self.sources.join("Kbuild"))?
            .tree("kernel_ext", &self.sources.join("kernel_ext"))?
            .key())
    }

    /// Returns the folder with the files of `kernel_ext` that Rust modules need.
    pub fn kernel_ext(&self, stage: &Stage<'_>) -> Result<PathBuf> {
        let name = format!("kernel_ext-{}", self.image.label());
        let key = self.kernel_ext_key()?;
        let entry = self
            .session
            .cache
            .entry("modules", &name, &key, |staging| {
                stage.begin("compiling kernel_ext", 0);
                let folder = self.make_kernel_ext(stage, &[], "kernel_ext does not compile")?;
                for file in KERNEL_EXT {
                    let built = folder.path().join("kernel_ext").join(file);
                    copy(&built, &staging.join(file))?;
                }
                Ok(())
            })?;
        Ok(entry.path)
    }

    /// Copies the files of `kernel_ext` that a Rust module of a project needs to `work`, and returns
    /// their folder in the cache.
    pub fn copy_kernel_ext(&self, stage: &Stage<'_>, work: &Path) -> Result<PathBuf> {
        let kernel_ext = self.kernel_ext(stage)?;
        for file in KERNEL_EXT {
            copy(&kernel_ext.join(file), &work.join("kernel_ext").join(file))?;
        }
        Ok(kernel_ext)
    }

    /// Runs kbuild on `kernel_ext` alone, and returns the folder in which it worked. `variables` are
    /// make's, and `fault` begins the error if a tool refuses the sources.
    pub fn make_kernel_ext(
        &self,
        stage: &Stage<'_>,
        variables: &[String],
        fault: &str,
    ) -> Result<WorkFolder> {
        let folder = self.session.cache.work_folder("kernel_ext")?;
        let work = folder.path();
        copy(&self.sources.join("Kbuild"), &work.join("Kbuild"))?;
        copy_tree(&self.sources.join("kernel_ext"), &work.join("kernel_ext"))?;
        let variables = [&["LESSONS=".to_owned()], variables].concat();
        let log = self.log("kernel_ext")?;
        let mut compiler = Vec::new();
        // rustc prints paths relative to this folder, clang absolute ones.
        let here = format!("{}/", work.display());
        let make = self.own_kbuild(work, &variables);
        let made = self.kbuild(stage, make, None, &log, |line| {
            if is_compilers(line) {
                compiler.push(
                    line.replace("--> ", "--> modules/")
                        .replace(&here, "modules/"),
                );
            }
        });
        made.map_err(|error| -> anyhow::Error {
            if compiler.is_empty() {
                return error;
            }
            let (label, output, log) = (self.image.label(), compiler.join("\n"), log.display());
            Failure::lesson(format!(
                "{fault} for Linux {label}:\n{output}\nthe whole log: {log}"
            ))
            .into()
        })?;
        Ok(folder)
    }

    /// Returns the log of kbuild's runs for this part of the modules, which begins anew.
    pub fn log(&self, part: &str) -> Result<PathBuf> {
        let name = format!("modules-{}-{part}", self.image.label());
        let log = self.session.cache.folder("logs")?.join(name);
        remove(&log)?;
        Ok(log)
    }

    /// Returns the command line of kbuild with `modules/Kbuild` in the folder `work`.
    pub fn own_kbuild(&self, work: &Path, variables: &[String]) -> Tool {
        let KernelImage { tree, objects, .. } = self.image;
        kernel::make_modules(self.toolchain, (tree, objects), self.session.jobs, work)
            .args(variables)
    }

    /// Runs kbuild, in `sandbox` if there is one; each line of its output goes to `on_line`.
    /// kbuild builds as much as it can, and keeps the output of each target together.
    pub fn kbuild(
        &self,
        stage: &Stage<'_>,
        make: Tool,
        sandbox: Option<&Sandbox>,
        log: &Path,
        mut on_line: impl FnMut(&str),
    ) -> Result<()> {
        let make = self
            .with_tested_options(make)?
            .args(["--keep-going", "--output-sync=recurse"])
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

    /// Copies the module `NAME.ko` from `work` to the entry `staging`, as it is and without line
    /// tables.
    pub fn keep(&self, built: &Path, staging: &Path) -> Result<()> {
        let file = built.file_name().unwrap_or_default();
        copy(built, &staging.join(file))?;
        let stripped = staging.join(STRIPPED);
        std::fs::create_dir_all(&stripped)
            .with_context(|| format!("cannot make {}", stripped.display()))?;
        Tool::new(self.toolchain.llvm_bin.join("llvm-strip"))
            .args(["--strip-debug", "-o"])
            .arg(stripped.join(file))
            .arg(staging.join(file))
            .output()
            .map(drop)
    }
}

/// Reports whether the disk of a folder is full: a tool that failed to write may not say why, and
/// removes what it has written.
pub(super) fn is_full(folder: &Path) -> Result<bool> {
    /// Bytes that kbuild needs for a few modules.
    const LITTLE: u64 = 4 << 20;
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot look at the disk of {}", folder.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE)
}

pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    make_parent(path)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))
}

pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        copy(&file, &to.join(file.strip_prefix(from)?))?;
    }
    Ok(())
}
