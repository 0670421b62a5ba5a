//! `reload`, a command of the interactive shell: asks the host to build the guest's modules again, and
//! puts them in the place of those that are loaded.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use kmodlab_protocol::GuestFile;
use kmodlab_protocol::reload::{Answer, Rebuilt, request};

use crate::channel::open_interactive;
use crate::guest::Guest;

/// The word behind the agent's own name that asks for this command.
pub const WORD: &str = "reload";

/// Brings the modules that are loaded, or those with these names, up to date.
///
/// # Errors
///
/// Fails if the guest has no way to the host, if the modules do not compile, or if the guest has no
/// module of that name.
pub fn run(guest: &Guest, names: &[String]) -> Result<ExitCode> {
    let modules = match ask(guest)? {
        Rebuilt::Modules(modules) => modules,
        Rebuilt::Failed(why) => bail!("{}", why.trim_end()),
    };
    let known: Vec<&str> = modules.iter().map(name_of).collect();
    for name in names {
        ensure!(
            known.iter().any(|known| is_same(known, name)),
            "this guest has no module {name}; it has {}",
            known.join(", ")
        );
    }
    for module in &modules {
        let path = guest.path(&module.path);
        std::fs::write(&path, &module.contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let loaded = loaded(&String::from_utf8_lossy(&guest.read("/proc/modules")?));
    let is_loaded = |name: &str| loaded.iter().any(|loaded| is_same(loaded, name));
    let chosen = chosen(&known, names, is_loaded);
    if chosen.is_empty() {
        println!("the modules are built; none is loaded");
        return Ok(ExitCode::SUCCESS);
    }
    let unload = chosen.iter().rev().filter(|name| is_loaded(name));
    let unload = unload.map(|name| ["rmmod".to_owned(), (*name).to_owned()]);
    let load = chosen
        .iter()
        .map(|name| ["insmod".to_owned(), format!("/root/{name}.ko")]);
    for [program, argument] in unload.chain(load) {
        println!("$ {program} {argument}");
        let status = Command::new(&program).arg(argument).status();
        let status = status.with_context(|| format!("cannot run {program}"))?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the host, and waits for its answer.
fn ask(guest: &Guest) -> Result<Rebuilt> {
    let mut channel = open_interactive(guest).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow::anyhow!("a script cannot reach the host; reload works where a person types")
        }
        _ => anyhow::anyhow!("cannot ask the host, another reload may be under way: {error}"),
    })?;
    let own = std::process::id();
    channel
        .write_all(request(own).as_bytes())
        .context("cannot ask the host")?;
    loop {
        let answer = Answer::read(&mut channel).context("cannot read the host's answer")?;
        // Another is for a command that was interrupted.
        if answer.number == own {
            return Ok(answer.modules);
        }
    }
}

/// Returns the name of a module's file.
fn name_of(module: &GuestFile) -> &str {
    let file = module.path.rsplit('/').next().unwrap_or_default();
    file.strip_suffix(".ko").unwrap_or(file)
}

/// Reports whether two names are those of one module: the kernel has an underscore for each dash, and its
/// file the extension `ko`.
fn is_same(one: &str, other: &str) -> bool {
    let kernel_name = |name: &str| name.strip_suffix(".ko").unwrap_or(name).replace('-', "_");
    kernel_name(one) == kernel_name(other)
}

/// Returns the modules that `/proc/modules` lists.
fn loaded(modules: &str) -> Vec<String> {
    let names = modules.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Returns the modules to load: those with these names, else those that are loaded, else the only one;
/// in the order in which they can be loaded.
fn chosen<'a>(
    known: &[&'a str],
    names: &[String],
    is_loaded: impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let known = known.iter().copied();
    if !names.is_empty() {
        return known
            .filter(|name| names.iter().any(|given| is_same(given, name)))
            .collect();
    }
    let chosen: Vec<&str> = known.clone().filter(|name| is_loaded(name)).collect();
    let all: Vec<&str> = known.collect();
    match (&chosen[..], &all[..]) {
        ([], [only]) => vec![only],
        _ => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_modules_are_chosen_in_their_order() {
        let loaded = loaded("user 16384 0 - Live 0x0 (O)\nmy_bus 16384 1 user, Live 0x0 (O)\n");
        let is_loaded = |name: &str| loaded.iter().any(|loaded| is_same(loaded, name));
        let known = ["my-bus", "other", "user"];
        assert_eq!(chosen(&known, &[], is_loaded), ["my-bus", "user"]);
        for (name, module) in [
            ("other", "other"),
            ("my_bus", "my-bus"),
            ("my-bus.ko", "my-bus"),
        ] {
            let names = [name.to_owned()];
            assert_eq!(chosen(&known, &names, is_loaded), [module]);
        }
        assert_eq!(chosen(&known, &[], |_| false), [""; 0]);
        assert_eq!(chosen(&["only"], &[], |_| false), ["only"]);
    }
}
