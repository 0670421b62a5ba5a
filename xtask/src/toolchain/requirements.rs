//! The requirements of a build and whether the host meets them, for `cargo xtask doctor`.

use std::path::PathBuf;

use super::answers::ToolAnswers;
use super::bindgen;
use super::packages::PackageManager;
use super::rust::{self, RustAvailability};
use super::system::{Detected, Package, SystemTools};
use crate::host::Host;
use crate::session::Session;

/// The state of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequirementState {
    /// The host meets it.
    Met,
    /// A build will meet it by itself, without root.
    Later,
    /// A build would stop or ask.
    Unmet,
}

/// A requirement of a build: one line of the doctor's table.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Name of the required tool.
    pub tool: String,
    /// Version of the tool, or the unusable tool that the host has instead, or the way in which
    /// a build will get the tool.
    pub found: String,
    /// Path of the tool.
    pub path: Option<PathBuf>,
    /// State of the requirement.
    pub state: RequirementState,
    /// Command that meets the requirement.
    pub fix: Option<String>,
    /// The distribution's package that meets the requirement.
    pub package: Option<&'static Package>,
}

impl Requirement {
    fn met(tool: String, found: String, path: PathBuf) -> Self {
        Self {
            tool,
            found,
            path: Some(path),
            state: RequirementState::Met,
            fix: None,
            package: None,
        }
    }

    fn later(tool: String, how: String) -> Self {
        Self {
            tool,
            found: how,
            path: None,
            state: RequirementState::Later,
            fix: None,
            package: None,
        }
    }

    fn unmet(tool: String, found: String, fix: &str) -> Self {
        Self {
            tool,
            found,
            path: None,
            state: RequirementState::Unmet,
            fix: Some(fix.to_owned()),
            package: None,
        }
    }
}

/// Advice to install rustup, which fetches rustc and brings the cargo that compiles bindgen.
const GET_RUSTUP: &str = "install rustup: https://rustup.rs";

/// Returns the requirements, and whether this host meets them; installs nothing.
pub fn requirements(session: &Session) -> Vec<Requirement> {
    requirements_on(session, &Host::from_env())
}

/// Returns the requirements as [`requirements`], for a given host.
pub fn requirements_on(session: &Session, host: &Host) -> Vec<Requirement> {
    let mut answers = match ToolAnswers::load(&session.cache) {
        Ok(answers) => answers,
        Err(error) => {
            let tool = "cache folder".to_owned();
            let fix = "export KMODLAB_CACHE=FOLDER, with a folder that can be written";
            return vec![Requirement::unmet(tool, format!("{error:#}"), fix)];
        }
    };
    let system = SystemTools::find(host, &mut answers);
    let mut requirements: Vec<Requirement> = system
        .found
        .iter()
        .map(|(package, found)| system_requirement(host, package, found))
        .collect();
    requirements.push(rust_requirement(session, host, &mut answers));
    requirements.push(bindgen_requirement(session, host, &mut answers));
    // Answers that cannot be saved are asked for again.
    let _ = answers.save();
    requirements
}

/// Returns the command line that installs the packages for all unmet `requirements`.
pub fn install_all(requirements: &[Requirement]) -> Option<String> {
    let host = Host::from_env();
    let packages: Vec<&Package> = requirements
        .iter()
        .filter_map(|requirement| requirement.package)
        .collect();
    let manager = PackageManager::of(&host)?;
    (!packages.is_empty()).then(|| install_line(&host, manager, &packages))
}

fn system_requirement(host: &Host, package: &'static Package, found: &Detected) -> Requirement {
    let tool = package.tool.to_owned();
    let found = match found {
        Detected::Usable(version, path) => {
            return Requirement::met(tool, version.clone(), path.clone());
        }
        Detected::Unusable(why) => why.clone(),
        Detected::Absent => format!("nothing; {}", package.purpose),
    };
    let fix = match PackageManager::of(host) {
        Some(manager) => install_line(host, manager, &[package]),
        None => format!("install {} by hand", package.tool),
    };
    Requirement {
        package: Some(package),
        ..Requirement::unmet(tool, found, &fix)
    }
}

/// Returns the command line that installs `packages`, with `sudo` if the user is not root.
fn install_line(host: &Host, manager: PackageManager, packages: &[&Package]) -> String {
    let words = manager.install(packages).join(" ");
    if host.root_user {
        words
    } else {
        format!("sudo {words}")
    }
}

fn rust_requirement(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Requirement {
    let tool = format!("rustc {}", rust::SERIES);
    match rust::availability(host, &session.cache, answers) {
        RustAvailability::Installed(rust) => Requirement::met(tool, rust.version, rust.rustc),
        RustAvailability::Fetchable(how) => {
            Requirement::later(tool, format!("will be fetched {how}"))
        }
        RustAvailability::Unavailable => {
            Requirement::unmet(tool, "nothing to fetch it with".to_owned(), GET_RUSTUP)
        }
    }
}

fn bindgen_requirement(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Requirement {
    let tool = format!("bindgen {}", bindgen::VERSION);
    if let Some(path) = bindgen::find(host, &session.cache, answers) {
        return Requirement::met(tool, bindgen::VERSION.to_owned(), path);
    }
    let other = bindgen::other(host, answers)
        .map(|(version, path)| format!("; {version} at {} is another version", path.display()))
        .unwrap_or_default();
    if host.cargo().is_some() {
        Requirement::later(tool, format!("will be compiled, about a minute{other}"))
    } else {
        Requirement::unmet(tool, format!("no cargo to compile it{other}"), GET_RUSTUP)
    }
}
