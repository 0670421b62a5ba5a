//! rustc from rustup, in a home of kmodlab's own: the user's toolchains and their default stay
//! unchanged.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{SERIES, finish, toolchains_in};
use crate::failure::Failure;
use crate::host::Host;
use crate::process::Tool;
use crate::session::Session;

/// Version that rustup fetches.
pub const VERSION: &str = "1.85.1";

/// Fetches the toolchain with rustup, below `staging`.
///
/// # Errors
///
/// Fails if there is no rustup, or if it does not fetch the toolchain.
pub fn fetch(session: &Session, host: &Host, staging: &Path) -> Result<()> {
    let Some(rustup) = host.which("rustup") else {
        return Err(Failure::host(format!(
            "this host has neither rustc {SERIES} nor a package of it nor rustup; install rustup \
             (https://rustup.rs) and try again"
        ))
        .into());
    };
    let log = session.cache.folder("logs")?.join("rustup.log");
    install(&rustup, &staging.join("rustup")).run_logged(
        &format!("fetching rustc {VERSION}"),
        &log,
        |_| {},
    )?;
    let Some(rustc) = toolchains_in(&staging.join("rustup")).pop() else {
        bail!(
            "rustup has not installed the toolchain {VERSION}; its log: {}",
            log.display()
        );
    };
    let toolchain = rustc
        .ancestors()
        .nth(2)
        .and_then(|toolchain| toolchain.strip_prefix(staging).ok())
        .context("rustup's toolchain is in an unexpected folder")?;
    finish(
        staging,
        &format!("exec \"$here/{}/bin/rustc\" \"$@\"", toolchain.display()),
        &toolchain.join("lib/rustlib/src/rust/library"),
        "rustup",
    )
}

/// Returns the command line with which rustup fetches the toolchain below `home`.
fn install(rustup: &Path, home: &Path) -> Tool {
    Tool::new(rustup)
        .args(["toolchain", "install", VERSION])
        .args(["--profile", "minimal", "--component", "rust-src"])
        .arg("--no-self-update")
        .env("RUSTUP_HOME", home)
        .env_remove("RUSTUP_TOOLCHAIN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustup_installs_the_pinned_toolchain_in_a_private_home() {
        let tool = install(Path::new("/bin/rustup"), Path::new("/c/staging/rustup"));
        assert_eq!(
            tool.quoted(),
            "/bin/rustup toolchain install 1.85.1 --profile minimal --component rust-src --no-self-update"
        );
    }
}
