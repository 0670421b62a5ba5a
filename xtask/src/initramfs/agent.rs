//! Builds the agent (`initramfs/agent`), process 1 of every guest.
//!
//! It is an ordinary program for the host's own target, linked statically with glibc, whose
//! static library comes with the C compiler on Debian (`libc6-dev`). cargo compiles a copy of its
//! sources, in a workspace that has nothing else.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::{Parts, remove};
use crate::failure::Failure;
use crate::host::Host;
use crate::key::{Inputs, Key, files_below};
use crate::memo;
use crate::process::Tool;
use crate::session::Session;

/// The version of this recipe; a change of how the agent is built changes it.
pub(super) const KIND: &str = "agent 2";

/// The target of the build. Naming it keeps cargo from applying the flags of the agent to build
/// scripts and procedural macros, which cannot be linked statically.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The name of the package and of the program.
const PACKAGE: &str = "kmodlab-agent";

/// The packages that it consists of, as folders of the clone.
const MEMBERS: [&str; 2] = ["initramfs/agent", "xtask/protocol"];

/// Builds the agent, unless the cache has it, and returns the program's path.
///
/// # Errors
///
/// If there is no cargo, or the agent does not compile or link.
pub fn build(session: &Session) -> Result<PathBuf> {
    let root = session.workspace.root();
    let sources = sources(root)?;
    // A pack's agent needs no cargo.
    let known = |memo: &str| -> Result<Option<PathBuf>> {
        match memo::recall::<String>(&session.cache, memo) {
            Some(compiler) => {
                let key = key(&sources, &compiler);
                session.cache.find("agent", PACKAGE, &key, Parts::All)
            }
            None => Ok(None),
        }
    };
    if let Some(agent) = known(&memo_name(&sources.key()))? {
        return Ok(agent);
    }
    let built = built_memo_name(&sources.key());
    let Some(cargo) = Host::from_env().cargo() else {
        // A shared cache that another user's runs have filled.
        return known(&built)?.ok_or_else(|| {
            Failure::host("there is no cargo to compile the guest's agent with; install rustup (https://rustup.rs)")
                .into()
        });
    };
    let compiler = version_of(&cargo, root)?;
    let key = key(&sources, &compiler);
    let entry = session.cache.entry("agent", PACKAGE, &key, |staging| {
        let stage = session.ui.stage("agent");
        stage.begin("compiling the guest's agent", 0);
        let folder = session.cache.work_folder(PACKAGE)?;
        let workspace = folder.path();
        copy_sources(root, workspace)?;
        cargo_build(&cargo, workspace).run_logged(
            "compiling the guest's agent (Debian: apt-get install libc6-dev; Fedora: dnf install \
             glibc-static)",
            &workspace.join("build.log"),
            |line| stage.tool_line(line),
        )?;
        let program = workspace
            .join("target")
            .join(TARGET)
            .join("agent")
            .join(PACKAGE);
        std::fs::copy(&program, staging)
            .with_context(|| format!("cannot copy {}", program.display()))?;
        stage.done(false, "static, process 1 of the guests");
        Ok(())
    })?;
    if !entry.cached {
        memo::remember(&session.cache, &built, &compiler)?;
    }
    Ok(entry.path)
}

/// Returns the version of the compiler with which [`build`] builds the agent, or has built it.
///
/// # Errors
///
/// Fails if the host lacks cargo, or if a source cannot be read.
pub fn compiler(session: &Session) -> Result<String> {
    let root = session.workspace.root();
    let packed = memo::recall(&session.cache, &memo_name(&sources(root)?.key()));
    match (packed, Host::from_env().cargo()) {
        (Some(packed), _) => Ok(packed),
        (None, Some(cargo)) => version_of(&cargo, root),
        (None, None) => Err(Failure::host(
            "cargo is missing on this host; install rustup (https://rustup.rs)",
        )
        .into()),
    }
}

/// Remembers the version of the compiler with which a pack's agent was built: the agent in the
/// cache is used from then on, whatever compiler the host has.
///
/// # Errors
///
/// Fails if a source cannot be read, or if the cache cannot be written.
pub fn remember_compiler(session: &Session, compiler: &str) -> Result<()> {
    let name = memo_name(&sources(session.workspace.root())?.key());
    memo::remember(&session.cache, &name, &compiler)
}

/// Returns the name of the answer for the agent of a pack.
fn memo_name(sources: &Key) -> String {
    format!("agent-{sources}")
}

/// Returns the name of the answer for the agent that was built last.
fn built_memo_name(sources: &Key) -> String {
    format!("built-agent-{sources}")
}

fn version_of(cargo: &Path, root: &Path) -> Result<String> {
    // In the workspace, where a toolchain file of the user's counts.
    Tool::new(cargo).args(["-vV"]).current_dir(root).output()
}

/// Returns the inputs of the agent except the compiler.
fn sources(root: &Path) -> Result<Inputs> {
    let mut inputs = Inputs::new(KIND);
    inputs
        .tree("agent", &root.join(MEMBERS[0]))?
        .tree("protocol", &root.join(MEMBERS[1]))?
        .file("workspace", &root.join("Cargo.toml"))?
        .file("versions", &root.join("Cargo.lock"))?;
    Ok(inputs)
}

fn key(sources: &Inputs, compiler: &str) -> Key {
    sources.clone().text("cargo", compiler).key()
}

/// Copies the sources of the agent and its protocol into `workspace`.
fn copy_sources(root: &Path, workspace: &Path) -> Result<()> {
    for member in MEMBERS {
        let target = workspace.join(member);
        remove(&target)?;
        for file in files_below(&root.join(member))? {
            let target = target.join(file.strip_prefix(root.join(member))?);
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            copy(&file, &target)?;
        }
    }
    copy(&root.join("Cargo.lock"), &workspace.join("Cargo.lock"))?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))
        .with_context(|| format!("cannot read {}", root.join("Cargo.toml").display()))?;
    let target = workspace.join("Cargo.toml");
    std::fs::write(&target, manifest_of(&manifest)?)
        .with_context(|| format!("cannot write {}", target.display()))
}

/// Returns the manifest of the clone's workspace without its other members.
fn manifest_of(manifest: &str) -> Result<String> {
    let mut manifest: toml::Table = manifest.parse().context("Cargo.toml is not TOML")?;
    let workspace = manifest
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut);
    let members = MEMBERS.map(toml::Value::from).to_vec();
    workspace
        .context("Cargo.toml is not a workspace")?
        .insert("members".to_owned(), members.into());
    toml::to_string(&manifest).context("cannot write Cargo.toml")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Returns cargo's command line. The program has no path of this host in it, so that it is the
/// same on every host with the same compiler.
fn cargo_build(cargo: &Path, workspace: &Path) -> Tool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Crelocation-model=static".to_owned(),
        format!(
            "--remap-path-prefix={}=/cargo",
            home.unwrap_or_default().display()
        ),
        format!("--remap-path-prefix={}=/kmodlab", workspace.display()),
    ];
    Tool::new(cargo)
        .args(["build", "--profile", "agent", "--package", PACKAGE])
        .args(["--target", TARGET, "--target-dir"])
        .arg(workspace.join("target"))
        .current_dir(workspace)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_of_the_agent_has_two_members_and_the_same_profiles() -> Result<()> {
        let manifest = manifest_of(
            "[workspace]\nmembers = [\"xtask\"]\nresolver = \"3\"\n[profile.agent]\nlto = \"fat\"\n",
        )?;
        let manifest: toml::Table = manifest.parse()?;
        let workspace = manifest["workspace"].as_table().context("a workspace")?;
        assert_eq!(workspace["members"].as_array().map(Vec::len), Some(2));
        assert_eq!(workspace["resolver"].as_str(), Some("3"));
        assert_eq!(manifest["profile"]["agent"]["lto"].as_str(), Some("fat"));
        assert!(manifest_of("[package]\n").is_err());
        Ok(())
    }
}
