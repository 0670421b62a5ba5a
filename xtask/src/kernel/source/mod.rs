//! The source tree of a kernel: obtains, verifies, unpacks and patches it.
//!
//! Trees are in the cache folder `sources/`, under their version and a key of their inputs: the
//! tarball's identity and the contents of the patches. A tree in the cache never changes; kernels
//! are built in other folders.
//!
//! Answers are remembered (see [`crate::memo`]), so that a run with nothing to do uses neither apt
//! nor the network. To ask again, remove
//!
//! - `resolved/debian-<package>.json`: the version in the Debian archive;
//! - `resolved/unreachable-<kernel>.json`: the mirrors that could not be reached (expires after an
//!   hour);
//! - `resolved/instead-of-<kernel>.json`: the kernel that an unpacked pack has in place of a default
//!   kernel;
//! - `resolved/given-<…>.json`: the content key of a `--kernel-source` (expires when the files'
//!   sizes, inode numbers or times change).

pub mod apt;
mod download;
pub mod fallback;
mod given;
mod listing;
mod makefile;
mod patches;
mod signature;
mod tarball;
mod unavailable;
mod unpack;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::apt::Apt;
use crate::cache::Parts;
use crate::failure::Failure;
use crate::kernel::spec::{DebianPackage, KernelSpec, Kernels, SourceOrigin, as_folder};
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::workspace::Workspace;

pub use makefile::TreeVersion;
use patches::Patches;
use unavailable::{Available, UnavailableSource};

/// Part of a tree that is read here. A check of 90,000 files takes half a second, so
/// [`crate::pipeline`] checks a tree only before something is compiled.
const MAKEFILE: Parts<'_> = Parts::Of(&["Makefile"]);

/// End of the name of a tree of which a pack has only the parts that builds of modules read.
pub const PART: &str = "-part";

/// The command line's request for a kernel.
#[derive(Debug, Clone, Default)]
pub struct SourceRequest {
    /// `--kernel NAME`.
    pub kernel: Option<String>,
    /// `--kernel-source PATH`: a tree or a tarball.
    pub source: Option<PathBuf>,
}

impl SourceRequest {
    /// Checks that kernels.toml names the kernel.
    ///
    /// # Errors
    ///
    /// Fails if it does not, or if kernels.toml is invalid.
    pub fn check(&self, workspace: &Workspace) -> Result<()> {
        let kernels = Kernels::load(workspace)?;
        self.kernel
            .iter()
            .try_for_each(|name| kernels.get(name).map(drop))
    }
}

/// A source tree that a kernel can be built from.
#[derive(Debug, Clone)]
pub struct KernelSource {
    /// Name of the kernel, or of the fallback that replaces it, in kernels.toml.
    pub kernel: String,
    /// Version in the tree's Makefile: `6.12.117`.
    pub version: String,
    /// Path of the tree. Never write to it.
    pub tree: PathBuf,
    /// Key of the tree's inputs.
    pub key: Key,
    /// True if the cache had the tree already.
    pub cached: bool,
    /// False if the tree has only the parts that builds of modules read.
    pub whole: bool,
}

/// Settings for obtaining sources; tests change them.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// `KMODLAB_MIRROR`: address of a folder that is preferred to the mirrors of kernels.toml.
    pub mirror: Option<String>,
    /// Maximum time until a mirror's first answer.
    pub reach: Duration,
    /// Maximum time without a byte, after which a transfer is abandoned.
    pub stall: Duration,
    /// Path of apt-get, or its name on the PATH.
    pub apt_get: OsString,
    /// True if a tree that has only parts is not enough.
    pub whole: bool,
}

impl FetchSettings {
    /// Returns the default settings, with `KMODLAB_MIRROR` if it is set.
    pub fn from_env() -> Self {
        Self {
            mirror: std::env::var("KMODLAB_MIRROR")
                .ok()
                .filter(|mirror| !mirror.is_empty())
                .map(|mirror| as_folder(&mirror)),
            reach: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            apt_get: "apt-get".into(),
            whole: false,
        }
    }
}

/// Returns the requested source tree, from the cache or newly made.
///
/// If the request does not name a kernel and no mirror can be reached, prints two notes and
/// returns the source of the default kernel's fallback.
///
/// # Errors
///
/// Fails if the kernel is unknown, or if its source is unavailable, damaged, badly signed or of
/// another series.
pub fn obtain(session: &Session, request: &SourceRequest) -> Result<KernelSource> {
    obtain_with(session, request, &FetchSettings::from_env())
}

/// Obtains a source tree as [`obtain`], and does not take one that has only parts.
///
/// # Errors
///
/// Fails as [`obtain`] does.
pub fn obtain_whole(session: &Session, request: &SourceRequest) -> Result<KernelSource> {
    let settings = FetchSettings {
        whole: true,
        ..FetchSettings::from_env()
    };
    obtain_with(session, request, &settings)
}

/// Obtains the requested source tree as [`obtain`], with other settings.
///
/// # Errors
///
/// Fails as [`obtain`] does.
pub fn obtain_with(
    session: &Session,
    request: &SourceRequest,
    settings: &FetchSettings,
) -> Result<KernelSource> {
    let stage = session.ui.stage("source");
    let kernels = Kernels::load(&session.workspace)?;
    let SourceRequest { kernel, source } = request;
    let spec = match kernel {
        Some(name) => kernels.get(name)?,
        None => kernels.default(),
    };
    let source = match (source, kernel, &spec.fallback) {
        (Some(path), _, _) => given::obtain(session, &kernels, spec, path),
        (None, None, Some(fallback)) => {
            fallback::or_fallback(session, settings, spec, kernels.get(fallback)?)
        }
        _ => from_origins(session, settings, spec)?
            .map_err(|missing| unavailable::failure(&kernels, spec, &missing).into()),
    }?;
    stage.done(source.cached, format!("Linux {}", source.version));
    Ok(source)
}

/// Returns the tree from the first available origin of the kernel's source.
fn from_origins(
    session: &Session,
    settings: &FetchSettings,
    spec: &KernelSpec,
) -> Result<Available<KernelSource>> {
    let patches = Patches::of(&spec.patches)?;
    if let Some(source) = cached(session, spec, &patches, settings.whole)? {
        return Ok(Ok(source));
    }
    let mut missing = Vec::new();
    for origin in &spec.sources {
        match origin {
            SourceOrigin::DebianPackage(package) => match debian(session, settings, package)? {
                Ok(deb) => {
                    let inputs = debian_inputs(&deb);
                    let unpack = |folder: &Path| apt::unpack(session, &deb, folder);
                    return tree(session, spec, &deb.version, inputs, &patches, unpack).map(Ok);
                }
                Err(reason) => missing.push(UnavailableSource {
                    origin: match &package.suite {
                        Some(suite) => format!("Debian's package {} in {suite}", package.name),
                        None => format!("Debian's package {}", package.name),
                    },
                    reason,
                }),
            },
            SourceOrigin::Tarball(tarball) => match tarball::fetch(session, settings, tarball)? {
                Ok(path) => {
                    let version = tarball.version.to_string();
                    let inputs = tarball::inputs(tarball);
                    let unpack = |folder: &Path| tarball::unpack(session, &path, folder);
                    return tree(session, spec, &version, inputs, &patches, unpack).map(Ok);
                }
                Err(mirrors) => missing.extend(mirrors),
            },
        }
    }
    Ok(Err(missing))
}

/// Returns the source tree of a kernel, if the cache has it; finds its download as well.
///
/// # Errors
///
/// Fails if a patch cannot be read.
pub fn in_cache(session: &Session, spec: &KernelSpec) -> Result<Option<KernelSource>> {
    for origin in &spec.sources {
        match origin {
            SourceOrigin::Tarball(tarball) => drop(tarball::in_cache(session, tarball)?),
            SourceOrigin::DebianPackage(package) => {
                if let Some(deb) = apt::SourcePackage::remembered(session, &package.name) {
                    deb.path(session)?;
                }
            }
        }
    }
    cached(session, spec, &Patches::of(&spec.patches)?, false)
}

/// Returns the tree from the first origin whose tree is in the cache; unless it has to be `whole`,
/// else one that has only parts.
fn cached(
    session: &Session,
    spec: &KernelSpec,
    patches: &Patches,
    whole: bool,
) -> Result<Option<KernelSource>> {
    for source in &spec.sources {
        let (version, inputs) = match source {
            SourceOrigin::Tarball(tarball) => {
                (tarball.version.to_string(), tarball::inputs(tarball))
            }
            SourceOrigin::DebianPackage(package) => {
                match apt::SourcePackage::remembered(session, &package.name) {
                    Some(deb) => (deb.version.clone(), debian_inputs(&deb)),
                    None => continue,
                }
            }
        };
        let key = tree_key(inputs, patches)?;
        let cache = &session.cache;
        let names = [version.clone(), format!("{version}{PART}")];
        for name in names.iter().take(if whole { 1 } else { 2 }) {
            if let Some(path) = cache.find("sources", name, &key, Parts::None)?
                && (TreeVersion::of(&path).is_ok() || cache.is_whole(&path, MAKEFILE)?)
            {
                let source = kernel_source(spec, path, key, true)?;
                return Ok(Some(KernelSource {
                    whole: *name == version,
                    ..source
                }));
            }
        }
    }
    Ok(None)
}

/// Returns the package from the cache's downloads if it is there, else downloads the archive's
/// newest one. The inner result is the reason if the package is not available.
fn debian(
    session: &Session,
    settings: &FetchSettings,
    package: &DebianPackage,
) -> Result<apt::OrReason<apt::SourcePackage>> {
    if let Some(deb) = apt::SourcePackage::remembered(session, &package.name)
        && deb.path(session)?.is_some()
    {
        return Ok(Ok(deb));
    }
    let Some(apt) = Apt::with(&session.cache, &settings.apt_get)? else {
        return Ok(Err("this host does not have apt".to_owned()));
    };
    let apt = match &package.suite {
        None => apt,
        Some(suite) => match apt.for_suite(suite)? {
            Ok(apt) => apt,
            Err(reason) => return Ok(Err(reason)),
        },
    };
    let mut reason = String::new();
    // The archive may have changed since the lists were fetched.
    for refresh in [false, true] {
        let deb = match apt::find(session, &apt, package, refresh)? {
            Ok(deb) => deb,
            Err(reason) => return Ok(Err(reason)),
        };
        match apt::download(session, &apt, &deb)? {
            Ok(()) => return Ok(Ok(deb)),
            Err(why) => reason = why,
        }
    }
    Ok(Err(reason))
}

fn debian_inputs(deb: &apt::SourcePackage) -> Inputs {
    let mut inputs = Inputs::new("source 1");
    inputs.text("deb", &deb.checksum);
    inputs
}

fn tree_key(mut inputs: Inputs, patches: &Patches) -> Result<Key> {
    patches.add_to(&mut inputs)?;
    Ok(inputs.key())
}

/// Returns the tree of `version`, which `unpack` makes and the patches change if the cache does not
/// have it.
fn tree(
    session: &Session,
    spec: &KernelSpec,
    version: &str,
    inputs: Inputs,
    patches: &Patches,
    unpack: impl FnOnce(&Path) -> Result<()>,
) -> Result<KernelSource> {
    let key = tree_key(inputs, patches)?;
    let make = |staging: &Path| {
        unpack(staging)?;
        let found = TreeVersion::of(staging)
            .with_context(|| format!("the source of kernel {} is not a kernel tree", spec.name))?;
        if found.version.series != spec.series {
            return Err(Failure::host(format!(
                "the source of kernel {} is Linux {found}, not of series {}",
                spec.name, spec.series
            ))
            .into());
        }
        if patches.count() > 0 {
            let stage = session.ui.stage("source");
            stage.begin(&format!("applying {} patches", patches.count()), 0);
            patches.apply(staging, &found.to_string())?;
        }
        Ok(())
    };
    let entry = session
        .cache
        .entry_with("sources", version, &key, MAKEFILE, make)?;
    kernel_source(spec, entry.path, key, entry.cached)
}

fn kernel_source(spec: &KernelSpec, tree: PathBuf, key: Key, cached: bool) -> Result<KernelSource> {
    let version = TreeVersion::of(&tree)
        .with_context(|| format!("{} is damaged; remove it and run again", tree.display()))?;
    Ok(KernelSource {
        kernel: spec.name.clone(),
        version: version.to_string(),
        tree,
        key,
        cached,
        whole: true,
    })
}
