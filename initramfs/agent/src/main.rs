//! The agent: process 1 of every guest.
//!
//! It mounts the usual file systems. In a guest that runs a transcript it prepares the kernel,
//! lets the host take a snapshot, receives an [`Assignment`](kmodlab_protocol::Assignment),
//! runs its commands in one shell, compares the guest's state before and after, and reports
//! everything to the host. In an interactive guest it starts a shell on the console. At the
//! end it resets the guest: process 1 must never return.

mod channel;
mod documents;
mod entries;
mod guest;
mod interactive;
mod kernel;
mod mounts;
mod output;
mod run;
mod shell;
mod state;
mod tasks;

use std::process::ExitCode;

use guest::Guest;

fn main() -> ExitCode {
    let guest = Guest::new("/");
    if let Err(error) = serve(&guest) {
        guest.log(&format!("kmodlab: the agent failed: {error:#}"));
    }
    guest.reset();
    // Nothing is left that could end the guest; the kernel panics when process 1 returns.
    ExitCode::FAILURE
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
