//! The source tree of a kernel: obtained, verified, unpacked, patched.
//!
//! Trees are in the cache folder `sources/`, named by version and by a key of
//! what they were made from: the tarball's identity and the contents of the
//! patches. Once there, a tree is never written to; kernels are built outside
//! of it.
//!
//! What was found out on the way is remembered in `resolved/`, so that a run
//! with nothing to do asks neither apt nor the network. To ask again, remove
//!
//! - `resolved/debian-<package>.json`: which version the Debian archive has;
//! - `resolved/unreachable-<kernel>.json`: that no mirror could be reached
//!   (forgotten after an hour by itself);
//! - `resolved/given-<…>.json`: the content key of a `--kernel-source` (known
//!   to be out of date by its files' sizes, inode numbers and times).

mod apt;
mod download;
mod fallback;
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
use crate::failure::Failure;
use crate::kernel::spec::{KernelSpec, Kernels, SourceOrigin, as_folder};
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::workspace::Workspace;

pub use makefile::TreeVersion;
use patches::Patches;
use unavailable::{Attempt, UnavailableSource};

/// What the command line asks for.
#[derive(Debug, Clone, Default)]
pub struct SourceRequest {
    /// `--kernel NAME`
    pub kernel: Option<String>,
    /// `--kernel-source PATH`: a tree or a tarball.
    pub source: Option<PathBuf>,
}

impl SourceRequest {
    /// Refuses a kernel that kernels.toml does not name.
    pub fn check(&self, workspace: &Workspace) -> Result<()> {
        let kernels = Kernels::load(workspace)?;
        self.kernel
            .iter()
            .try_for_each(|name| kernels.get(name).map(drop))
    }
}

/// A source tree, ready to build from.
#[derive(Debug, Clone)]
pub struct KernelSource {
    /// The kernel's name in kernels.toml: that of the fallback, if it came to
    /// that.
    pub kernel: String,
    /// The version that the tree's Makefile states: `6.12.117`.
    pub version: String,
    /// The tree. Never write to it.
    pub tree: PathBuf,
    /// What it was made from.
    pub key: Key,
    /// True if nothing had to be done.
    pub cached: bool,
}

/// How sources are obtained; tests change it.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// `KMODLAB_MIRROR`: a folder that is asked before the mirrors of
    /// kernels.toml.
    pub mirror: Option<String>,
    /// Within this time a mirror must answer, whatever it answers.
    pub reach: Duration,
    /// A transfer without a byte for this long is given up.
    pub stall: Duration,
    /// apt-get: a path, or a name on the PATH.
    pub apt_get: OsString,
}

impl FetchSettings {
    /// The usual ones, with `KMODLAB_MIRROR` if it is set.
    pub fn from_env() -> Self {
        Self {
            mirror: std::env::var("KMODLAB_MIRROR")
                .ok()
                .filter(|mirror| !mirror.is_empty())
                .map(|mirror| as_folder(&mirror)),
            reach: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            apt_get: "apt-get".into(),
        }
    }
}

/// The source tree that `request` asks for, from the cache or made.
///
/// Falls back to another kernel if none was named and no mirror can be
/// reached; that is said in two notes.
pub fn obtain(session: &Session, request: &SourceRequest) -> Result<KernelSource> {
    obtain_with(session, request, &FetchSettings::from_env())
}

/// [`obtain`] with other settings.
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
        _ => from_sources(session, settings, spec)
            .and_then(|attempt| attempt.or_fail(&kernels, spec)),
    }?;
    stage.done(source.cached, format!("Linux {}", source.version));
    Ok(source)
}

/// Tries the kernel's sources in order.
fn from_sources(session: &Session, settings: &FetchSettings, spec: &KernelSpec) -> Result<Attempt> {
    let patches = Patches::of(&spec.patches)?;
    if let Some(source) = cached(session, spec, &patches)? {
        return Ok(Attempt::Got(source));
    }
    let mut missing = Vec::new();
    for source in &spec.sources {
        match source {
            SourceOrigin::DebianPackage(package) => {
                let deb = match debian(session, settings, package)? {
                    Ok(deb) => deb,
                    Err(reason) => {
                        let place = format!("Debian's package {package}");
                        missing.push(UnavailableSource { place, reason });
                        continue;
                    }
                };
                let inputs = debian_inputs(&deb);
                return tree(session, spec, &deb.version, inputs, &patches, |folder| {
                    apt::unpack(session, &deb, folder)
                })
                .map(Attempt::Got);
            }
            SourceOrigin::Tarball(tarball) => match tarball::fetch(session, settings, tarball)? {
                tarball::TarballFetch::Unreachable(mirrors) => missing.extend(mirrors),
                tarball::TarballFetch::At(path) => {
                    let version = tarball.version.to_string();
                    let inputs = tarball::inputs(tarball);
                    return tree(session, spec, &version, inputs, &patches, |folder| {
                        tarball::unpack(session, &path, folder)
                    })
                    .map(Attempt::Got);
                }
            },
        }
    }
    Ok(Attempt::Unavailable(missing))
}

/// The tree of the first source that is in the cache already.
fn cached(session: &Session, spec: &KernelSpec, patches: &Patches) -> Result<Option<KernelSource>> {
    for source in &spec.sources {
        let (version, inputs) = match source {
            SourceOrigin::Tarball(tarball) => {
                (tarball.version.to_string(), tarball::inputs(tarball))
            }
            SourceOrigin::DebianPackage(package) => {
                match apt::SourcePackage::remembered(session, package) {
                    Some(deb) => (deb.version.clone(), debian_inputs(&deb)),
                    None => continue,
                }
            }
        };
        let key = tree_key(inputs, patches)?;
        let path = session.cache.path("sources", &version, &key);
        if path.is_dir() {
            return kernel_source(spec, path, key, true).map(Some);
        }
    }
    Ok(None)
}

/// The package in the cache's downloads: the one remembered if it is still
/// there, else the archive's newest.
fn debian(
    session: &Session,
    settings: &FetchSettings,
    package: &str,
) -> Result<std::result::Result<apt::SourcePackage, String>> {
    if let Some(deb) = apt::SourcePackage::remembered(session, package)
        && deb.path(session).is_file()
    {
        return Ok(Ok(deb));
    }
    let Some(apt) = Apt::with(&session.cache, &settings.apt_get)? else {
        return Ok(Err("this machine has no apt".to_owned()));
    };
    let mut reason = String::new();
    // The archive may have moved on since the lists were fetched.
    for refresh in [false, true] {
        let deb = match apt::ask(session, &apt, package, refresh)? {
            apt::PackageLookup::Found(deb) => deb,
            apt::PackageLookup::Absent(reason) => return Ok(Err(reason)),
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

/// The tree of `version`, made by `unpack` and then patched, if it is not in
/// the cache.
fn tree(
    session: &Session,
    spec: &KernelSpec,
    version: &str,
    inputs: Inputs,
    patches: &Patches,
    unpack: impl FnOnce(&Path) -> Result<()>,
) -> Result<KernelSource> {
    let key = tree_key(inputs, patches)?;
    let entry = session.cache.entry("sources", version, &key, |staging| {
        unpack(staging)?;
        let found = TreeVersion::of(staging).with_context(|| {
            format!(
                "what was unpacked for kernel {} is no kernel tree",
                spec.name
            )
        })?;
        if found.version.series != spec.series {
            return Err(Failure::host(format!(
                "what was unpacked for kernel {} is Linux {found}, not of series {}",
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
    })?;
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
    })
}
