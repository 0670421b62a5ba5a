//! Specifications of the kernels in `kernel-config/kernels.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;

use super::version::{Series, Version};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// All kernels of `kernels.toml`.
#[derive(Debug, Clone)]
pub struct Kernels {
    kernels: Vec<KernelSpec>,
    /// Index of the default kernel.
    default: usize,
}

/// The specification of a kernel: its name, the origins of its source, its patches.
#[derive(Debug, Clone)]
pub struct KernelSpec {
    /// Name, which `--kernel` takes.
    pub name: String,
    /// Series of all its sources.
    pub series: Series,
    /// Version that the patches are written for, if they need a certain one.
    pub version: Option<Version>,
    /// Origins of the source, the preferred one first; never empty.
    pub sources: Vec<SourceOrigin>,
    /// Folder of its patches, `kernel-config/patches/<name>`, which need not exist.
    pub patches: PathBuf,
    /// Name of the kernel that is built instead, if no mirror can be reached and the user has not
    /// named a kernel.
    pub fallback: Option<String>,
}

/// An origin of a kernel's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceOrigin {
    /// A signed release on a mirror of kernel.org.
    Tarball(Tarball),
    /// A package of a Debian archive.
    DebianPackage(DebianPackage),
}

/// A Debian package that contains `usr/src/<name>.tar.xz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianPackage {
    /// Name: `linux-source-6.12`.
    pub name: String,
    /// Suite of the archive that has it, which need not be among the host's own; without it,
    /// the host's own suites.
    pub suite: Option<String>,
}

/// A signed release of kernel.org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tarball {
    /// Name of the file: `linux-6.7.9.tar.xz`.
    pub file: String,
    /// Name of the signature of the uncompressed tar: `linux-6.7.9.tar.sign`.
    pub signature: String,
    /// Version in the file's name.
    pub version: Version,
    /// Addresses of folders that may have both files; each ends in `/`.
    pub mirrors: Vec<String>,
    /// Fingerprint of the primary key that must have signed: 40 upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Addresses of the key.
    pub keys: Vec<String>,
}

impl Kernels {
    /// Reads `kernel-config/kernels.toml`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or has an unknown key or an invalid value.
    pub fn load(workspace: &Workspace) -> Result<Self> {
        let path = workspace.kernel_config().join("kernels.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, workspace).with_context(|| format!("{} is invalid", path.display()))
    }

    fn parse(text: &str, workspace: &Workspace) -> Result<Self> {
        let raw: RawKernels = toml::from_str(text)?;
        let RawKernels {
            default,
            kernel_org,
            kernel,
        } = raw;
        let kernels = kernel
            .into_iter()
            .map(|(name, raw)| {
                raw.validate(&name, &kernel_org, workspace)
                    .with_context(|| format!("kernel {name}"))
            })
            .collect::<Result<Vec<_>>>()?;
        let index = |name: &str| kernels.iter().position(|kernel| kernel.name == name);
        for KernelSpec { name, fallback, .. } in &kernels {
            if let Some(fallback) = fallback {
                ensure!(
                    fallback != name && index(fallback).is_some(),
                    "kernel {name}: the fallback {fallback} is not another kernel of this file"
                );
            }
        }
        let default =
            index(&default).ok_or_else(|| anyhow!("the default {default} is not in this file"))?;
        Ok(Self { kernels, default })
    }

    /// Returns the kernel called `name`.
    ///
    /// # Errors
    ///
    /// Fails if there is none of that name; the error names all kernels.
    pub fn get(&self, name: &str) -> Result<&KernelSpec> {
        self.kernels
            .iter()
            .find(|kernel| kernel.name == name)
            .ok_or_else(|| {
                let names = self.names().collect::<Vec<_>>().join(", ");
                Failure::usage(format!("there is no kernel {name}; there are: {names}")).into()
            })
    }

    /// Returns the kernel that is built if the user does not name one.
    pub fn default(&self) -> &KernelSpec {
        &self.kernels[self.default]
    }

    /// Returns the names of all kernels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|kernel| kernel.name.as_str())
    }

    /// Returns all kernels.
    pub fn iter(&self) -> impl Iterator<Item = &KernelSpec> {
        self.kernels.iter()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawKernels {
    default: String,
    kernel_org: RawKernelOrg,
    kernel: BTreeMap<String, RawKernel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawKernelOrg {
    mirrors: Vec<String>,
    fingerprint: String,
    keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawKernel {
    series: String,
    version: Option<String>,
    fallback: Option<String>,
    sources: Vec<RawSource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawSource {
    tarball: Option<String>,
    debian_package: Option<String>,
    suite: Option<String>,
}

impl RawKernel {
    fn validate(self, name: &str, org: &RawKernelOrg, workspace: &Workspace) -> Result<KernelSpec> {
        let Self {
            series,
            version,
            fallback,
            sources,
        } = self;
        ensure!(
            !name.is_empty() && !name.contains('/') && !name.starts_with('.'),
            "the name cannot be a folder's name"
        );
        let series = series.parse()?;
        let version: Option<Version> = version.as_deref().map(str::parse).transpose()?;
        let in_series = |version: Version| {
            ensure!(
                version.series == series,
                "{version} is not of series {series}"
            );
            Ok(())
        };
        version.map(in_series).transpose()?;
        ensure!(!sources.is_empty(), "sources is empty");
        let sources = sources
            .into_iter()
            .map(|source| match source {
                RawSource {
                    tarball: None,
                    debian_package: Some(name),
                    suite,
                } => Ok(SourceOrigin::DebianPackage(DebianPackage { name, suite })),
                RawSource {
                    tarball: Some(file),
                    debian_package: None,
                    suite: None,
                } => {
                    let tarball = tarball(file, org)?;
                    in_series(tarball.version)?;
                    Ok(SourceOrigin::Tarball(tarball))
                }
                _ => {
                    bail!("a source has either `tarball`, or `debian-package` and perhaps `suite`")
                }
            })
            .collect::<Result<_>>()?;
        Ok(KernelSpec {
            name: name.to_owned(),
            series,
            version,
            sources,
            patches: workspace.kernel_config().join("patches").join(name),
            fallback,
        })
    }
}

fn tarball(file: String, org: &RawKernelOrg) -> Result<Tarball> {
    let RawKernelOrg {
        mirrors,
        fingerprint,
        keys,
    } = org;
    let version: Version = file
        .strip_prefix("linux-")
        .and_then(|rest| rest.strip_suffix(".tar.xz"))
        .ok_or_else(|| anyhow!("the tarball {file} is not called linux-VERSION.tar.xz"))?
        .parse()?;
    // kernel.org has a folder for each first number.
    let folder = |mirror: &String| format!("{}v{}.x/", as_folder(mirror), version.series.version);
    let fingerprint = fingerprint.replace(' ', "").to_uppercase();
    ensure!(
        fingerprint.len() == 40 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "the fingerprint {fingerprint} is not 40 hexadecimal digits"
    );
    Ok(Tarball {
        signature: file.replace(".tar.xz", ".tar.sign"),
        file,
        version,
        mirrors: mirrors.iter().map(folder).collect(),
        fingerprint,
        keys: keys.clone(),
    })
}

/// Returns an address with a `/` at its end.
pub(super) fn as_folder(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_of_this_clone_are_valid() -> Result<()> {
        let kernels = Kernels::load(&Workspace::find()?)?;
        assert_eq!(kernels.default().name, "6.7.9");
        assert_eq!(kernels.default().fallback.as_deref(), Some("6.12"));
        assert!(kernels.names().any(|name| name == "6.12"));
        let newest = kernels.get("7.3")?;
        let package = DebianPackage {
            name: "linux-source-7.3".to_owned(),
            suite: Some("trixie-backports".to_owned()),
        };
        assert_eq!(newest.sources[0], SourceOrigin::DebianPackage(package));
        let Some(SourceOrigin::Tarball(tarball)) = newest.sources.get(1) else {
            bail!("7.3 has no tarball");
        };
        assert!(tarball.mirrors[0].ends_with("/linux/kernel/v7.x/"));
        Ok(())
    }

    #[test]
    fn the_error_for_an_unknown_kernel_names_all_kernels() -> Result<()> {
        let kernels = Kernels::load(&Workspace::find()?)?;
        let error = kernels.get("6.8").expect_err("there is no 6.8");
        assert_eq!(
            error.to_string(),
            "there is no kernel 6.8; there are: 6.12, 6.7.9, 7.3"
        );
        assert_eq!(
            crate::failure::fault_of(&error),
            crate::failure::Fault::Usage
        );
        Ok(())
    }

    #[test]
    fn an_invalid_file_is_refused() -> Result<()> {
        let parse = |kernel: &str| {
            let org = "[kernel-org]\nmirrors = []\nkeys = []\nfingerprint = \"00\"\n";
            let text = format!("default = \"a\"\n{org}[kernel.a]\n{kernel}");
            Kernels::parse(&text, &Workspace::find()?)
        };
        for (kernel, reason) in [
            ("series = \"6\"\nsources = []", "kernel series"),
            ("series = \"6.7\"\nsources = []", "sources is empty"),
            ("series = \"6.7\"\nsources = [{ ftp = \"x\" }]", "ftp"),
            (
                "series = \"6.7\"\nsources = [{ tarball = \"x\", suite = \"y\" }]",
                "either `tarball`",
            ),
            (
                "series = \"6.7\"\nversion = \"6.8.1\"\nsources = [{ debian-package = \"x\" }]",
                "6.8.1 is not of series 6.7",
            ),
            (
                "series = \"6.7\"\nsources = [{ tarball = \"linux-6.7.9.tar.xz\" }]",
                "fingerprint",
            ),
            (
                "series = \"6.7\"\nfallback = \"b\"\nsources = [{ debian-package = \"x\" }]",
                "fallback b",
            ),
        ] {
            let error = parse(kernel).expect_err("an invalid file");
            assert!(format!("{error:#}").contains(reason), "{error:#}");
        }
        Ok(())
    }
}
