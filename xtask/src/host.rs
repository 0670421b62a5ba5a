//! The host: the computer that kmodlab runs on.
//!
//! Everything that the environment decides is read once, here. The search for tools takes a
//! [`Host`], so that a test can describe a host instead of changing its own.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use crate::process::programs;

/// A host, as the search for tools sees it.
#[derive(Debug, Clone)]
pub struct Host {
    /// Folders of the search path, in order.
    pub path: Vec<PathBuf>,
    /// Root of the file system: `/`, or a test's folder.
    pub root: PathBuf,
    /// rustup's home, which has its toolchains.
    pub rustup_home: Option<PathBuf>,
    /// The cargo that runs xtask, if one does.
    pub cargo: Option<PathBuf>,
    /// True for the super-user.
    pub root_user: bool,
    /// True if the variable `CI` is set, so that nobody can answer a question.
    pub ci: bool,
    /// True if a user at a terminal can answer a question.
    pub terminal: bool,
}

impl Host {
    /// Returns the host that this program runs on.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from);
        let below_home = |name: &str, folder: &str| {
            variable(name)
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(folder)))
        };
        let mut path: Vec<PathBuf> =
            std::env::split_paths(&variable("PATH").unwrap_or_else(|| OsString::from("/usr/bin")))
                .collect();
        // cargo and rustup are often in this folder, which is not on the PATH of a script.
        path.extend(below_home("CARGO_HOME", ".cargo").map(|cargo| cargo.join("bin")));
        Self {
            path,
            root: PathBuf::from("/"),
            rustup_home: below_home("RUSTUP_HOME", ".rustup"),
            cargo: variable("CARGO")
                .map(PathBuf::from)
                .filter(|cargo| cargo.is_file()),
            root_user: rustix::process::geteuid().is_root(),
            ci: variable("CI").is_some(),
            terminal: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        }
    }

    /// Returns the cargo that runs xtask, or the first one on the search path.
    pub fn cargo(&self) -> Option<PathBuf> {
        self.cargo.clone().or_else(|| self.which("cargo"))
    }

    /// Returns the first program called `name` on the search path.
    pub fn which(&self, name: &str) -> Option<PathBuf> {
        self.all(name).next()
    }

    /// Returns all programs called `name` on the search path, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        programs(self.path.iter().cloned(), name)
    }

    /// Returns the path of the file with this absolute name on the host.
    pub fn at(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Returns the distribution and its version: `debian 12`; `linux` without an os-release file.
    pub fn release(&self) -> String {
        let text = std::fs::read_to_string(self.at("/etc/os-release")).unwrap_or_default();
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim_matches('"').to_owned())
        };
        match (field("ID="), field("VERSION_ID=")) {
            (Some(id), Some(version)) => format!("{id} {version}"),
            (Some(id), None) => id,
            (None, _) => "linux".to_owned(),
        }
    }
}

/// Returns true if `program` is one of rustup's proxies, whose output depends on the current folder
/// and the environment.
pub fn is_rustup_proxy(program: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(real) = std::fs::canonicalize(program) else {
        return false;
    };
    let rustup = program.with_file_name("rustup");
    real.file_name().is_some_and(|name| name == "rustup")
        || match (std::fs::metadata(&real), std::fs::metadata(rustup)) {
            (Ok(one), Ok(other)) => one.ino() == other.ino() && one.dev() == other.dev(),
            _ => false,
        }
}
