//! rustc 1.85 with the sources of its own library, from where it takes least:
//! what the machine has, Debian's archive unpacked privately, rustup.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::host::{Host, is_rustup_proxy};
use super::probe::{Probes, version_after};
use crate::apt::Apt;
use crate::cache::{Cache, remove};
use crate::failure::Failure;
use crate::key::{Inputs, Key};
use crate::process::Tool;
use crate::session::Session;

/// The series of rustc that builds kernels; any patch level of it will do.
pub const SERIES: &str = "1.85";
/// What rustup is asked for.
const RUSTUP_VERSION: &str = "1.85.1";

/// The packages that make up rustc with its sources, in Debian 12 (where
/// `rustc-web` is what its browsers are built with) and in Debian 13.
const DEBIAN: [[&str; 4]; 2] = [
    [
        "rustc-web",
        "libstd-rust-web-1.85",
        "libstd-rust-web-dev",
        "rust-web-src",
    ],
    ["rustc", "libstd-rust-1.85", "libstd-rust-dev", "rust-src"],
];

/// A rustc with the sources of its library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rust {
    /// What is run as rustc.
    pub rustc: PathBuf,
    /// `library/` of the sources, free of links.
    pub library: PathBuf,
    /// Its version: `1.85.0`.
    pub version: String,
    /// What it says of itself, and which packages it is from.
    pub identity: String,
}

/// What can be said without changing anything.
#[derive(Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is there.
    Found(Rust),
    /// It will be fetched without root; says from where.
    Provisioned(String),
    /// There is no way to get it.
    Nothing,
}

/// The rustc that is there already: the machine's own or an earlier one of
/// ours.
pub fn find(host: &Host, cache: &Cache, probes: &mut Probes) -> Option<Rust> {
    let own = host
        .all("rustc")
        .chain([host.at("/usr/bin/rustc")])
        .filter(|rustc| rustc.is_file() && !is_rustup_proxy(rustc));
    let rustup = rustup_toolchains(host);
    for rustc in own.chain(rustup) {
        if let Some(rust) = examine(host, &rustc, probes) {
            return Some(rust);
        }
    }
    let key = key(host);
    let entry = cache.path("toolchain", "rust-1.85", &key);
    provisioned(&entry, probes)
}

/// Says what [`provision`] would do.
pub fn outlook(host: &Host, cache: &Cache, probes: &mut Probes) -> Outlook {
    if let Some(rust) = find(host, cache, probes) {
        return Outlook::Found(rust);
    }
    if host.which("apt-get").is_some() && archive_has_it(host) {
        return Outlook::Provisioned("from Debian's archive into the cache folder".to_owned());
    }
    if host.which("rustup").is_some() {
        return Outlook::Provisioned(format!(
            "by rustup ({RUSTUP_VERSION}) into the cache folder"
        ));
    }
    Outlook::Nothing
}

/// The rustc there is, or one that is fetched into the cache.
pub fn provision(session: &Session, host: &Host, probes: &mut Probes) -> Result<Rust> {
    if let Some(rust) = find(host, &session.cache, probes) {
        return Ok(rust);
    }
    let stage = session.ui.stage("rust");
    let entry = session
        .cache
        .entry("toolchain", "rust-1.85", &key(host), |staging| {
            std::fs::create_dir_all(staging.join("bin"))?;
            if host.which("apt-get").is_some()
                && let Some(apt) = Apt::private(&session.cache)?
            {
                stage.begin("asking Debian's archive for rustc 1.85", 6);
                match from_archive(&apt, staging, &stage) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) if host.which("rustup").is_some() => {
                        session.ui.note(format!("{error:#}; trying rustup"));
                    }
                    Err(error) => return Err(error),
                }
                remove(&staging.join("deb"))?;
                remove(&staging.join("usr"))?;
            }
            stage.begin(&format!("rustup toolchain install {RUSTUP_VERSION}"), 0);
            from_rustup(session, host, staging)
        })
        .context(format!("no rustc {SERIES} with its sources"))?;
    let rust = provisioned(&entry.path, probes).with_context(|| {
        Failure::machine(format!(
            "rustc in {} does not run; remove that folder and try again, \
             `cargo xtask doctor` says whether libLLVM's package (llvm 19) is there",
            entry.path.display()
        ))
    })?;
    stage.done(entry.cached, rust.version.clone());
    Ok(rust)
}

/// The command line that makes rustup fetch the toolchain below `home`.
fn rustup_install(rustup: &Path, home: &Path) -> Tool {
    Tool::new(rustup)
        .args(["toolchain", "install", RUSTUP_VERSION])
        .args(["--profile", "minimal", "--component", "rust-src"])
        .arg("--no-self-update")
        .env("RUSTUP_HOME", home)
        .env_remove("RUSTUP_TOOLCHAIN")
}

/// Recipe, distribution and packages: a private rustc stays when Debian
/// revises its package, until the recipe changes.
fn key(host: &Host) -> Key {
    let mut inputs = Inputs::new("rust 1");
    inputs.text("release", host.release());
    inputs.text("rustup", RUSTUP_VERSION);
    for packages in DEBIAN {
        inputs.text("packages", packages.join(" "));
    }
    inputs.key()
}

/// The rustc of every installed rustup toolchain of the series.
fn rustup_toolchains(host: &Host) -> Vec<PathBuf> {
    let Some(home) = &host.rustup_home else {
        return Vec::new();
    };
    toolchains_in(home)
}

fn toolchains_in(rustup_home: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(rustup_home.join("toolchains")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(SERIES))
        .map(|entry| entry.path().join("bin/rustc"))
        .filter(|rustc| rustc.is_file())
        .collect();
    found.sort();
    found.reverse();
    found
}

/// A rustc of the machine, if it is of the series and has its sources.
fn examine(host: &Host, rustc: &Path, probes: &mut Probes) -> Option<Rust> {
    let (version, text) = series_version(rustc, probes)?;
    let sysroot = probes.ask(rustc, &["--print", "sysroot"])?;
    let library = [
        Path::new(&sysroot).join("lib/rustlib/src/rust/library"),
        host.at(&format!("/usr/src/rustc-{version}/library")),
    ]
    .into_iter()
    .find_map(|library| whole_library(&library))?;
    Some(Rust {
        rustc: rustc.to_owned(),
        library,
        version,
        identity: text,
    })
}

/// The rustc that an entry of ours holds: `bin/rustc`, `library`, `from`.
fn provisioned(entry: &Path, probes: &mut Probes) -> Option<Rust> {
    let rustc = entry.join("bin/rustc");
    let from = std::fs::read_to_string(entry.join("from")).ok()?;
    let (version, text) = series_version(&rustc, probes)?;
    Some(Rust {
        library: whole_library(&entry.join("library"))?,
        identity: format!("{text}, {from}"),
        version,
        rustc,
    })
}

fn series_version(rustc: &Path, probes: &mut Probes) -> Option<(String, String)> {
    let text = probes.ask(rustc, &["--version"])?;
    let version = version_after(&text, "rustc")?;
    let of_series = version
        .strip_prefix(SERIES)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    of_series.then_some((version, text))
}

/// The folder itself, free of links, if it has what a kernel compiles.
fn whole_library(library: &Path) -> Option<PathBuf> {
    let whole = ["core/src/lib.rs", "alloc/src/lib.rs"]
        .iter()
        .all(|file| library.join(file).is_file());
    whole.then(|| std::fs::canonicalize(library).ok())?
}

/// True if the host's own package lists have the series, or if it is a Debian
/// that is known to and has no lists yet.
fn archive_has_it(host: &Host) -> bool {
    let listed = host.which("apt-cache").and_then(|apt_cache| {
        let packages = DEBIAN.map(|set| set[0]);
        let tool = Tool::new(apt_cache).arg("madison").args(packages);
        tool.output().ok()
    });
    let listed = listed.unwrap_or_default();
    let series = format!("| {SERIES}.");
    listed.contains(&series)
        || listed.trim().is_empty() && ["debian 12", "debian 13"].contains(&host.release().as_str())
}

/// The first set of packages that the archive has in the series, with the
/// version that all of them have.
fn choose(
    versions: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Option<([&'static str; 4], String)>> {
    let series = format!("{SERIES}.");
    for packages in DEBIAN {
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

/// Fetches and unpacks the archive's packages; false if it has none of the
/// series.
fn from_archive(apt: &Apt, staging: &Path, stage: &crate::ui::Stage<'_>) -> Result<bool> {
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

/// The folder below usr/lib that has rustc's own libraries: `x86_64-linux-gnu`.
fn multiarch(lib: &Path) -> Result<String> {
    std::fs::read_dir(lib)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .find(|name| name.ends_with("-linux-gnu"))
        .with_context(|| format!("rustc's packages left no libraries in {}", lib.display()))
}

/// Of rustc's sources a kernel compiles `library/` alone; the compiler's own
/// and its tests are four fifths of them.
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

fn from_rustup(session: &Session, host: &Host, staging: &Path) -> Result<()> {
    let Some(rustup) = host.which("rustup") else {
        return Err(Failure::machine(format!(
            "this machine has no rustc {SERIES}, its distribution none either, and there is no \
             rustup; install rustup (https://rustup.rs) and try again"
        ))
        .into());
    };
    let log = session.cache.folder("logs")?.join("rustup.log");
    rustup_install(&rustup, &staging.join("rustup")).run_logged(
        &format!("fetching rustc {RUSTUP_VERSION}"),
        &log,
        |_| {},
    )?;
    let Some(rustc) = toolchains_in(&staging.join("rustup")).pop() else {
        bail!(
            "rustup left no toolchain {RUSTUP_VERSION}; its log: {}",
            log.display()
        );
    };
    let toolchain = rustc
        .ancestors()
        .nth(2)
        .and_then(|toolchain| toolchain.strip_prefix(staging).ok())
        .context("rustup left an odd toolchain")?;
    finish(
        staging,
        &format!("exec \"$here/{}/bin/rustc\" \"$@\"", toolchain.display()),
        &toolchain.join("lib/rustlib/src/rust/library"),
        "rustup",
    )
}

/// Makes the parts that every entry has: the script `bin/rustc`, whose
/// settings reach rustc alone, the link `library` and the note `from`.
fn finish(staging: &Path, exec: &str, library: &Path, from: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let rustc = staging.join("bin/rustc");
    let script = format!("#!/bin/sh\nhere=${{0%/*}}/..\n{exec}\n");
    std::fs::write(&rustc, script)?;
    std::fs::set_permissions(&rustc, std::fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::symlink(library, staging.join("library"))?;
    std::fs::write(staging.join("from"), from)?;
    if whole_library(&staging.join("library")).is_none() {
        bail!("what was unpacked as {from} has no sources of core and alloc");
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
    fn debian_12_pins_the_older_of_two() -> Result<()> {
        let (packages, version) = choose(archive)?.context("nothing chosen")?;
        assert_eq!(packages[0], "rustc-web");
        assert_eq!(version, "1.85.0+dfsg3-1~deb12u3");
        Ok(())
    }

    #[test]
    fn debian_13_has_it_under_the_plain_names() -> Result<()> {
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
    fn sources_of_another_version_are_no_match() -> Result<()> {
        let torn = |package: &str| match package {
            "rust-web-src" => Ok(vec!["1.85.0+dfsg2-1".to_owned()]),
            _ => archive(package),
        };
        assert!(choose(torn)?.is_none());
        Ok(())
    }

    #[test]
    fn rustup_is_asked_for_the_pinned_toolchain_in_a_home_of_its_own() {
        let tool = rustup_install(Path::new("/bin/rustup"), Path::new("/c/staging/rustup"));
        assert_eq!(
            tool.quoted(),
            "/bin/rustup toolchain install 1.85.1 --profile minimal --component rust-src --no-self-update"
        );
    }
}
