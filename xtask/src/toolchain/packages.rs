//! Installs the distribution's packages: decides the command line, and whether it may run.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use super::system::{Detected, Package};
use crate::failure::Failure;
use crate::host::Host;
use crate::process::Tool;
use crate::session::Session;
use crate::streams;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageManager {
    /// apt-get of Debian and Ubuntu.
    Apt,
    /// dnf of Fedora.
    Dnf,
    /// pacman of Arch.
    Pacman,
}

impl PackageManager {
    /// Returns the host's package manager.
    pub fn of(host: &Host) -> Option<Self> {
        [
            ("apt-get", Self::Apt),
            ("dnf", Self::Dnf),
            ("pacman", Self::Pacman),
        ]
        .into_iter()
        .find(|(program, _)| host.which(program).is_some())
        .map(|(_, manager)| manager)
    }

    /// Returns the words of the command that installs `packages`, without `sudo`.
    pub fn install(self, packages: &[&Package]) -> Vec<String> {
        let (words, name): (&[&str], fn(&Package) -> &'static str) = match self {
            Self::Apt => (
                &["apt-get", "install", "--yes", "--no-install-recommends"],
                |package| package.apt,
            ),
            Self::Dnf => (&["dnf", "install", "--assumeyes"], |package| package.dnf),
            Self::Pacman => (
                &["pacman", "--sync", "--needed", "--noconfirm"],
                |package| package.pacman,
            ),
        };
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for package in packages {
            let name = name(package).to_owned();
            if !words.contains(&name) {
                words.push(name);
            }
        }
        words
    }
}

/// The decision about missing packages.
#[derive(Debug, PartialEq, Eq)]
pub enum InstallDecision {
    /// Run this command without a question.
    Run(Vec<String>),
    /// Ask the user, then run this command.
    Ask(Vec<String>),
    /// Stop with this message.
    Refuse(String),
}

/// Decides about `missing` packages on `host`. Without `may_install`, the decision is to refuse.
pub fn decide(
    host: &Host,
    may_install: bool,
    missing: &[(&'static Package, &Detected)],
) -> InstallDecision {
    let packages: Vec<&Package> = missing.iter().map(|(package, _)| *package).collect();
    let Some(manager) = PackageManager::of(host) else {
        return InstallDecision::Refuse(format!(
            "this host lacks:\n{}\nit has none of apt-get, dnf and pacman: install these by hand",
            listed(missing)
        ));
    };
    let mut words = manager.install(&packages);
    if !host.root_user && host.which("sudo").is_none() {
        return InstallDecision::Refuse(format!(
            "this host lacks:\n{}\nto install them, as root:\n  {}",
            listed(missing),
            words.join(" ")
        ));
    }
    if !host.root_user {
        words.insert(0, "sudo".to_owned());
    }
    if may_install && (host.root_user || host.ci) {
        return InstallDecision::Run(words);
    }
    if may_install && host.terminal {
        return InstallDecision::Ask(words);
    }
    InstallDecision::Refuse(format!(
        "this host lacks:\n{}\nto install them:\n  {}",
        listed(missing),
        words.join(" ")
    ))
}

/// Returns a line for each missing tool, with the unusable one that the host has instead.
pub fn listed(missing: &[(&'static Package, &Detected)]) -> String {
    let lines: Vec<String> = missing
        .iter()
        .map(|(package, found)| match found {
            Detected::Unusable(why) => {
                format!("  {} ({}): found {why}", package.tool, package.purpose)
            }
            _ => format!("  {} ({})", package.tool, package.purpose),
        })
        .collect();
    lines.join("\n")
}

/// Installs the packages of missing tools.
///
/// # Errors
///
/// Fails if the decision or the user refuses, and if the installation fails; the error has the
/// command line.
pub fn install(
    session: &Session,
    host: &Host,
    missing: &[(&'static Package, &Detected)],
) -> Result<()> {
    let (words, ask) = match decide(host, session.may_install, missing) {
        InstallDecision::Refuse(message) => return Err(Failure::host(message).into()),
        InstallDecision::Run(words) => (words, false),
        InstallDecision::Ask(words) => (words, true),
    };
    crate::errln!("this host lacks:\n{}", listed(missing));
    crate::errln!("to install them:\n  {}", words.join(" "));
    if ask && !confirmed()? {
        return Err(
            Failure::host("nothing was installed; run the line above and try again").into(),
        );
    }
    let stage = session.ui.stage("packages");
    if ask {
        // sudo asks for a password on the terminal, so it keeps the terminal.
        let run = |words: &[String]| -> Result<bool> {
            Ok(tool(host, words)?.run_on_terminal()?.success())
        };
        update_first(host, &words, &mut |words| run(words).map(drop))?;
        if !run(&words)? {
            return Err(Failure::host(format!("{} failed", words.join(" "))).into());
        }
    } else {
        stage.begin("installing missing packages", 0);
        let log = session.cache.folder("logs")?.join("packages.log");
        let mut run = |words: &[String]| -> Result<()> {
            tool(host, words)?.run_logged("installing packages", &log, |line| {
                stage.tool_line(line);
                stage.message(line);
            })
        };
        let updated = update_first(host, &words, &mut run)?;
        let mut installed = run(&words);
        if installed.is_err() && !updated && PackageManager::of(host) == Some(PackageManager::Apt) {
            // Outdated lists name packages that the archive no longer has.
            if run(&update_words(&words)).is_ok() {
                installed = run(&words);
            }
        }
        installed.context(Failure::host(format!(
            "cannot install the missing packages; try it by hand:\n  {}",
            words.join(" ")
        )))?;
    }
    stage.done(false, format!("{} installed", missing.len()));
    Ok(())
}

/// Fetches apt's lists if there are none, as in a fresh container. Returns true if it has tried.
fn update_first(
    host: &Host,
    words: &[String],
    run: &mut dyn FnMut(&[String]) -> Result<()>,
) -> Result<bool> {
    if PackageManager::of(host) != Some(PackageManager::Apt) || has_apt_lists(host) {
        return Ok(false);
    }
    // One unreachable source among several fails the whole update; the installation shows whether
    // that source was needed.
    if let Err(error) = run(&update_words(words)) {
        crate::errln!("{error:#}");
    }
    Ok(true)
}

fn has_apt_lists(host: &Host) -> bool {
    std::fs::read_dir(host.at("/var/lib/apt/lists")).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    })
}

/// Returns the words of `apt-get update`, with `sudo` if the command that installs has it.
fn update_words(words: &[String]) -> Vec<String> {
    words
        .iter()
        .take_while(|word| *word != "install")
        .cloned()
        .chain(["update".to_owned()])
        .collect()
}

fn tool(host: &Host, words: &[String]) -> Result<Tool> {
    let (program, args) = words.split_first().context("an empty command")?;
    let program = host
        .which(program)
        .with_context(|| format!("there is no {program} on the PATH"))?;
    Ok(Tool::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8"))
}

fn confirmed() -> Result<bool> {
    let mut stderr = streams::stderr();
    write!(stderr, "install them now? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
