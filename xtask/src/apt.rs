//! Packages from a Debian archive without root and without touching the
//! host's own apt: its sources and keys are used, its lists and cache are not.
//!
//! What comes out is trusted as `apt-get install` trusts it: the lists are
//! signed, and they hold each package's hash.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::cache::Cache;
use crate::failure::Failure;
use crate::process::{Tool, which};

/// How long lists are good for. Debian's archive changes four times a day.
const LISTS_LAST: Duration = Duration::from_secs(6 * 3600);

/// An apt with lists and cache of its own, below the cache folder.
#[derive(Debug)]
pub struct Apt {
    cache: Cache,
    apt_get: OsString,
    folder: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Apt {
    /// Sets the private apt up; `None` on a host without apt.
    pub fn private(cache: &Cache) -> Result<Option<Self>> {
        Self::with(cache, "apt-get".as_ref())
    }

    /// The same with another `apt-get`, a path or a name on the PATH.
    pub fn with(cache: &Cache, apt_get: &OsStr) -> Result<Option<Self>> {
        let tools = [apt_get, "apt-cache".as_ref(), "dpkg-deb".as_ref()];
        if tools.iter().any(|tool| which(tool).is_none()) {
            return Ok(None);
        }
        let folder = cache.folder("apt")?;
        for part in ["lists/partial", "archives/partial"] {
            std::fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot make {}/{part}", folder.display()))?;
        }
        let config = folder.join("apt.conf");
        cache.write(&config, configuration(&folder).as_bytes())?;
        Ok(Some(Self {
            cache: cache.clone(),
            apt_get: apt_get.to_owned(),
            log: cache.folder("logs")?.join("apt.log"),
            folder,
            config,
        }))
    }

    /// Fetches the lists unless they were fetched a short while ago.
    pub fn update_once(&self) -> Result<()> {
        let _lock = self.cache.lock("apt-lists")?;
        if self.lists_are_fresh() {
            return Ok(());
        }
        self.update()
    }

    /// Fetches the lists, however old they are.
    pub fn refresh(&self) -> Result<()> {
        let _lock = self.cache.lock("apt-lists")?;
        self.update()
    }

    /// The versions of `package` that the archive has, newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let listed = self.tool("apt-cache").args(["madison", package]).output()?;
        Ok(madison(&listed, package))
    }

    /// Fetches one package into `folder` and returns its file's path.
    pub fn download(&self, package: &str, version: &str, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let what = format!("fetching {package} {version}");
        let download = self
            .get()
            .args(["-q", "download", &format!("{package}={version}")])
            .current_dir(folder);
        if download.run_logged(&what, &self.log, |_| {}).is_err() {
            // The archive may have moved on since the lists were fetched.
            self.refresh()?;
            download
                .run_logged(&what, &self.log, |_| {})
                .context(Failure::host(format!(
                    "cannot fetch the package {package} {version} with apt-get; \
                     is the archive in /etc/apt reachable?"
                )))?;
        }
        deb_in(folder, package)
    }

    /// Unpacks a package file below `folder`; its scripts do not run.
    pub fn unpack(&self, deb: &Path, folder: &Path) -> Result<()> {
        Tool::new("dpkg-deb")
            .arg("--extract")
            .arg(deb)
            .arg(folder)
            .run_logged(&format!("unpacking {}", deb.display()), &self.log, |_| {})
    }

    fn update(&self) -> Result<()> {
        let updated = self.get().args(["-q", "update"]).run_logged(
            "fetching the package lists",
            &self.log,
            |_| {},
        );
        // One unreachable source among several is no reason to give up: what
        // is wanted may be in the others.
        if !self.has_lists() {
            updated?;
            return Err(Failure::host(format!(
                "apt-get could not fetch any package list from the sources in /etc/apt; \
                 is the network there? The log: {}",
                self.log.display()
            ))
            .into());
        }
        self.cache.write(&self.stamp(), b"")
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("updated")
    }

    fn lists_are_fresh(&self) -> bool {
        let age = std::fs::metadata(self.stamp())
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age < LISTS_LAST) && self.has_lists()
    }

    fn has_lists(&self) -> bool {
        std::fs::read_dir(self.folder.join("lists")).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
            })
        })
    }

    /// This apt's `apt-get`.
    pub fn get(&self) -> Tool {
        self.tool(&self.apt_get)
    }

    fn tool(&self, program: impl AsRef<OsStr>) -> Tool {
        Tool::new(program)
            .arg("--config-file")
            .arg(&self.config)
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
    }
}

/// The settings that make an apt private, on top of the host's (which may
/// name a proxy).
fn configuration(folder: &Path) -> String {
    format!(
        r#"Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}";
Dir::Cache::Archives "archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
// Container images clean the host's cache in hooks; those are not for us.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// apt started by root would drop to the user _apt, who may not read a cache
// folder in a home.
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"#,
        folder = folder.display()
    )
}

/// The versions in what `apt-cache madison` prints: `package | version |
/// where from`, newest first.
fn madison(listed: &str, package: &str) -> Vec<String> {
    let mut versions = Vec::new();
    for line in listed.lines() {
        let mut columns = line.split('|').map(str::trim);
        let (Some(name), Some(version), Some(source)) =
            (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        if name == package && !source.ends_with("Sources") && !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions.into_iter().map(str::to_owned).collect()
}

/// The file that `apt-get download PACKAGE` left in `folder`.
fn deb_in(folder: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension().is_some_and(|extension| extension == "deb")
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .ok_or_else(|| anyhow!("apt-get left no {prefix}….deb in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn madison_lists_each_version_once_and_no_source_package() {
        let listed = " rustc-web | 1.96.0+dfsg1-1~deb12u2 | http://host/security bookworm-security/main amd64 Packages
 rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://host/debian bookworm/main amd64 Packages
 rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://other/debian bookworm/main amd64 Packages
 rustc-web | 1.70.0 | http://host/debian bookworm/main Sources
";
        assert_eq!(
            madison(listed, "rustc-web"),
            ["1.96.0+dfsg1-1~deb12u2", "1.85.0+dfsg3-1~deb12u3"]
        );
    }

    #[test]
    fn the_package_file_is_told_from_its_neighbours() -> Result<()> {
        let folder = tempfile::tempdir()?;
        for name in ["x-dev_1_amd64.deb", "x_1%3a2_amd64.deb", "x_1.txt"] {
            std::fs::write(folder.path().join(name), "")?;
        }
        assert_eq!(
            deb_in(folder.path(), "x")?,
            folder.path().join("x_1%3a2_amd64.deb")
        );
        assert!(deb_in(folder.path(), "y").is_err());
        Ok(())
    }
}
