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

/// Variables of the environment that stay.
const KEPT: [&str; 14] = [
    "PATH",
    "LANG",
    "TERM",
    "NO_COLOR",
    "CLASSROOM",
    "ASSIGNMENT",
    "MODE",
    "OWNER",
    "GITHUB_ACTOR",
    "SUBMISSION_TAG",
    "SUBMISSION_DATETIME",
    "COMMIT_URL",
    "RELEASE_URL",
    "REVIEW_URL",
];

/// The folders that a grader in a container sees besides those of the system and of kmodlab.
#[derive(Debug, Clone, Copy)]
pub struct GradingSandbox<'a> {
    /// The folder of results.
    pub writable: &'a Path,
    /// The course and the submissions.
    pub readable: &'a [&'a Path],
}

/// Replaces this process by one in a container, with the same arguments but `--sandbox`.
///
/// # Errors
///
/// Fails with the host's fault if there is no bubblewrap, and if it cannot be started.
pub fn enter(sandbox: &GradingSandbox<'_>) -> Result<ExitCode> {
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
fn words(sandbox: &GradingSandbox<'_>, own: &[OsString]) -> Result<Vec<OsString>> {
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
    for path in rust_of_host() {
        words.add(["--ro-bind-try".as_ref(), path.as_os_str(), path.as_os_str()]);
    }
    for path in sandbox.readable {
        words.bind("--ro-bind", &absolute(path)?);
    }
    words.bind("--ro-bind", &cache);
    words.bind("--bind", &absolute(sandbox.writable)?);
    words.add(["--remount-ro", "/", "--chdir"]);
    words.add([&here]);
    words.add(["--clearenv"]);
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            words.add(["--setenv".as_ref(), name.as_ref(), value.as_os_str()]);
        }
    }
    words.add(["--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp"]);
    words.add(["--setenv", "KMODLAB_CACHE_LIMIT", "none"]);
    if let [_, rustup] = &rust_of_host()[..] {
        words.add([
            "--setenv".as_ref(),
            "RUSTUP_HOME".as_ref(),
            rustup.as_os_str(),
        ]);
    }
    let variables = [("KMODLAB_CACHE", &cache), ("KMODLAB_WORKSPACE", &workspace)];
    for (name, path) in variables {
        words.add(["--setenv".as_ref(), name.as_ref(), path.as_os_str()]);
    }
    words.add(["--"]);
    words.add([&program]);
    words.add(own);
    Ok(words.0)
}

/// Returns the folders of rustup: the guest's agent is for a version of the host's compiler. `bin` has
/// the programs; its parent may have a key of crates.io.
fn rust_of_host() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let folder = |name: &str, default: &str| {
        let set = std::env::var_os(name).map(PathBuf::from);
        set.or_else(|| home.as_ref().map(|home| home.join(default)))
    };
    let bin = folder("CARGO_HOME", ".cargo").map(|folder| folder.join("bin"));
    bin.into_iter()
        .chain(folder("RUSTUP_HOME", ".rustup"))
        .collect()
}

/// The words of a command line.
#[derive(Debug, Default)]
struct Words(Vec<OsString>);

impl Words {
    fn add(&mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        let words = words.into_iter();
        self.0.extend(words.map(|word| word.as_ref().to_owned()));
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
