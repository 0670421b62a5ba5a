//! rustc 1.85 with the sources of its library: the host's own one, else one from Debian's archive
//! in a private folder, else one from rustup.

mod archive;
mod rustup;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{ToolAnswers, version_after};
use crate::apt::Apt;
use crate::cache::{Cache, Parts, remove};
use crate::failure::Failure;
use crate::host::{Host, is_rustup_proxy};
use crate::key::{Inputs, Key};
use crate::session::Session;

/// Series of rustc that builds kernels, with any patch level.
pub const SERIES: &str = "1.85";

/// Parts of a rustc in the cache that show that it is there. The check of its 1,800 files comes
/// before something is compiled ([`crate::pipeline`]).
const PARTS: Parts<'_> = Parts::Of(&["bin", "from", "library"]);

/// A rustc with the sources of its library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustCompiler {
    /// Path of rustc, or of a script that runs it.
    pub rustc: PathBuf,
    /// Folder `library/` of the sources, as a path without symbolic links.
    pub library: PathBuf,
    /// Version: `1.85.0`.
    pub version: String,
    /// Output of `rustc --version`, and the origin of a rustc in the cache.
    pub identity: String,
}

/// The way in which a rustc is available.
#[derive(Debug, PartialEq, Eq)]
pub enum RustAvailability {
    /// Installed on the host or in the cache.
    Installed(RustCompiler),
    /// Fetchable without root; the text names the origin.
    Fetchable(String),
    /// Not available.
    Unavailable,
}

/// Returns the host's own rustc, or one that is in the cache.
pub fn find(host: &Host, cache: &Cache, answers: &mut ToolAnswers) -> Option<RustCompiler> {
    let own = host
        .all("rustc")
        .chain([host.at("/usr/bin/rustc")])
        .filter(|rustc| rustc.is_file() && !is_rustup_proxy(rustc));
    let rustup = rustup_toolchains(host);
    for rustc in own.chain(rustup) {
        if let Some(rust) = examine(host, &rustc, answers) {
            return Some(rust);
        }
    }
    let entry = cache.find("toolchain", &name(), &key(host), PARTS);
    provisioned(&entry.ok().flatten()?, answers)
}

/// Returns the way in which [`provision`] would get a rustc.
pub fn availability(host: &Host, cache: &Cache, answers: &mut ToolAnswers) -> RustAvailability {
    if let Some(rust) = find(host, cache, answers) {
        return RustAvailability::Installed(rust);
    }
    if host.which("apt-get").is_some() && archive::has_it(host) {
        return RustAvailability::Fetchable(
            "from Debian's archive into the cache folder".to_owned(),
        );
    }
    if host.which("rustup").is_some() {
        return RustAvailability::Fetchable(format!(
            "by rustup ({}) into the cache folder",
            rustup::VERSION
        ));
    }
    RustAvailability::Unavailable
}

/// Returns the rustc on the host or in the cache; fetches one into the cache if there is none.
///
/// # Errors
///
/// Fails if no rustc of the series can be fetched, or if the fetched one does not run.
pub fn provision(
    session: &Session,
    host: &Host,
    answers: &mut ToolAnswers,
) -> Result<RustCompiler> {
    if let Some(rust) = find(host, &session.cache, answers) {
        return Ok(rust);
    }
    let stage = session.ui.stage("rust");
    let entry = session
        .cache
        .entry("toolchain", &name(), &key(host), |staging| {
            std::fs::create_dir_all(staging.join("bin"))?;
            if host.which("apt-get").is_some()
                && let Some(apt) = Apt::private(&session.cache)?
            {
                stage.begin("searching Debian's archive for rustc 1.85", 6);
                match archive::fetch(&apt, staging, &stage) {
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
            stage.begin(&format!("rustup toolchain install {}", rustup::VERSION), 0);
            rustup::fetch(session, host, staging)
        })
        .context(format!("no rustc {SERIES} with its sources"))?;
    let rust = provisioned(&entry.path, answers).with_context(|| {
        Failure::host(format!(
            "rustc in {} does not run; remove that folder and try again; \
             `{} doctor` shows whether libLLVM's package (llvm 19) is installed",
            entry.path.display(),
            crate::program::name()
        ))
    })?;
    stage.done(entry.cached, rust.version.clone());
    Ok(rust)
}

fn name() -> String {
    format!("rust-{SERIES}")
}

/// Returns the key of a rustc in the cache, whose inputs are the recipe, the distribution and the
/// names of the packages. A new revision of a package in the archive does not change it.
fn key(host: &Host) -> Key {
    let mut inputs = Inputs::new("rust 1");
    inputs.text("release", host.release());
    inputs.text("rustup", rustup::VERSION);
    for packages in archive::PACKAGES {
        inputs.text("packages", packages.join(" "));
    }
    inputs.key()
}

/// Returns the rustc of every installed rustup toolchain of the series.
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

/// Returns a rustc of the host, if it is of the series and has its sources.
fn examine(host: &Host, rustc: &Path, answers: &mut ToolAnswers) -> Option<RustCompiler> {
    let (version, text) = series_version(rustc, answers)?;
    let sysroot = answers.ask(rustc, &["--print", "sysroot"])?;
    let library = [
        Path::new(&sysroot).join("lib/rustlib/src/rust/library"),
        host.at(&format!("/usr/src/rustc-{version}/library")),
    ]
    .into_iter()
    .find_map(|library| whole_library(&library))?;
    Some(RustCompiler {
        rustc: rustc.to_owned(),
        library,
        version,
        identity: text,
    })
}

/// Returns the rustc of a cache entry, which has `bin/rustc`, `library` and `from`.
fn provisioned(entry: &Path, answers: &mut ToolAnswers) -> Option<RustCompiler> {
    let rustc = entry.join("bin/rustc");
    let from = std::fs::read_to_string(entry.join("from")).ok()?;
    let (version, text) = series_version(&rustc, answers)?;
    Some(RustCompiler {
        library: whole_library(&entry.join("library"))?,
        identity: format!("{text}, {from}"),
        version,
        rustc,
    })
}

fn series_version(rustc: &Path, answers: &mut ToolAnswers) -> Option<(String, String)> {
    let text = answers.ask(rustc, &["--version"])?;
    let version = version_after(&text, "rustc")?;
    let of_series = version
        .strip_prefix(SERIES)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    of_series.then_some((version, text))
}

/// Returns the folder as a path without symbolic links, if it has the crates that a kernel
/// compiles.
fn whole_library(library: &Path) -> Option<PathBuf> {
    let whole = ["core/src/lib.rs", "alloc/src/lib.rs"]
        .iter()
        .all(|file| library.join(file).is_file());
    whole.then(|| std::fs::canonicalize(library).ok())?
}

/// Makes the files of a cache entry: the script `bin/rustc`, so that its variables apply to rustc
/// alone, the link `library`, and the file `from` with the origin.
fn finish(staging: &Path, exec: &str, library: &Path, from: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let rustc = staging.join("bin/rustc");
    let script = format!("#!/bin/sh\nhere=${{0%/*}}/..\n{exec}\n");
    std::fs::write(&rustc, script)?;
    std::fs::set_permissions(&rustc, std::fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::symlink(library, staging.join("library"))?;
    std::fs::write(staging.join("from"), from)?;
    if whole_library(&staging.join("library")).is_none() {
        bail!("{from} does not contain the sources of core and alloc");
    }
    Ok(())
}
