//! bindgen, which reads the kernel's C headers for Rust: one exact version,
//! since what it writes is compiled into the kernel.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{ToolAnswers, version_after};
use super::host::Host;
use crate::cache::{Cache, remove};
use crate::failure::Failure;
use crate::key::{Inputs, Key};
use crate::process::Tool;
use crate::session::Session;

/// The version that reads 6.7 and 6.12 alike.
pub const VERSION: &str = "0.71.1";

/// How many crates bindgen-cli is made of, for the progress bar.
const CRATES: u64 = 46;

/// Settings of the user's own cargo projects that must not reach this build.
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

/// The bindgen that is there already: on the search path in exactly this
/// version, or an earlier one of ours.
pub fn find(host: &Host, cache: &Cache, answers: &mut ToolAnswers) -> Option<PathBuf> {
    let own = cache
        .path("toolchain", &name(), &key(host))
        .join("bin/bindgen");
    host.all("bindgen")
        .chain([own])
        .filter(|bindgen| bindgen.is_file())
        .find(|bindgen| version(bindgen, answers).as_deref() == Some(VERSION))
}

/// The version of a bindgen on the search path, whichever it is.
pub fn other(host: &Host, answers: &mut ToolAnswers) -> Option<(String, PathBuf)> {
    let bindgen = host.which("bindgen")?;
    Some((version(&bindgen, answers)?, bindgen))
}

/// The cargo that compiles it: the host's.
pub fn cargo(host: &Host) -> Option<PathBuf> {
    host.cargo.clone().or_else(|| host.which("cargo"))
}

/// The bindgen there is, or one that cargo compiles into the cache.
pub fn provision(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Result<PathBuf> {
    if let Some(bindgen) = find(host, &session.cache, answers) {
        return Ok(bindgen);
    }
    let stage = session.ui.stage("bindgen");
    let cargo = cargo(host).ok_or_else(|| {
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

/// `cargo install` into `root`, untouched by the settings of a project: it
/// runs in a folder that has none, with the variables of none.
fn install(cargo: &Path, root: &Path) -> Tool {
    let tool = Tool::new(cargo)
        .args(["install", "bindgen-cli", "--version", VERSION, "--locked"])
        .arg("--root")
        .arg(root)
        .arg("--target-dir")
        .arg(root.join("target"))
        .current_dir(root);
    FOREIGN
        .iter()
        .fold(tool, |tool, name| tool.env_remove(name))
}

fn name() -> String {
    format!("bindgen-{VERSION}")
}

/// The distribution is part of it: the program is linked against its libc.
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
            "/bin/cargo install bindgen-cli --version 0.71.1 --locked --root /c/s --target-dir /c/s/target"
        );
    }
}
