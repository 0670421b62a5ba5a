//! `cargo xtask build`: builds the kernel, every lesson's modules and the initramfs.

use anyhow::Result;

use super::common::{Common, Lang, ProfileOption};
use crate::{lesson, pipeline};

/// Options of `build`.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    profile: ProfileOption,
}

/// Builds what the cache does not have, and prints the times of the stages and the paths of the
/// results. A module that cannot be built does not stop the others.
///
/// # Errors
///
/// Fails if a stage fails, and at the end if a module could not be built, with the errors of each.
pub fn run(options: &BuildOptions) -> Result<()> {
    let session = options.common.session()?;
    let lessons = lesson::select(&session.workspace, &[])?;
    let prepared = pipeline::prepare(
        &session,
        &options.common.source_request(),
        options.profile.profile(),
        &lessons,
        Lang::Both.languages(),
    )?;
    session.ui.summary();
    println!("kernel     {}", prepared.kernel.vmlinux().display());
    for module in &prepared.modules {
        println!("module     {}", module.path.display());
    }
    println!("initramfs  {}", prepared.initramfs.path.display());
    prepared.all_modules()
}
