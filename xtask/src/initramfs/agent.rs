//! Builds the agent (`initramfs/agent`), process 1 of every guest.
//!
//! It is an ordinary program for the host's own target, linked statically with glibc, whose
//! static library comes with the C compiler on Debian (`libc6-dev`).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::host::Host;
use crate::key::Inputs;
use crate::process::Tool;
use crate::session::Session;

/// The version of this recipe; a change of how the agent is built changes it.
const KIND: &str = "agent 1";

/// The target of the build. Naming it keeps cargo from applying the flags of the agent to build
/// scripts and procedural macros, which cannot be linked statically.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The name of the package and of the program.
const PACKAGE: &str = "kmodlab-agent";

/// Builds the agent, unless the cache has it, and returns the program's path.
///
/// # Errors
///
/// If there is no cargo, or the agent does not compile or link.
pub fn build(session: &Session) -> Result<PathBuf> {
    let root = session.workspace.root();
    let cargo = Host::from_env().cargo().ok_or_else(|| {
        Failure::host("there is no cargo to compile the guest's agent with; install rustup (https://rustup.rs)")
    })?;
    // In the workspace, where a toolchain file of the user's counts.
    let version = Tool::new(&cargo).args(["-vV"]).current_dir(root).output()?;
    let mut inputs = Inputs::new(KIND);
    inputs
        .text("cargo", version)
        .tree("agent", &root.join("initramfs/agent"))?
        .tree("protocol", &root.join("xtask/protocol"))?
        .file("workspace", &root.join("Cargo.toml"))?
        .file("versions", &root.join("Cargo.lock"))?;
    let entry = session.cache.entry("agent", PACKAGE, &inputs.key(), |staging| {
        let stage = session.ui.stage("agent");
        stage.begin("compiling the guest's agent", 0);
        let folder = session.cache.work_folder(PACKAGE)?;
        let log = folder.path().join("build.log");
        cargo_build(&cargo, root, folder.path()).run_logged(
            "compiling the guest's agent (Debian: apt-get install libc6-dev; Fedora: dnf install glibc-static)",
            &log,
            |line| stage.tool_line(line),
        )?;
        let program = folder.path().join(TARGET).join("agent").join(PACKAGE);
        std::fs::copy(&program, staging)
            .with_context(|| format!("cannot copy {}", program.display()))?;
        stage.done(false, "static, process 1 of the guests");
        Ok(())
    })?;
    Ok(entry.path)
}

/// Returns cargo's command line. The program has no path of this host in it, so that it is the
/// same on every host with the same compiler.
fn cargo_build(cargo: &Path, root: &Path, target_folder: &Path) -> Tool {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || {
            std::env::var_os("HOME")
                .map(|home| PathBuf::from(home).join(".cargo"))
                .unwrap_or_default()
        },
        PathBuf::from,
    );
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Crelocation-model=static".to_owned(),
        format!("--remap-path-prefix={}=/cargo", home.display()),
        format!("--remap-path-prefix={}=/kmodlab", root.display()),
    ];
    Tool::new(cargo)
        .args([
            "build",
            "--locked",
            "--profile",
            "agent",
            "--package",
            PACKAGE,
        ])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_folder)
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
}
