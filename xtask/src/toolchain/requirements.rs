//! What a machine has and lacks, for `cargo xtask doctor`.

use std::path::PathBuf;

use super::answers::ToolAnswers;
use super::bindgen;
use super::host::Host;
use super::packages::PackageManager;
use super::rust::{self, RustAvailability};
use super::system::{Detected, Package, SystemTools};
use crate::session::Session;

/// Whether a need is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequirementState {
    /// It is there.
    Met,
    /// It is not there, and a build gets it by itself, without root.
    Later,
    /// A build would stop here, or ask.
    Unmet,
}

/// One line of the doctor's table.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// What is needed.
    pub what: String,
    /// The version found, or what is there instead, or what a build will do.
    pub found: String,
    /// Where it is.
    pub place: Option<PathBuf>,
    /// Whether it will do.
    pub state: RequirementState,
    /// The command that mends it.
    pub mend: Option<String>,
    /// The distribution's package that mends it.
    pub package: Option<&'static Package>,
}

impl Requirement {
    fn met(what: String, found: String, place: PathBuf) -> Self {
        Self {
            what,
            found,
            place: Some(place),
            state: RequirementState::Met,
            mend: None,
            package: None,
        }
    }

    fn later(what: String, how: String) -> Self {
        Self {
            what,
            found: how,
            place: None,
            state: RequirementState::Later,
            mend: None,
            package: None,
        }
    }

    fn unmet(what: String, found: String, mend: &str) -> Self {
        Self {
            what,
            found,
            place: None,
            state: RequirementState::Unmet,
            mend: Some(mend.to_owned()),
            package: None,
        }
    }
}

/// How to get what compiles bindgen and fetches rustc.
const GET_RUSTUP: &str = "install rustup: https://rustup.rs";

/// Every need of this machine; installs and fetches nothing.
pub fn requirements(session: &Session) -> Vec<Requirement> {
    requirements_on(session, &Host::from_env())
}

/// [`requirements`] of a given machine.
pub fn requirements_on(session: &Session, host: &Host) -> Vec<Requirement> {
    let mut answers = match ToolAnswers::load(&session.cache) {
        Ok(answers) => answers,
        Err(error) => {
            let what = "cache folder".to_owned();
            let mend = "export KMODLAB_CACHE=FOLDER, one that can be written";
            return vec![Requirement::unmet(what, format!("{error:#}"), mend)];
        }
    };
    let system = SystemTools::look(host, &mut answers);
    let mut needs: Vec<Requirement> = system
        .found
        .iter()
        .map(|(package, found)| system_requirement(host, package, found))
        .collect();
    needs.push(rust_requirement(session, host, &mut answers));
    needs.push(bindgen_requirement(session, host, &mut answers));
    // Answers that could not be kept are asked for again.
    let _ = answers.save();
    needs
}

/// The one line that installs every package that `needs` lack.
pub fn install_all(needs: &[Requirement]) -> Option<String> {
    let host = Host::from_env();
    let packages: Vec<&Package> = needs.iter().filter_map(|need| need.package).collect();
    let manager = PackageManager::of(&host)?;
    (!packages.is_empty()).then(|| install_line(&host, manager, &packages))
}

fn system_requirement(host: &Host, package: &'static Package, found: &Detected) -> Requirement {
    let what = package.what.to_owned();
    let found = match found {
        Detected::Usable(version, path) => {
            return Requirement::met(what, version.clone(), path.clone());
        }
        Detected::Unusable(why) => why.clone(),
        Detected::Absent => format!("nothing; {}", package.why),
    };
    let mend = match PackageManager::of(host) {
        Some(manager) => install_line(host, manager, &[package]),
        None => format!("install {} by hand", package.what),
    };
    Requirement {
        package: Some(package),
        ..Requirement::unmet(what, found, &mend)
    }
}

/// The line that installs `packages`, with `sudo` where it takes one.
fn install_line(host: &Host, manager: PackageManager, packages: &[&Package]) -> String {
    let words = manager.install(packages).join(" ");
    if host.root_user {
        words
    } else {
        format!("sudo {words}")
    }
}

fn rust_requirement(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Requirement {
    let what = format!("rustc {}", rust::SERIES);
    match rust::availability(host, &session.cache, answers) {
        RustAvailability::Installed(rust) => Requirement::met(what, rust.version, rust.rustc),
        RustAvailability::Fetchable(how) => {
            Requirement::later(what, format!("will be fetched {how}"))
        }
        RustAvailability::Unavailable => {
            Requirement::unmet(what, "nothing to fetch it with".to_owned(), GET_RUSTUP)
        }
    }
}

fn bindgen_requirement(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Requirement {
    let what = format!("bindgen {}", bindgen::VERSION);
    if let Some(place) = bindgen::find(host, &session.cache, answers) {
        return Requirement::met(what, bindgen::VERSION.to_owned(), place);
    }
    let other = bindgen::other(host, answers)
        .map(|(version, path)| format!("; {version} at {} will not do", path.display()))
        .unwrap_or_default();
    if bindgen::cargo(host).is_some() {
        Requirement::later(what, format!("will be compiled, about a minute{other}"))
    } else {
        Requirement::unmet(what, format!("no cargo to compile it{other}"), GET_RUSTUP)
    }
}
