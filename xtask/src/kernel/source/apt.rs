//! Kernel sources from a Debian archive: packages that contain a tarball.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use super::download::while_growing;
use super::unpack;
use crate::apt::Apt;
use crate::cache::{Cache, Parts};
use crate::kernel::spec::DebianPackage;
use crate::key::{Inputs, Key};
use crate::memo;
use crate::process::Tool;
use crate::session::Session;

/// A package of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Name: `linux-source-6.12`.
    pub package: String,
    /// Kernel's version without Debian's own part: `6.12.117`.
    pub version: String,
    /// Name of the file: `linux-source-6.12_6.12.117-1~deb12u1_all.deb`.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// Checksum in apt's signed lists: `SHA256:…`.
    pub checksum: String,
}

/// A value from the archive; `Err` has the reason if the archive does not have it or cannot be
/// reached.
pub type OrReason<T> = std::result::Result<T, String>;

impl SourcePackage {
    /// Returns the package that the last search found.
    pub fn remembered(session: &Session, package: &str) -> Option<Self> {
        memo::recall(&session.cache, &memo_name(package))
    }

    /// Remembers the package as the last search's.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be written.
    pub fn remember(&self, cache: &Cache) -> Result<()> {
        memo::remember(cache, &memo_name(&self.package), self)
    }

    /// Returns the path that the package has in the cache, if it is downloaded and whole.
    ///
    /// # Errors
    ///
    /// Fails if a damaged package cannot be removed.
    pub fn path(&self, session: &Session) -> Result<Option<PathBuf>> {
        let (name, key) = (&self.package, self.key());
        let folder = session.cache.find("downloads", name, &key, Parts::All)?;
        Ok(folder.map(|folder| folder.join(&self.file)))
    }

    fn key(&self) -> Key {
        Inputs::new("deb 1").text("checksum", &self.checksum).key()
    }
}

fn memo_name(package: &str) -> String {
    format!("debian-{package}")
}

/// Searches the archive for a package, and remembers the result. With `refresh`, fetches the
/// lists even if they are not outdated.
///
/// # Errors
///
/// Fails if apt cannot be started, or prints something unexpected.
pub fn find(
    session: &Session,
    apt: &Apt,
    DebianPackage {
        name: package,
        suite,
    }: &DebianPackage,
    refresh: bool,
) -> Result<OrReason<SourcePackage>> {
    let stage = session.ui.stage("source");
    stage.begin(&format!("searching the archive for {package}"), 0);
    let update = if refresh {
        apt.refresh()
    } else {
        apt.update_once()
    };
    if let Err(error) = update {
        return Ok(Err(format!("{error:#}")));
    }
    let (status, uris, stderr) = apt
        .get()
        .args(["-q", "download", "--print-uris", package])
        .capture()?;
    if !status.success() {
        let names = apt.names(PREFIX)?;
        let others = other_versions(&names);
        if let (Some(suite), false) = (suite, others.is_empty()) {
            return Ok(Err(format!(
                "{suite} does not have it any more, and has {}; to use one, change the names in \
                 the kernel's entry of kernel-config/kernels.toml",
                others.join(", ")
            )));
        }
        let reason = stderr
            .lines()
            .find_map(|line| line.strip_prefix("E: "))
            .unwrap_or("apt-get prints no reason");
        return Ok(Err(reason.to_owned()));
    }
    let deb = parse(package, &uris)
        .with_context(|| format!("cannot parse apt's output about {package}: {}", uris.trim()))?;
    deb.remember(&session.cache)?;
    Ok(Ok(deb))
}

/// The beginning of the names of packages with a kernel's source.
const PREFIX: &str = "linux-source-";

/// Returns the names of packages with the source of a version: `linux-source-7.4`, but neither
/// `linux-source` nor `linux-source-7.4-rt`.
fn other_versions(names: &[String]) -> Vec<&str> {
    let is_version = |name: &&str| {
        let version = name.strip_prefix(PREFIX).unwrap_or_default();
        let digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        !version.is_empty() && version.chars().all(digit)
    };
    names
        .iter()
        .map(String::as_str)
        .filter(is_version)
        .collect()
}

/// Parses the output of `--print-uris`: `'http://…' file.deb 153476148 SHA256:…`.
fn parse(package: &str, uris: &str) -> Result<SourcePackage> {
    let line = uris
        .lines()
        .find(|line| line.starts_with('\''))
        .ok_or_else(|| anyhow!("no address"))?;
    let words = line.split_whitespace().collect::<Vec<_>>();
    let [_, file, size, checksum] = words[..] else {
        bail!("not four words");
    };
    let version = file
        .split('_')
        .nth(1)
        .and_then(|version| version.split(['-', '+', '~']).next())
        .ok_or_else(|| anyhow!("no version in {file}"))?;
    Ok(SourcePackage {
        package: package.to_owned(),
        version: version.to_owned(),
        file: file.to_owned(),
        size: size.parse().context("no size")?,
        checksum: checksum.to_owned(),
    })
}

/// Downloads the package if the cache does not have it.
///
/// # Errors
///
/// Fails if the package does not match its checksum, or the cache cannot be written.
pub fn download(session: &Session, apt: &Apt, deb: &SourcePackage) -> Result<OrReason<()>> {
    let mut unreachable = None;
    let SourcePackage { file, package, .. } = deb;
    let entry = session
        .cache
        .entry("downloads", package, &deb.key(), |staging| {
            std::fs::create_dir(staging)
                .with_context(|| format!("cannot make {}", staging.display()))?;
            let stage = session.ui.stage("source");
            stage.begin(&format!("downloading {file} (MiB)"), deb.size >> 20);
            let tool = apt
                .get()
                .args(["-q", "download", package])
                .current_dir(staging);
            let (status, _, stderr) =
                while_growing(&staging.join(file), &stage, || tool.capture())?;
            if !status.success() {
                let reason = stderr.trim();
                if !reason.contains("mismatch") && !reason.contains("No space left") {
                    unreachable = Some(reason.to_owned());
                }
                bail!("apt-get could not download {file}: {reason}");
            }
            ensure!(staging.join(file).is_file(), "apt-get left no {file}");
            Ok(())
        });
    match (entry, unreachable) {
        (Ok(_), _) => Ok(Ok(())),
        (Err(_), Some(reason)) => Ok(Err(reason)),
        (Err(error), None) => Err(error),
    }
}

/// Unpacks the kernel source in the package into `folder`.
///
/// # Errors
///
/// Fails if the package cannot be read or does not contain the source.
pub fn unpack(session: &Session, deb: &SourcePackage, folder: &Path) -> Result<()> {
    let path = deb.path(session)?;
    let path = path.with_context(|| format!("{} is not in the cache", deb.file))?;
    let stage = session.ui.stage("source");
    stage.begin(&format!("unpacking {} (MiB)", deb.file), deb.size >> 20);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let tool = Tool::new("dpkg-deb").arg("--fsys-tarfile").arg(&path);
    let mut child = tool.spawn(Stdio::from(writer), Stdio::null())?;
    let tarball = format!("usr/src/{}.tar.xz", deb.package);
    let mut outer = tar::Archive::new(unpack::CountingReader::new(reader, &stage));
    let mut found = false;
    for entry in outer
        .entries()
        .with_context(|| format!("cannot read {}", path.display()))?
    {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        if entry.path()?.ends_with(&tarball) {
            unpack::unpack(unpack::xz(entry)?, folder)?;
            found = true;
        }
    }
    if !child.wait()?.success() {
        bail!("{} failed", tool.quoted());
    }
    if !found {
        bail!("{} does not contain {tarball}", deb.file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_other_versions_are_found() {
        let names = [
            "linux-source-7.4",
            "linux-source-7.4-rt",
            "linux-source-",
            "linux-source-7.5",
        ];
        let names = names.map(str::to_owned);
        assert_eq!(
            other_versions(&names),
            ["linux-source-7.4", "linux-source-7.5"]
        );
    }

    #[test]
    fn the_output_of_apt_is_parsed() -> Result<()> {
        let line = "'http://a.example/pool/linux-source-6.12_6.12.117-1%7edeb12u1_all.deb' \
                    linux-source-6.12_6.12.117-1~deb12u1_all.deb 153476148 SHA256:e849\n";
        let deb = parse("linux-source-6.12", line)?;
        assert_eq!(deb.version, "6.12.117");
        assert_eq!(deb.size, 153_476_148);
        assert_eq!(deb.checksum, "SHA256:e849");
        Ok(())
    }
}
