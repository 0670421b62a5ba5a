//! Sources that are not available, and the messages about them.

use crate::failure::Failure;
use crate::kernel::spec::{KernelSpec, Kernels, SourceOrigin};

/// A value from one of several origins; `Err` has all of them, if none is available.
pub type Available<T> = std::result::Result<T, Vec<UnavailableSource>>;

/// An origin that is not available.
#[derive(Debug, Clone)]
pub struct UnavailableSource {
    /// Address of a mirror, or name of a package.
    pub origin: String,
    /// Reason for which it is not available.
    pub reason: String,
}

impl UnavailableSource {
    /// Returns a line for each origin.
    pub fn lines(missing: &[Self]) -> String {
        let lines = missing
            .iter()
            .map(|UnavailableSource { origin, reason }| format!("  {origin}: {reason}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns all origins in one line, with hosts instead of addresses, and each reason once.
    pub fn line(missing: &[Self]) -> String {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for UnavailableSource { origin, reason } in missing {
            let host = origin
                .split_once("://")
                .map_or(origin.as_str(), |(_, rest)| {
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

/// Returns the failure for a kernel none of whose origins is available. It names them and suggests
/// remedies.
pub fn failure(kernels: &Kernels, spec: &KernelSpec, missing: &[UnavailableSource]) -> Failure {
    let other = kernels
        .iter()
        .find(|other| spec.fallback.as_ref() == Some(&other.name))
        .map(|other| format!(", or build another kernel with `--kernel {}`", other.name))
        .unwrap_or_default();
    Failure::host(format!(
        "the source of kernel {} is not available:\n{}\n{}{other}.",
        spec.name,
        UnavailableSource::lines(missing),
        advice(spec),
    ))
}

/// Returns advice for a user who needs this kernel.
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
