//! The container of a grader: bubblewrap starts this program again, with the same arguments, where
//! it has no network, no /dev/kvm, no capabilities, and no writable folder but that of the results.
//!
//! The cache is read-only: a compiler or a QEMU that a submission takes over can change neither the
//! kernel nor the results of others. New modules go to a cache in memory.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::formats::CLASSROOM50_VARIABLES;
use crate::cache::Cache;
use crate::failure::Failure;
use crate::process::which;
use crate::workspace::Workspace;

/// bubblewrap's program.
const BWRAP: &str = "bwrap";

/// Folders and files of the system that compilers and QEMU read; those that do not exist are left
/// out.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    // Results in the cache are for a distribution.
    "/etc/os-release",
];

/// Variables of the environment that stay, with those that a format of results needs.
const KEPT: [&str; 4] = ["PATH", "LANG", "TERM", "NO_COLOR"];

/// The folders that a grader in a container sees besides those of the system and of kmodlab.
#[derive(Debug)]
pub struct GradingSandbox {
    /// The folder of results.
    pub writable: PathBuf,
    /// The course and the submissions.
    pub readable: Vec<PathBuf>,
}

/// Replaces this process by one in a container, with the same arguments but `--sandbox`.
///
/// # Errors
///
/// Fails with the host's fault if there is no bubblewrap, and if it cannot be started.
pub fn enter(sandbox: &GradingSandbox) -> Result<ExitCode> {
    let bwrap = which(BWRAP).context(Failure::host(
        "--sandbox: there is no bwrap; install the package bubblewrap",
    ))?;
    let own = std::env::args_os().skip(1);
    let own = own.filter(|arg| arg != OsStr::new("--sandbox"));
    let own = own.collect::<Vec<OsString>>();
    let error = Command::new(bwrap).args(words(sandbox, &own)?).exec();
    Err(error).context("cannot run bwrap")
}

/// Returns bubblewrap's arguments.
fn words(sandbox: &GradingSandbox, own: &[OsString]) -> Result<Vec<OsString>> {
    let absolute = |path: &Path| -> Result<PathBuf> {
        path.canonicalize()
            .with_context(|| Failure::usage(format!("cannot find {}", path.display())))
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let workspace = Workspace::find()?.root().to_owned();
    let cache = absolute(Cache::from_env()?.root())?;
    let here = std::env::current_dir().context("cannot find the current folder")?;
    let mut words = Words::default();
    words.add(["--unshare-all", "--die-with-parent", "--new-session"]);
    words.add(["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]);
    words.add(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    for path in SYSTEM {
        words.add(["--ro-bind-try", path, path]);
    }
    words.add(["--dir".as_ref(), here.as_os_str()]);
    words.bind("--ro-bind", &program);
    words.bind("--ro-bind", &workspace);
    let rust = HostRust::from_env();
    for path in rust.programs.iter().chain(&rust.toolchains) {
        words.bind("--ro-bind-try", path);
    }
    for path in &sandbox.readable {
        words.bind("--ro-bind", &absolute(path)?);
    }
    words.bind("--ro-bind", &cache);
    words.bind("--bind", &absolute(&sandbox.writable)?);
    words.add(["--remount-ro", "/", "--chdir"]);
    words.add([&here]);
    words.add(["--clearenv"]);
    for name in KEPT.into_iter().chain(CLASSROOM50_VARIABLES) {
        if let Some(value) = std::env::var_os(name) {
            words.set(name, value);
        }
    }
    words.set("HOME", "/tmp");
    words.set("TMPDIR", "/tmp");
    words.set("KMODLAB_CACHE", &cache);
    words.set("KMODLAB_CACHE_LIMIT", "none");
    words.set("KMODLAB_WORKSPACE", &workspace);
    if let Some(toolchains) = &rust.toolchains {
        words.set("RUSTUP_HOME", toolchains);
    }
    words.add(["--"]);
    words.add([&program]);
    words.add(own);
    Ok(words.0)
}

/// The host's rustup: the guest's agent is for a version of the host's compiler.
struct HostRust {
    /// `bin` of rustup's folder, whose parent may have a key of crates.io.
    programs: Option<PathBuf>,
    toolchains: Option<PathBuf>,
}

impl HostRust {
    fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let in_home = |name: &str| variable("HOME").map(|home| home.join(name));
        let cargo = variable("CARGO_HOME").or_else(|| in_home(".cargo"));
        Self {
            programs: cargo.map(|cargo| cargo.join("bin")),
            toolchains: variable("RUSTUP_HOME").or_else(|| in_home(".rustup")),
        }
    }
}

/// The words of a command line.
#[derive(Debug, Default)]
struct Words(Vec<OsString>);

impl Words {
    fn add(&mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        let words = words.into_iter();
        self.0.extend(words.map(|word| word.as_ref().to_owned()));
    }

    /// Sets a variable of the environment.
    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.add(["--setenv".as_ref(), name.as_ref(), value.as_ref()]);
    }

    /// Adds a path under its own name.
    fn bind(&mut self, how: &str, path: &Path) {
        self.add([how.as_ref(), path.as_os_str(), path.as_os_str()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_has_the_paths_own_name() {
        let mut words = Words::default();
        words.bind("--ro-bind", Path::new("/a b"));
        assert_eq!(words.0, ["--ro-bind", "/a b", "/a b"]);
    }
}
