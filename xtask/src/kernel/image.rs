//! A built kernel, which guests boot and modules are built against.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::config::Fragments;
use super::configuration::Configuration;
use super::profile::Profile;
use super::recipe::KernelRecipe;
use super::source::KernelSource;
use crate::cache::{Cache, Parts, remove};
use crate::key::{Inputs, Key};
use crate::process::Continuable;
use crate::session::Session;
use crate::toolchain::Toolchain;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
pub const KIND: &str = "kernel 3";

/// Targets of a kernel's make: `vmlinux` for guests, `modules` for the build of modules.
pub const TARGETS: [&str; 2] = ["vmlinux", "modules"];

/// Parts of a kernel that a guest and its artifacts need. The build of modules needs the whole
/// folder and the source, which [`crate::pipeline`] checks before.
const PARTS: Parts<'_> = Parts::Of(&["vmlinux", ".config", "Module.symvers"]);

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
}
