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
}

/// Every need of this machine; installs and fetches nothing.
pub fn survey(session: &Session) -> Vec<Need> {
    survey_on(session, &Host::from_env())
}

/// [`survey`] of a given machine.
pub fn survey_on(session: &Session, host: &Host) -> Vec<Need> {
    let mut probes = match Probes::load(&session.cache) {
        Ok(probes) => probes,
        Err(error) => {
            return vec![Need {
                what: "cache folder".to_owned(),
                found: format!("{error:#}"),
                place: Some(session.cache.root().to_owned()),
                state: State::Unfit,
                mend: Some("export KMODLAB_CACHE=FOLDER".to_owned()),
            }];
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

fn system_need(host: &Host, package: &'static Package, found: &Found) -> Need {
    let (text, place, state) = match found {
        Found::Fit(version, path) => (version.clone(), Some(path.clone()), State::Fit),
        Found::Unfit(why) => (why.clone(), None, State::Unfit),
        Found::Nothing => (format!("nothing; {}", package.why), None, State::Unfit),
    };
    let mend = (state == State::Unfit).then(|| match Manager::of(host) {
        Some(manager) => install_line(host, manager, &[package]),
        None => format!("install {} by hand", package.what),
    });
    Need {
        what: package.what.to_owned(),
        found: text,
        place,
        state,
        mend,
    }
}

/// The line that installs `packages`, with `sudo` where it takes one.
pub fn install_line(host: &Host, manager: Manager, packages: &[&Package]) -> String {
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
        Outlook::Found(rust) => Need {
            what,
            found: rust.identity,
            place: Some(rust.rustc),
            state: State::Fit,
            mend: None,
        },
        Outlook::Provisioned(how) => Need {
            what,
            found: format!("will be provisioned {how}"),
            place: None,
            state: State::Provisioned,
            mend: None,
        },
        Outlook::Nothing => Need {
            what,
            found: "nothing, and nothing to fetch it with".to_owned(),
            place: None,
            state: State::Unfit,
            mend: Some("install rustup: https://rustup.rs".to_owned()),
        },
    }
}

fn bindgen_need(session: &Session, host: &Host, probes: &mut Probes) -> Need {
    let what = format!("bindgen {}", bindgen::VERSION);
    if let Some(place) = bindgen::find(host, &session.cache, probes) {
        return Need {
            what,
            found: bindgen::VERSION.to_owned(),
            place: Some(place),
            state: State::Fit,
            mend: None,
        };
    }
    let other = bindgen::other(host, probes)
        .map(|(version, path)| format!(" ({version} at {} will not do)", path.display()))
        .unwrap_or_default();
    let (found, state, mend) = if bindgen::cargo(host).is_some() {
        let found = format!("will be compiled from crates.io, about a minute{other}");
        (found, State::Provisioned, None)
    } else {
        let mend = "install rustup: https://rustup.rs".to_owned();
        (
            format!("nothing, and no cargo{other}"),
            State::Unfit,
            Some(mend),
        )
    };
    Need {
        what,
        found,
        place: None,
        state,
        mend,
    }
}
