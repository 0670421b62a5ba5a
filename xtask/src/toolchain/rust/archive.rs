//! rustc from Debian's archive, unpacked into a folder: so its packages do not conflict with others,
//! and root is not needed.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{SERIES, finish};
use crate::apt::Apt;
use crate::cache::remove;
use crate::host::Host;
use crate::process::Tool;
use crate::ui::Stage;

/// Packages of rustc and its sources in Debian 12, which builds its browsers with `rustc-web`, and
/// in Debian 13.
pub const PACKAGES: [[&str; 4]; 2] = [
    [
        "rustc-web",
        "libstd-rust-web-1.85",
        "libstd-rust-web-dev",
        "rust-web-src",
    ],
    ["rustc", "libstd-rust-1.85", "libstd-rust-dev", "rust-src"],
];

/// Returns true if the host's own package lists have the series, or if the host has no lists yet
/// and is a Debian whose archive has the series.
pub fn has_it(host: &Host) -> bool {
    let listed = host.which("apt-cache").and_then(|apt_cache| {
        let packages = PACKAGES.map(|set| set[0]);
        let tool = Tool::new(apt_cache).arg("madison").args(packages);
        tool.output().ok()
    });
    let listed = listed.unwrap_or_default();
    let series = format!("| {SERIES}.");
    listed.contains(&series)
        || listed.trim().is_empty() && ["debian 12", "debian 13"].contains(&host.release().as_str())
}

/// Returns the first set of packages that the archive has in the series, all in one version, and
/// that version.
fn choose(
    versions: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Option<([&'static str; 4], String)>> {
    let series = format!("{SERIES}.");
    for packages in PACKAGES {
        for version in versions(packages[0])? {
            if !version.starts_with(&series) {
                continue;
            }
            let mut others = packages[1..].iter();
            if others.all(|other| versions(other).is_ok_and(|all| all.contains(&version))) {
                return Ok(Some((packages, version)));
            }
        }
    }
    Ok(None)
}

/// Fetches and unpacks the archive's packages; returns false if the archive does not have the
/// series.
///
/// # Errors
///
/// Fails if the lists or a package cannot be fetched or unpacked.
pub fn fetch(apt: &Apt, staging: &Path, stage: &Stage<'_>) -> Result<bool> {
    apt.update_once()?;
    let Some((packages, version)) = choose(|package| apt.versions(package))? else {
        return Ok(false);
    };
    let debs = staging.join("deb");
    for (package, step) in packages.iter().zip(1..) {
        stage.message(&format!("fetching {package} {version}"));
        let deb = apt.download(package, &version, &debs)?;
        apt.unpack(&deb, staging)?;
        remove(&deb)?;
        stage.position(step);
    }
    remove(&debs)?;
    keep_library_only(&staging.join("usr/src"))?;
    stage.position(5);
    let source = std::fs::read_dir(staging.join("usr/src"))?
        .next()
        .context("the package of rustc's sources is empty")??;
    let library = Path::new("usr/src")
        .join(source.file_name())
        .join("library");
    let libraries = multiarch(&staging.join("usr/lib"))?;
    finish(
        staging,
        &format!(
            "LD_LIBRARY_PATH=\"$here/usr/lib/{libraries}\" exec \"$here/usr/bin/rustc\" \"$@\""
        ),
        &library,
        &format!("{} {version}", packages[0]),
    )?;
    stage.position(6);
    Ok(true)
}

/// Returns the name of the folder in usr/lib with rustc's own libraries: `x86_64-linux-gnu`.
fn multiarch(lib: &Path) -> Result<String> {
    std::fs::read_dir(lib)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .find(|name| name.ends_with("-linux-gnu"))
        .with_context(|| {
            format!(
                "rustc's packages contain no libraries for {}",
                lib.display()
            )
        })
}

/// Removes all of rustc's sources except `library/`. A kernel compiles only that; the compiler and
/// its tests are four fifths of the sources.
fn keep_library_only(src: &Path) -> Result<()> {
    for source in std::fs::read_dir(src).with_context(|| format!("no {}", src.display()))? {
        for part in std::fs::read_dir(source?.path())? {
            let part = part?.path();
            if part.file_name().is_none_or(|name| name != "library") {
                remove(&part)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(package: &str) -> Result<Vec<String>> {
        let versions: &[&str] = match package {
            "rustc-web" | "libstd-rust-web-dev" | "rust-web-src" => {
                &["1.96.0+dfsg1-1~deb12u2", "1.85.0+dfsg3-1~deb12u3"]
            }
            "libstd-rust-web-1.85" => &["1.85.0+dfsg3-1~deb12u3"],
            "rustc" | "libstd-rust-dev" | "rust-src" => &["1.63.0+dfsg1-2"],
            _ => &[],
        };
        Ok(versions.iter().map(|&version| version.to_owned()).collect())
    }

    #[test]
    fn in_debian_12_the_older_of_two_versions_is_chosen() -> Result<()> {
        let (packages, version) = choose(archive)?.context("nothing chosen")?;
        assert_eq!(packages[0], "rustc-web");
        assert_eq!(version, "1.85.0+dfsg3-1~deb12u3");
        Ok(())
    }

    #[test]
    fn in_debian_13_the_packages_have_plain_names() -> Result<()> {
        let trixie = |package: &str| {
            let there = ["rustc", "libstd-rust-1.85", "libstd-rust-dev", "rust-src"];
            Ok(if there.contains(&package) {
                vec!["1.85.1+dfsg1-2".to_owned()]
            } else {
                Vec::new()
            })
        };
        let (packages, version) = choose(trixie)?.context("nothing chosen")?;
        assert_eq!((packages[3], &*version), ("rust-src", "1.85.1+dfsg1-2"));
        Ok(())
    }

    #[test]
    fn packages_must_have_the_same_version() -> Result<()> {
        let torn = |package: &str| match package {
            "rust-web-src" => Ok(vec!["1.85.0+dfsg2-1".to_owned()]),
            _ => archive(package),
        };
        assert!(choose(torn)?.is_none());
        Ok(())
    }
}
