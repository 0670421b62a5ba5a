//! Packages from a Debian archive, without root and without a change of the host's own apt.
//!
//! The private apt uses the host's sources and keys, but lists and a cache of its own. Its
//! packages are as trustworthy as those of `apt-get install`: the archive signs the lists, which
//! hold each package's hash.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::cache::Cache;
use crate::failure::Failure;
use crate::process::{Tool, which};

/// Time after which lists are outdated. Debian's archive changes four times a day.
const LISTS_MAX_AGE: Duration = Duration::from_secs(6 * 3600);

/// An apt with lists and a cache of its own, below the cache folder.
#[derive(Debug)]
pub struct Apt {
    cache: Cache,
    apt_get: OsString,
    folder: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

impl Apt {
    /// Sets up the private apt; returns `None` on a host without apt.
    ///
    /// # Errors
    ///
    /// Fails if the apt's folders or its configuration cannot be written.
    pub fn private(cache: &Cache) -> Result<Option<Self>> {
        Self::with(cache, "apt-get".as_ref())
    }

    /// Sets up the private apt with another `apt-get`, a path or a name on the PATH.
    ///
    /// # Errors
    ///
    /// Fails as [`Apt::private`] does.
    pub fn with(cache: &Cache, apt_get: &OsStr) -> Result<Option<Self>> {
        let tools = [apt_get, "apt-cache".as_ref(), "dpkg-deb".as_ref()];
        if tools.iter().any(|tool| which(tool).is_none()) {
            return Ok(None);
        }
        let folder = cache.folder("apt")?;
        let config = configuration(&folder);
        Self::in_folder(cache, apt_get, folder, &config).map(Some)
    }

    fn in_folder(
        cache: &Cache,
        apt_get: &OsStr,
        folder: PathBuf,
        configuration: &str,
    ) -> Result<Self> {
        for part in ["lists/partial", "archives/partial"] {
            std::fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot make {}/{part}", folder.display()))?;
        }
        let config = folder.join("apt.conf");
        cache.write(&config, configuration.as_bytes())?;
        Ok(Self {
            cache: cache.clone(),
            apt_get: apt_get.to_owned(),
            log: cache.folder("logs")?.join("apt.log"),
            folder,
            config,
        })
    }

    /// Returns an apt with a single source: another suite of the Debian archive that the host's
    /// sources name, from the same mirror and with the same keys. It returns the reason if they
    /// name no Debian archive.
    ///
    /// # Errors
    ///
    /// Fails if apt cannot be run, or if the other apt's folders cannot be written.
    pub fn for_suite(&self, suite: &str) -> Result<std::result::Result<Self, String>> {
        // The lists have the archive's name.
        if let Err(error) = self.update_once() {
            return Ok(Err(format!("{error:#}")));
        }
        let format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(SIGNED_BY)";
        let listed = self
            .get()
            .args(["indextargets", "--format", format, "Created-By: Packages"])
            .output()?;
        let Some(source) = suite_source(&listed, suite) else {
            let why = "the host's apt has no Debian archive among its sources";
            return Ok(Err(why.to_owned()));
        };
        let folder = self.folder.join("suites").join(suite);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let list = folder.join("sources.list");
        self.cache.write(&list, source.as_bytes())?;
        let configuration = configuration(&folder)
            + &format!(
                "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\n",
                list.display()
            );
        Self::in_folder(&self.cache, &self.apt_get, folder, &configuration).map(Ok)
    }

    /// Returns the names of packages that begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Fails if `apt-cache` does.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self.tool("apt-cache").args(["pkgnames", prefix]).output()?;
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Fetches the lists if they are outdated.
    ///
    /// # Errors
    ///
    /// Fails if no list could be fetched.
    pub fn update_once(&self) -> Result<()> {
        let _lock = self.cache.lock("apt-lists")?;
        if self.lists_are_fresh() {
            return Ok(());
        }
        self.update()
    }

    /// Fetches the lists, even if they are not outdated.
    ///
    /// # Errors
    ///
    /// Fails if no list could be fetched.
    pub fn refresh(&self) -> Result<()> {
        let _lock = self.cache.lock("apt-lists")?;
        self.update()
    }

    /// Returns the versions of `package` in the archive, the newest first.
    ///
    /// # Errors
    ///
    /// Fails if `apt-cache` does.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let listed = self.tool("apt-cache").args(["madison", package]).output()?;
        Ok(madison(&listed, package))
    }

    /// Downloads a package into `folder` and returns the path of its file. If that fails, fetches
    /// the lists and tries once more.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made, or if the archive cannot be reached or does not have
    /// the package in this version.
    pub fn download(&self, package: &str, version: &str, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let what = format!("fetching {package} {version}");
        let download = self
            .get()
            .args(["-q", "download", &format!("{package}={version}")])
            .current_dir(folder);
        if download.run_logged(&what, &self.log, |_| {}).is_err() {
            // The archive may have changed since the lists were fetched.
            self.refresh()?;
            download
                .run_logged(&what, &self.log, |_| {})
                .context(Failure::host(format!(
                    "cannot fetch the package {package} {version} with apt-get; \
                     check that the archive in /etc/apt can be reached"
                )))?;
        }
        deb_in(folder, package)
    }

    /// Unpacks a package's file below `folder`, without running the package's scripts.
    ///
    /// # Errors
    ///
    /// Fails if `dpkg-deb` does.
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
        // If one source among several is unreachable, the package may still be in another one.
        if !self.has_lists() {
            updated?;
            return Err(Failure::host(format!(
                "apt-get could not fetch any package list from the sources in /etc/apt; \
                 check the network. The log: {}",
                self.log.display()
            ))
            .into());
        }
        self.cache.write(&self.timestamp_file(), b"")
    }

    /// Returns the file whose time is that of the last update.
    fn timestamp_file(&self) -> PathBuf {
        self.folder.join("updated")
    }

    fn lists_are_fresh(&self) -> bool {
        let age = std::fs::metadata(self.timestamp_file())
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age < LISTS_MAX_AGE) && self.has_lists()
    }

    fn has_lists(&self) -> bool {
        std::fs::read_dir(self.folder.join("lists")).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
            })
        })
    }

    /// Returns the command line of this apt's `apt-get`.
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

/// Returns the settings that make an apt private, which override the host's. The host's other
/// settings, such as a proxy, remain in force.
fn configuration(folder: &Path) -> String {
    format!(
        r#"Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}";
Dir::Cache::Archives "archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
// Hooks of container images, which clean the host's cache.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// An apt that root starts would become the user _apt, who cannot read a cache folder in a home.
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

/// Returns the line of a `sources.list` for `suite`, by the output of `apt-get indextargets`: a
/// line `origin|label|address|keys` for each list. Debian's security archive has other suites.
fn suite_source(listed: &str, suite: &str) -> Option<String> {
    let (address, keys) = listed.lines().find_map(|line| {
        let mut fields = line.splitn(4, '|');
        let (origin, label) = (fields.next()?, fields.next()?);
        let is_debian = origin == "Debian" && label == "Debian";
        is_debian.then_some((fields.next()?, fields.next()?))
    })?;
    let keys = match keys.starts_with('/') {
        true => format!("[signed-by={keys}] "),
        false => String::new(),
    };
    Some(format!("deb {keys}{address} {suite} main\n"))
}

/// Returns the versions in the output of `apt-cache madison`, whose lines are
/// `package | version | source`, the newest first.
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

/// Returns the file that `apt-get download PACKAGE` has written to `folder`.
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
    fn a_suite_comes_from_the_debian_archive_of_the_host() {
        let listed = "Google|x|http://other/apt/|\n\
            Debian|Debian-Security|http://host/debian-security/|/k.gpg\n\
            Debian|Debian|http://host/debian/|/k.gpg\n";
        assert_eq!(
            suite_source(listed, "trixie-backports").as_deref(),
            Some("deb [signed-by=/k.gpg] http://host/debian/ trixie-backports main\n")
        );
        let without_keys = "Debian|Debian|http://host/debian/|\n";
        assert_eq!(
            suite_source(without_keys, "x").as_deref(),
            Some("deb http://host/debian/ x main\n")
        );
        assert_eq!(suite_source("Ubuntu|Ubuntu|http://u/ubuntu/|\n", "x"), None);
    }

    #[test]
    fn the_package_file_is_found_among_others() -> Result<()> {
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
