//! A built kernel, which guests boot and modules are built against.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::config::{self, Config, Fragments};
use super::configuration::Configuration;
use super::kbuild;
use super::kconfig::KconfigOptions;
use super::profile::Profile;
use super::source::KernelSource;
use crate::cache::{Cache, Parts, Unfinished, remove};
use crate::failure::Failure;
use crate::key::{Inputs, Key, files_in};
use crate::memo;
use crate::process::{Continuable, Tool};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
pub const KIND: &str = "kernel 3";

/// Targets of a kernel's make: `vmlinux` for guests, `modules` for the build of modules.
pub const TARGETS: [&str; 2] = ["vmlinux", "modules"];

/// Parts of a kernel that a guest and its artifacts need. The build of modules needs the whole
/// folder and the source, which [`crate::pipeline`] checks before.
const PARTS: Parts<'_> = Parts::Of(&["vmlinux", ".config", "Module.symvers"]);

/// Approximate number of compile steps of a kernel: the progress bar's length until the first
/// build has counted them.
const TYPICAL_STEPS: u64 = 1150;

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub struct KernelImage {
    /// Name in `kernels.toml`: `6.12`.
    pub kernel: String,
    /// Version: `6.12.117`.
    pub version: String,
    /// Checks that are built in.
    pub profile: Profile,
    /// Source tree, which the build of modules needs too.
    pub tree: PathBuf,
    /// Folder of objects: `.config`, `vmlinux`, `Module.symvers`.
    pub objects: PathBuf,
    /// Key of the kernel's inputs.
    pub key: Key,
    /// True if the cache had the kernel already.
    pub cached: bool,
}

impl KernelImage {
    /// Returns the path of the kernel's ELF file, which `-M microvm` boots by PVH.
    pub fn vmlinux(&self) -> PathBuf {
        self.objects.join("vmlinux")
    }

    /// Returns the addresses from that of the symbol `name` to that of the next symbol, by the
    /// kernel's list of symbols; `None` if that has no such symbol or cannot be read.
    pub fn symbol_range(&self, name: &str) -> Option<Range<u64>> {
        let symbols = std::fs::read_to_string(self.objects.join("System.map")).ok()?;
        symbol_range(&symbols, name)
    }

    /// Returns the version and, if it is not the default one, the profile: `6.12.117-debug`.
    /// File names and reports identify kernels by this label.
    pub fn label(&self) -> String {
        self.profile.label(&self.version)
    }

    /// Returns any kernel from the cache, for a caller to whom all kernels are equal: one with the
    /// default profile, which boots fastest, if there is one. Its `tree` is empty.
    ///
    /// # Errors
    ///
    /// Fails if the cache's kernels cannot be listed.
    pub fn any(cache: &Cache) -> Result<Option<Self>> {
        let mut other = None;
        for objects in cache.list("kernels")? {
            let name = objects.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            let label = name
                .rsplit_once('-')
                .map_or(name.as_str(), |(label, _)| label);
            let (version, profile) = Profile::of_label(label);
            let image = Self {
                kernel: version.to_owned(),
                version: version.to_owned(),
                profile,
                tree: PathBuf::new(),
                objects,
                key: Inputs::new(KIND).text("any", &name).key(),
                cached: true,
            };
            if cache.is_whole(&image.objects, PARTS)? {
                if profile == Profile::Teaching {
                    return Ok(Some(image));
                }
                other = Some(image);
            }
        }
        Ok(other)
    }

    /// Returns the kernel `name` with this label and key, if the cache has it.
    ///
    /// # Errors
    ///
    /// Fails if a damaged kernel cannot be removed.
    pub fn find(cache: &Cache, name: &str, label: &str, key: &Key) -> Result<Option<Self>> {
        let (version, profile) = Profile::of_label(label);
        let objects = cache.find("kernels", label, key, PARTS)?;
        Ok(objects.map(|objects| Self {
            kernel: name.to_owned(),
            version: version.to_owned(),
            profile,
            // kbuild makes this link to the tree.
            tree: std::fs::read_link(objects.join("source")).unwrap_or_default(),
            objects,
            key: key.clone(),
            cached: true,
        }))
    }

    /// Returns the key of the kernel that [`KernelImage::build`] would build.
    ///
    /// # Errors
    ///
    /// Fails if a fragment cannot be read.
    pub fn key(
        session: &Session,
        toolchain: &Toolchain,
        source: &KernelSource,
        configuration: &Configuration,
    ) -> Result<Key> {
        let fragments = fragments(session, source, configuration)?;
        Ok(key(toolchain, source, &fragments))
    }

    /// Returns true if the cache has the kernel that [`KernelImage::build`] would build.
    ///
    /// # Errors
    ///
    /// Fails if a fragment cannot be read, or if a damaged kernel cannot be removed.
    pub fn is_cached(
        session: &Session,
        toolchain: &Toolchain,
        source: &KernelSource,
        configuration: &Configuration,
    ) -> Result<bool> {
        let key = Self::key(session, toolchain, source, configuration)?;
        let label = configuration.profile.label(&source.version);
        let found = session.cache.find("kernels", &label, &key, PARTS)?;
        Ok(found.is_some())
    }

    /// Builds the kernel with this configuration, unless the cache has it.
    ///
    /// # Errors
    ///
    /// Fails if a fragment cannot be read, if the user adds an option that the kernel does not have,
    /// if kconfig drops an option, or if the kernel does not compile.
    pub fn build(
        session: &Session,
        toolchain: &Toolchain,
        source: &KernelSource,
        configuration: &Configuration,
    ) -> Result<Self> {
        let stage = session.ui.stage("kernel");
        let profile = configuration.profile;
        let fragments = fragments(session, source, configuration)?;
        let key = key(toolchain, source, &fragments);
        let label = profile.label(&source.version);
        let recipe = KernelRecipe {
            session,
            toolchain,
            source,
            configuration,
            fragments,
        };
        let make = |staging: &Path| {
            let log = session
                .cache
                .folder("logs")?
                .join(format!("kernel-{label}-{key}"));
            remove(&log)?;
            recipe.check_names()?;
            let objects = session.cache.unfinished(&label, &key)?;
            let _build =
                Continuable::begin("the build of the kernel continues from here next time");
            match recipe.compile(&stage, &objects, &log) {
                Ok(()) => objects.finish(staging),
                Err(error) => {
                    objects.discard();
                    Err(error)
                }
            }
        };
        let entry = session
            .cache
            .entry_with("kernels", &label, &key, PARTS, make)?;
        let image = Self {
            kernel: source.kernel.clone(),
            version: source.version.clone(),
            profile,
            tree: source.tree.clone(),
            objects: entry.path,
            key,
            cached: entry.cached,
        };
        let vmlinux = std::fs::metadata(image.vmlinux()).map_or(0, |metadata| metadata.len());
        let words = configuration.words();
        let detail = format!("Linux {label}{words}, vmlinux {}", crate::ui::size(vmlinux));
        stage.done(image.cached, detail);
        Ok(image)
    }
}

/// Reads the fragments of a kernel: `NAME.config` if there is one, with the options that only this
/// kernel has, those of the configuration, and the options that the user adds.
fn fragments(
    session: &Session,
    source: &KernelSource,
    configuration: &Configuration,
) -> Result<Fragments> {
    let folder = session.workspace.kernel_config();
    let own = format!("{}.config", source.kernel);
    let own = folder.join(&own).is_file().then_some(own);
    let names: Vec<String> = own.into_iter().chain(configuration.fragments()).collect();
    let mut fragments = Fragments::load(&folder, &names)?;
    for added in configuration.added() {
        fragments.add(added.origin.clone(), added.options.clone());
    }
    Ok(fragments)
}

/// Returns the key of a kernel's inputs.
fn key(toolchain: &Toolchain, source: &KernelSource, fragments: &Fragments) -> Key {
    Inputs::new(KIND)
        .text("source", source.key.as_str())
        .text("toolchain", &toolchain.identity)
        .text("config", fragments.options.render())
        .key()
}

struct KernelRecipe<'a> {
    session: &'a Session,
    toolchain: &'a Toolchain,
    source: &'a KernelSource,
    configuration: &'a Configuration,
    fragments: Fragments,
}

impl KernelRecipe<'_> {
    /// Checks that the kernel has the options that the user adds.
    fn check_names(&self) -> Result<()> {
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
    fn compile(&self, stage: &Stage<'_>, objects: &Unfinished<'_>, log: &Path) -> Result<()> {
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

/// Returns the addresses from that of the symbol `name` to the next in a list of symbols, which
/// is sorted by address: `ffffffff819ccf50 B panic_print`.
fn symbol_range(symbols: &str, name: &str) -> Option<Range<u64>> {
    let mut lines = symbols.lines().map(|line| {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)?))
    });
    let (start, _) = lines.find_map(|line| line.filter(|(_, symbol)| *symbol == name))?;
    let end = lines.find_map(|line| line.filter(|(address, _)| *address > start));
    end.map(|(end, _)| start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_ends_where_the_next_begins() {
        let symbols = "0000000000000000 D x\nffffffff81000010 t kthread_x\n\
            ffffffff81000020 t kthread\nffffffff81000020 t alias\nffffffff81000030 T y\n";
        let range = 0xffff_ffff_8100_0020..0xffff_ffff_8100_0030;
        assert_eq!(symbol_range(symbols, "kthread"), Some(range));
        assert_eq!(symbol_range(symbols, "kthreads"), None);
        assert_eq!(symbol_range(symbols, "y"), None);
    }

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
