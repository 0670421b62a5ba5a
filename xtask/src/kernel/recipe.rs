//! Configures and compiles a kernel in a folder.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::{self, Config, Fragments};
use super::configuration::Configuration;
use super::image::TARGETS;
use super::kbuild;
use super::kconfig::KconfigOptions;
use super::source::KernelSource;
use crate::cache::{Unfinished, remove};
use crate::failure::Failure;
use crate::key::files_in;
use crate::memo;
use crate::process::Tool;
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

/// Approximate number of compile steps of a kernel: the progress bar's length until the first
/// build has counted them.
const TYPICAL_STEPS: u64 = 1150;

/// The inputs of a kernel's build.
pub(super) struct KernelRecipe<'a> {
    pub session: &'a Session,
    pub toolchain: &'a Toolchain,
    pub source: &'a KernelSource,
    pub configuration: &'a Configuration,
    pub fragments: Fragments,
}

impl KernelRecipe<'_> {
    /// Checks that the kernel has the options that the user adds.
    pub fn check_names(&self) -> Result<()> {
        if self.configuration.added().is_empty() {
            return Ok(());
        }
        let known = KconfigOptions::read(&self.source.tree);
        for added in self.configuration.added() {
            let Some(name) = added.options.names().find(|name| !known.has(name)) else {
                continue;
            };
            let near = known.nearest(name, 3).join(", ");
            let near = match near.is_empty() {
                true => String::new(),
                false => format!("; there is {near}"),
            };
            let (origin, version) = (&added.origin, &self.source.version);
            let what = format!("{origin}: Linux {version} has no option {name}{near}");
            return Err(Failure::of(added.fault, what).into());
        }
        Ok(())
    }

    /// Makes the `.config` in `objects` with tinyconfig, the fragments and olddefconfig, and checks
    /// that it has every option of the fragments.
    fn configure(&self, objects: &Path, log: &Path) -> Result<()> {
        let make = |target: &str| {
            self.make(objects)
                .arg(target)
                .run_logged(&format!("make {target}"), log, |_| {})
        };
        let dot_config = objects.join(".config");
        make("tinyconfig")?;
        let merged = Config::load(&dot_config)?.with(&self.fragments.options);
        std::fs::write(&dot_config, merged)
            .with_context(|| format!("cannot write {}", dot_config.display()))?;
        make("olddefconfig")?;
        let full = Config::load(&dot_config)?;
        config::check(
            &self.fragments,
            &full,
            &self.source.tree,
            self.configuration.fault(),
        )
    }

    /// Configures and compiles the kernel in `objects`, from where an earlier xtask was interrupted.
    pub fn compile(&self, stage: &Stage<'_>, objects: &Unfinished<'_>, log: &Path) -> Result<()> {
        let Self {
            session,
            source,
            configuration,
            ..
        } = self;
        let profile = configuration.profile;
        let memo = format!("steps-{}", profile.label(&source.kernel));
        let expected = memo::recall(&session.cache, &memo).unwrap_or(TYPICAL_STEPS);
        let label = profile.label(&source.version);
        let words = configuration.words();
        let begun = match objects.is_begun {
            true => ", from where it was interrupted",
            false => "",
        };
        stage.begin(&format!("compiling Linux {label}{words}{begun}"), expected);
        let path = objects.path();
        if objects.is_begun {
            remove_temporary(path)?;
        }
        self.configure(path, log)?;
        let what = format!("building Linux {}", source.version);
        let mut steps = 0;
        self.make(path)
            .args(TARGETS)
            .run_logged(&what, log, |line| {
                stage.tool_line(line);
                if let Some(file) = compile_step(line) {
                    steps += 1;
                    stage.position(steps);
                    stage.message(file);
                }
            })?;
        // The rest of a build has fewer steps.
        match objects.is_begun {
            true => Ok(()),
            false => memo::remember(&session.cache, &memo, &steps),
        }
    }

    fn make(&self, objects: &Path) -> Tool {
        kbuild::make(
            self.toolchain,
            &self.source.tree,
            objects,
            self.session.jobs,
        )
    }
}

/// Removes the temporary files (`kthread-1a2b3c4d.o.tmp`) that killed compilers left in `objects`.
fn remove_temporary(objects: &Path) -> Result<()> {
    let files = files_in(objects)?;
    let temporary = files
        .iter()
        .filter(|file| file.extension() == Some("tmp".as_ref()));
    for file in temporary {
        remove(file)?;
    }
    Ok(())
}

/// Returns the file of a compile step's line, such as `  CC      kernel/kthread.o`.
fn compile_step(line: &str) -> Option<&str> {
    let (tag, file) = line.strip_prefix("  ")?.split_once(' ')?;
    let is_tag = tag.len() > 1 && tag.chars().all(|letter| letter.is_ascii_uppercase());
    is_tag.then(|| file.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_killed_compilers_are_removed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let objects = folder.path();
        std::fs::create_dir(objects.join("kernel"))?;
        for file in ["kernel/kthread.o", "kernel/kthread-1a2b3c4d.o.tmp"] {
            std::fs::write(objects.join(file), "")?;
        }
        remove_temporary(objects)?;
        assert_eq!(files_in(objects)?, [objects.join("kernel/kthread.o")]);
        Ok(())
    }

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
