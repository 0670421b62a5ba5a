//! `cargo xtask doc`: builds the API documentation of `kernel_ext` and of the kernel's crates.

use anyhow::Result;

use super::common::Common;
use crate::kernel::Configuration;
use crate::modules::DocPages;
use crate::pipeline;
use crate::process::open_in_browser;

/// Options of `doc`.
#[derive(Debug, Clone, clap::Args)]
pub struct DocOptions {
    #[command(flatten)]
    common: Common,

    /// Open the documentation in a browser
    #[arg(long)]
    open: bool,
}

/// Builds the documentation if the cache does not have it, and prints the path of its first page.
///
/// # Errors
///
/// Fails if a stage fails, or if a browser cannot be started.
pub fn run(options: &DocOptions) -> Result<()> {
    let session = options.common.session()?;
    let (toolchain, _, kernel) = pipeline::kernel_for(
        &session,
        &options.common.source_request(),
        &Configuration::default(),
        |toolchain, kernel| DocPages::are_missing(&session, toolchain, kernel),
    )?;
    let index = DocPages::build(&session, &toolchain, &kernel)?.index();
    session.ui.summary();
    crate::outln!("{}", index.display())?;
    if options.open {
        open_in_browser(&index)?;
    }
    Ok(())
}
