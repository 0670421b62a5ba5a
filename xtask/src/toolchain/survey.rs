//! What a machine has and lacks, for `cargo xtask doctor`.

use std::path::PathBuf;

use super::bindgen;
use super::host::Host;
use super::needs::{Found, Package, System};
use super::packages::Manager;
use super::probe::Probes;
use super::rust::{self, Outlook};
use crate::session::Session;

/// Whether a need is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Fit,
    /// It is not there, and a build gets it by itself, without root.
    Provisioned,
    /// A build would stop here, or ask.
    Unfit,
}

/// One line of the doctor's table.
#[derive(Debug, Clone)]
pub struct Need {
    /// What is needed.
    pub what: String,
    /// The version found, or what is there instead, or what a build will do.
    pub found: String,
    /// Where it is.
    pub place: Option<PathBuf>,
    /// Whether it will do.
    pub state: State,
    /// The command that mends it.
    pub mend: Option<String>,
    /// The distribution's package that mends it.
    pub package: Option<&'static Package>,
}

impl Need {
    fn fit(what: String, found: String, place: PathBuf) -> Self {
        Self {
            what,
            found,
            place: Some(place),
            state: State::Fit,
            mend: None,
            package: None,
        }
    }

    fn later(what: String, how: String) -> Self {
        Self {
            what,
            found: how,
            place: None,
            state: State::Provisioned,
            mend: None,
            package: None,
        }
    }

    fn unfit(what: String, found: String, mend: &str) -> Self {
        Self {
            what,
            found,
            place: None,
            state: State::Unfit,
            mend: Some(mend.to_owned()),
            package: None,
        }
    }
}

/// How to get what compiles bindgen and fetches rustc.
const GET_RUSTUP: &str = "install rustup: https://rustup.rs";

/// Every need of this machine; installs and fetches nothing.
pub fn survey(session: &Session) -> Vec<Need> {
    survey_on(session, &Host::from_env())
}

/// [`survey`] of a given machine.
pub fn survey_on(session: &Session, host: &Host) -> Vec<Need> {
    let mut probes = match Probes::load(&session.cache) {
        Ok(probes) => probes,
        Err(error) => {
            let what = "cache folder".to_owned();
            let mend = "export KMODLAB_CACHE=FOLDER, one that can be written";
            return vec![Need::unfit(what, format!("{error:#}"), mend)];
        }
    };
    let system = System::look(host, &mut probes);
    let mut needs: Vec<Need> = system
        .found
        .iter()
        .map(|(package, found)| system_need(host, package, found))
        .collect();
    needs.push(rust_need(session, host, &mut probes));
    needs.push(bindgen_need(session, host, &mut probes));
    // Answers that could not be kept are asked for again.
    let _ = probes.save();
    needs
}

/// The one line that installs every package that `needs` lack.
pub fn install_all(needs: &[Need]) -> Option<String> {
    let host = Host::from_env();
    let packages: Vec<&Package> = needs.iter().filter_map(|need| need.package).collect();
    let manager = Manager::of(&host)?;
    (!packages.is_empty()).then(|| install_line(&host, manager, &packages))
}

fn system_need(host: &Host, package: &'static Package, found: &Found) -> Need {
    let what = package.what.to_owned();
    let found = match found {
        Found::Fit(version, path) => return Need::fit(what, version.clone(), path.clone()),
        Found::Unfit(why) => why.clone(),
        Found::Nothing => format!("nothing; {}", package.why),
    };
    let mend = match Manager::of(host) {
        Some(manager) => install_line(host, manager, &[package]),
        None => format!("install {} by hand", package.what),
    };
    Need {
        package: Some(package),
        ..Need::unfit(what, found, &mend)
    }
}

/// The line that installs `packages`, with `sudo` where it takes one.
fn install_line(host: &Host, manager: Manager, packages: &[&Package]) -> String {
    let words = manager.install(packages).join(" ");
    if host.root_user {
        words
    } else {
        format!("sudo {words}")
    }
}

fn rust_need(session: &Session, host: &Host, probes: &mut Probes) -> Need {
    let what = format!("rustc {}", rust::SERIES);
    match rust::outlook(host, &session.cache, probes) {
        Outlook::Found(rust) => Need::fit(what, rust.version, rust.rustc),
        Outlook::Provisioned(how) => Need::later(what, format!("will be fetched {how}")),
        Outlook::Nothing => Need::unfit(what, "nothing to fetch it with".to_owned(), GET_RUSTUP),
    }
}

fn bindgen_need(session: &Session, host: &Host, probes: &mut Probes) -> Need {
    let what = format!("bindgen {}", bindgen::VERSION);
    if let Some(place) = bindgen::find(host, &session.cache, probes) {
        return Need::fit(what, bindgen::VERSION.to_owned(), place);
    }
    let other = bindgen::other(host, probes)
        .map(|(version, path)| format!("; {version} at {} will not do", path.display()))
        .unwrap_or_default();
    if bindgen::cargo(host).is_some() {
        Need::later(what, format!("will be compiled, about a minute{other}"))
    } else {
        Need::unfit(what, format!("no cargo to compile it{other}"), GET_RUSTUP)
    }
}
