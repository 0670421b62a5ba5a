//! Sources that cannot be had here, and what to tell of them.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::KernelSource;
use crate::failure::Failure;
use crate::kernel::spec::{KernelSpec, Kernels, SourceOrigin};

/// What came of a kernel's list of sources.
pub enum Attempt {
    /// One was had.
    Got(KernelSource),
    /// None can be had here.
    Unavailable(Vec<UnavailableSource>),
}

/// A place that a source could not be had from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnavailableSource {
    /// A mirror's address, a package.
    pub place: String,
    /// Why not.
    pub reason: String,
}

impl UnavailableSource {
    /// A line a place.
    pub fn lines(missing: &[Self]) -> String {
        let lines = missing
            .iter()
            .map(|UnavailableSource { place, reason }| format!("  {place}: {reason}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// All in one line: hosts rather than addresses, a reason once.
    pub fn line(missing: &[Self]) -> String {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for UnavailableSource { place, reason } in missing {
            let host = place.split_once("://").map_or(place.as_str(), |(_, rest)| {
                rest.split('/').next().unwrap_or(rest)
            });
            match groups.iter_mut().find(|(known, _)| known == reason) {
                Some((_, hosts)) => hosts.push(host),
                None => groups.push((reason, vec![host])),
            }
        }
        let groups = groups
            .iter()
            .map(|(reason, hosts)| format!("{} ({reason})", hosts.join(", ")));
        groups.collect::<Vec<_>>().join(", ")
    }
}

impl Attempt {
    /// The source, or an error that says what to do.
    pub fn or_fail(self, kernels: &Kernels, spec: &KernelSpec) -> Result<KernelSource> {
        let missing = match self {
            Attempt::Got(source) => return Ok(source),
            Attempt::Unavailable(missing) => missing,
        };
        let other = kernels
            .iter()
            .find(|other| spec.fallback.as_ref() == Some(&other.name))
            .map(|other| format!(", or build another kernel with `--kernel {}`", other.name))
            .unwrap_or_default();
        Err(Failure::host(format!(
            "the source of kernel {} cannot be had here:\n{}\n{}{other}.",
            spec.name,
            UnavailableSource::lines(&missing),
            advice(spec),
        ))
        .into())
    }
}

/// What a user can do who wants this very kernel.
pub fn advice(spec: &KernelSpec) -> String {
    let file = spec.sources.iter().find_map(|source| match source {
        SourceOrigin::Tarball(tarball) => Some(tarball.file.as_str()),
        SourceOrigin::DebianPackage(_) => None,
    });
    let mirror = file.map_or(String::new(), |file| {
        format!(", or name a mirror in KMODLAB_MIRROR (the address of a folder with {file})")
    });
    format!("Check the network{mirror}, or give a tree or a tarball with `--kernel-source PATH`")
}
