//! The machine that builds: where programs are looked for, and who asks.
//!
//! Everything that the environment decides is read once, here. Detection
//! takes a [`Host`], so a test describes a machine instead of changing its own.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use crate::process::programs;

/// A machine as detection sees it.
#[derive(Debug, Clone)]
pub struct Host {
    /// The folders that programs are looked for in, in order.
    pub path: Vec<PathBuf>,
    /// Where the file system begins: `/`, or a test's folder.
    pub root: PathBuf,
    /// Where rustup keeps its toolchains.
    pub rustup_home: Option<PathBuf>,
    /// The cargo that runs xtask, where one does.
    pub cargo: Option<PathBuf>,
    /// True for the super-user.
    pub root_user: bool,
    /// True if the variable `CI` is set: nobody is there to answer.
    pub ci: bool,
    /// True if somebody at a terminal can answer.
    pub terminal: bool,
}

impl Host {
    /// This machine.
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
        // cargo and rustup are often here and not on the PATH of a script.
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

    /// Where the program `name` is, by the search path.
    pub fn which(&self, name: &str) -> Option<PathBuf> {
        self.all(name).next()
    }

    /// Every program of that `name` on the search path, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        programs(self.path.iter().cloned(), name)
    }

    /// The path of an absolute name on this machine.
    pub fn at(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The distribution and its version, as `debian 12`; `linux` if
    /// os-release says nothing.
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

/// True if `program` is one of rustup's stand-ins, whose answer depends on
/// the folder and the environment it is called in.
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
