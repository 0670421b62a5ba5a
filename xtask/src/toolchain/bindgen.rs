//! bindgen, which generates Rust declarations from the kernel's C headers. The version is exact,
//! because its output becomes part of the kernel.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{ToolAnswers, version_after};
use crate::cache::{Cache, Parts, remove};
use crate::failure::Failure;
use crate::host::Host;
use crate::key::{Inputs, Key};
use crate::process::Tool;
use crate::session::Session;

/// Version that works for 6.7 and 6.12.
pub const VERSION: &str = "0.71.1";

/// Number of crates that bindgen-cli consists of, for the progress bar.
const CRATES: u64 = 46;

/// Settings of the profile. On 2 cores, an optimised bindgen takes 70 s longer to compile, and saves
/// 9 s of the bindings of Linux 6.12.
const UNOPTIMISED: [&str; 2] = ["profile.release.opt-level=0", "profile.release.strip=true"];

/// Variables of the user's own cargo projects, which must not influence this build.
const FOREIGN: [&str; 11] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_RUSTC",
    "CARGO_INSTALL_ROOT",
    "CARGO_MANIFEST_DIR",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// Returns a bindgen of exactly this version from the search path or the cache.
pub fn find(host: &Host, cache: &Cache, answers: &mut ToolAnswers) -> Option<PathBuf> {
    // A damaged one is not found, and compiled anew.
    let entry = cache.find("toolchain", &name(), &key(host), Parts::All);
    let own = entry.ok().flatten().map(|entry| entry.join("bin/bindgen"));
    host.all("bindgen")
        .chain(own)
        .filter(|bindgen| bindgen.is_file())
        .find(|bindgen| version(bindgen, answers).as_deref() == Some(VERSION))
}

/// Returns the version and the path of the bindgen on the search path, whatever its version.
pub fn other(host: &Host, answers: &mut ToolAnswers) -> Option<(String, PathBuf)> {
    let bindgen = host.which("bindgen")?;
    Some((version(&bindgen, answers)?, bindgen))
}

/// Returns the bindgen on the host or in the cache; compiles it into the cache if there is none.
///
/// # Errors
///
/// Fails if there is no cargo, or if bindgen does not compile.
pub fn provision(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Result<PathBuf> {
    if let Some(bindgen) = find(host, &session.cache, answers) {
        return Ok(bindgen);
    }
    let stage = session.ui.stage("bindgen");
    let cargo = host.cargo().ok_or_else(|| {
        Failure::host(format!(
            "there is no cargo to compile bindgen {VERSION} with; install rustup (https://rustup.rs)"
        ))
    })?;
    let entry = session
        .cache
        .entry("toolchain", &name(), &key(host), |staging| {
            stage.begin(&format!("compiling bindgen {VERSION}"), CRATES);
            std::fs::create_dir_all(staging)?;
            let log = session.cache.folder("logs")?.join("bindgen.log");
            let mut compiled = 0;
            install(&cargo, staging).run_logged(
                &format!("compiling bindgen {VERSION}"),
                &log,
                |line| {
                    stage.tool_line(line);
                    let line = line.trim_start();
                    if line.starts_with("Compiling ") {
                        compiled += 1;
                        stage.position(compiled);
                        stage.message(line);
                    }
                },
            )?;
            remove(&staging.join("target"))
        })
        .context(format!("no bindgen {VERSION}"))?;
    let bindgen = entry.path.join("bin/bindgen");
    if version(&bindgen, answers).as_deref() != Some(VERSION) {
        bail!("{} is not bindgen {VERSION}", bindgen.display());
    }
    stage.done(entry.cached, VERSION);
    Ok(bindgen)
}

/// Returns the command line of `cargo install` into `root`, without the settings of the user's
/// projects: it runs in a folder without a configuration, and without their variables.
fn install(cargo: &Path, root: &Path) -> Tool {
    let tool = Tool::new(cargo)
        .args(["install", "bindgen-cli", "--version", VERSION, "--locked"])
        .arg("--root")
        .arg(root)
        .arg("--target-dir")
        .arg(root.join("target"))
        .args(UNOPTIMISED.iter().flat_map(|setting| ["--config", setting]))
        .current_dir(root);
    FOREIGN
        .iter()
        .fold(tool, |tool, name| tool.env_remove(name))
}

fn name() -> String {
    format!("bindgen-{VERSION}")
}

/// Returns the key of bindgen's inputs. The distribution is one, because the program is linked
/// with its libc.
fn key(host: &Host) -> Key {
    Inputs::new("bindgen 1")
        .text("version", VERSION)
        .text("release", host.release())
        .key()
}

fn version(bindgen: &Path, answers: &mut ToolAnswers) -> Option<String> {
    version_after(&answers.ask(bindgen, &["--version"])?, "bindgen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_installs_the_pinned_version_from_its_own_lock_file() {
        assert_eq!(
            install(Path::new("/bin/cargo"), Path::new("/c/s")).quoted(),
            "/bin/cargo install bindgen-cli --version 0.71.1 --locked --root /c/s --target-dir /c/s/target \
             --config 'profile.release.opt-level=0' --config 'profile.release.strip=true'"
        );
    }
}
