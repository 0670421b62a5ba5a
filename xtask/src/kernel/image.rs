//! A built kernel: what boots, and what modules are built against.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::config::{self, Config};
use super::kbuild;
use super::source::KernelSource;
use crate::cache::{Cache, remove};
use crate::key::{Inputs, Key};
use crate::process::Tool;
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

/// The recipe's number; a change of how a kernel is built changes it.
const KIND: &str = "kernel 2";

/// What is made of a kernel: what boots, and what modules need to be built.
pub const TARGETS: [&str; 2] = ["vmlinux", "modules"];

/// About how many compile steps a kernel takes; it is the progress bar's length
/// until a first build has counted them.
const TYPICAL_STEPS: u64 = 1150;

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub struct KernelImage {
    /// Its name in `kernels.toml`: `6.12`.
    pub kernel: String,
    /// Its version: `6.12.117`.
    pub version: String,
    /// The tree that it was built from, which modules need too.
    pub tree: PathBuf,
    /// The folder of objects: `.config`, `vmlinux`, `Module.symvers`.
    pub objects: PathBuf,
    /// The key of all that went into it.
    pub key: Key,
    /// True if it was in the cache.
    pub cached: bool,
}

impl KernelImage {
    /// The kernel as an ELF file; `-M microvm` boots it by PVH.
    pub fn vmlinux(&self) -> PathBuf {
        self.objects.join("vmlinux")
    }

    /// Some kernel that the cache has, for who does not mind which.
    pub fn any(cache: &Cache) -> Result<Option<Self>> {
        let folder = cache.folder("kernels")?;
        let list = || format!("cannot list {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(list)? {
            let entry = entry.with_context(list)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name
                .rsplit_once('-')
                .map_or(name.as_str(), |(version, _)| version);
            let image = Self {
                kernel: version.to_owned(),
                version: version.to_owned(),
                tree: PathBuf::new(),
                objects: entry.path(),
                key: Inputs::new(KIND).text("any", &name).key(),
                cached: true,
            };
            if image.vmlinux().is_file() {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// Builds the kernel, unless the cache has it.
    pub fn build(session: &Session, toolchain: &Toolchain, source: &KernelSource) -> Result<Self> {
        let stage = session.ui.stage("kernel");
        let fragment_path = session.workspace.kernel_config().join("teaching.config");
        let fragment = Config::load(&fragment_path)?;
        let key = Inputs::new(KIND)
            .text("source", source.key.as_str())
            .text("toolchain", &toolchain.identity)
            .text("config", fragment.render())
            .key();
        let recipe = Recipe {
            session,
            toolchain,
            source,
            fragment,
            fragment_path,
        };
        let entry = session
            .cache
            .entry("kernels", &source.version, &key, |staging| {
                let name = format!("kernel-{}-{key}", source.version);
                let log = session.cache.folder("logs")?.join(name);
                remove(&log)?;
                let remembered = session.cache.folder("steps")?.join(&source.kernel);
                stage.begin(
                    &format!("compiling Linux {}", source.version),
                    steps_of_last_time(&remembered),
                );
                recipe.configure(staging, &log)?;
                let steps = recipe.compile(&stage, staging, &log)?;
                session
                    .cache
                    .write(&remembered, steps.to_string().as_bytes())
            })?;
        let image = Self {
            kernel: source.kernel.clone(),
            version: source.version.clone(),
            tree: source.tree.clone(),
            objects: entry.path,
            key,
            cached: entry.cached,
        };
        let vmlinux = std::fs::metadata(image.vmlinux()).map_or(0, |metadata| metadata.len());
        let detail = format!(
            "Linux {}, vmlinux {}",
            image.version,
            crate::ui::size(vmlinux)
        );
        stage.done(image.cached, detail);
        Ok(image)
    }
}

fn steps_of_last_time(remembered: &Path) -> u64 {
    std::fs::read_to_string(remembered)
        .ok()
        .and_then(|steps| steps.parse().ok())
        .unwrap_or(TYPICAL_STEPS)
}

struct Recipe<'a> {
    session: &'a Session,
    toolchain: &'a Toolchain,
    source: &'a KernelSource,
    fragment: Config,
    fragment_path: PathBuf,
}

impl Recipe<'_> {
    /// Makes the `.config` in `objects`: tinyconfig, the fragment,
    /// olddefconfig, and the check that nothing of the fragment was dropped.
    fn configure(&self, objects: &Path, log: &Path) -> Result<()> {
        std::fs::create_dir_all(objects)
            .with_context(|| format!("cannot make {}", objects.display()))?;
        let make = |target: &str| {
            self.make(objects)?
                .arg(target)
                .run_logged(&format!("make {target}"), log, |_| {})
        };
        let dot_config = objects.join(".config");
        make("tinyconfig")?;
        let merged = Config::load(&dot_config)?.with(&self.fragment);
        std::fs::write(&dot_config, merged)
            .with_context(|| format!("cannot write {}", dot_config.display()))?;
        make("olddefconfig")?;
        let full = Config::load(&dot_config)?;
        config::check(
            &self.fragment,
            &full,
            &self.fragment_path,
            &self.source.tree,
        )
    }

    /// Compiles the configured kernel and returns how many steps that took.
    fn compile(&self, stage: &Stage<'_>, objects: &Path, log: &Path) -> Result<u64> {
        let what = format!("building Linux {}", self.source.version);
        let mut steps = 0;
        self.make(objects)?
            .args(TARGETS)
            .run_logged(&what, log, |line| {
                stage.tool_line(line);
                if let Some(file) = compile_step(line) {
                    steps += 1;
                    stage.position(steps);
                    stage.message(file);
                }
            })?;
        Ok(steps)
    }

    fn make(&self, objects: &Path) -> Result<Tool> {
        kbuild::make(
            self.toolchain,
            &self.source.tree,
            objects,
            self.session.jobs,
        )
    }
}

/// The file of a line like `  CC      kernel/kthread.o`, if it is one.
fn compile_step(line: &str) -> Option<&str> {
    let (tag, file) = line.strip_prefix("  ")?.split_once(' ')?;
    let is_tag = tag.len() > 1 && tag.chars().all(|letter| letter.is_ascii_uppercase());
    is_tag.then(|| file.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kbuild_lines_are_counted() {
        assert_eq!(
            compile_step("  CC      kernel/kthread.o"),
            Some("kernel/kthread.o")
        );
        assert_eq!(compile_step("  RUSTC L rust/core.o"), Some("L rust/core.o"));
        assert_eq!(compile_step("make[1]: Entering directory '/x'"), None);
        assert_eq!(compile_step("  warning: unused"), None);
    }
}
