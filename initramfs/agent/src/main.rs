//! The agent: process 1 of every guest.
//!
//! It mounts the usual file systems. In a guest that runs a transcript it prepares the kernel,
//! lets the host take a snapshot, receives an [`Assignment`](kmodlab_protocol::Assignment),
//! runs its commands in one shell, compares the guest's state before and after, and reports
//! everything to the host. In an interactive guest it starts a shell on the console, whose command
//! `reload` is the same program. At the end it resets the guest: process 1 must never return.
//!
//! Under the name `insmod` the same program loads a module.

mod channel;
mod documents;
mod entries;
mod guest;
mod insmod;
mod interactive;
mod kernel;
mod mounts;
mod output;
mod reload;
mod run;
mod shell;
mod state;
mod tasks;

use std::path::Path;
use std::process::ExitCode;

use guest::Guest;
use kmodlab_protocol::INSMOD;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(INSMOD.as_ref()) {
        return insmod::run(arguments);
    }
    let guest = Guest::new("/");
    let mut words = std::env::args().skip(1);
    if std::process::id() != 1 {
        return command(&guest, words.next().as_deref(), words.collect());
    }
    if let Err(error) = serve(&guest) {
        guest.log(&format!("kmodlab: the agent failed: {error:#}"));
    }
    guest.reset();
    // Nothing is left that could end the guest; the kernel panics when process 1 returns.
    ExitCode::FAILURE
}

/// Runs the agent as a command of the shell.
fn command(guest: &Guest, word: Option<&str>, arguments: Vec<String>) -> ExitCode {
    if word != Some(reload::WORD) {
        eprintln!(
            "process 1 of this guest; its only command is `{}`",
            reload::WORD
        );
        return ExitCode::FAILURE;
    }
    reload::run(guest, &arguments).unwrap_or_else(|error| {
        eprintln!("reload: {error:#}");
        ExitCode::FAILURE
    })
}

fn serve(guest: &Guest) -> anyhow::Result<()> {
    mounts::mount(guest)?;
    // In the kernel's log, programs of kmodlab run from this line on.
    guest.log(kmodlab_protocol::INIT_REACHED);
    match documents::source(guest)? {
        Some(source) => run::serve(guest, &source),
        None => interactive::serve(guest),
    }
}
