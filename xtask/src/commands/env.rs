//! `env`: prints the variables with which one's own make builds modules for a kernel of kmodlab's.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::common::{Common, ConfigurationOptions};
use super::projects::ProjectOptions;
use crate::failure::Failure;
use crate::project::as_path;
use crate::{kernel, pipeline};

/// Options of `env`.
#[derive(Debug, Clone, clap::Args)]
pub struct EnvOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The folder with the module, whose kmodlab.toml may name a kernel
    #[arg(value_name = "PATH", default_value = ".")]
    folder: PathBuf,
}

/// Builds the kernel unless the cache has it, and prints a variable in each line: KDIR, the folder
/// of its objects, and the tools.
///
/// # Errors
///
/// Fails if the folder has no module, if the kernel cannot be built, or if a path has a space, which
/// make cannot have in a variable of a command line without quotes.
pub fn run(options: &EnvOptions) -> Result<()> {
    let folder = as_path(&options.folder);
    let selection = ProjectOptions::default().select(&[folder.display().to_string()])?;
    let session = options.common.session()?;
    let configuration = options.configuration.configuration(&selection.kernel)?;
    let request = options.common.source_request_or(&selection.kernel);
    let (toolchain, _, image) = pipeline::kernel(&session, &request, &configuration)?;
    for variable in kernel::own_make_variables(&toolchain, &image.objects) {
        if variable.contains(char::is_whitespace) {
            bail!(Failure::host(format!(
                "{variable} has a space; move the cache with KMODLAB_CACHE"
            )));
        }
        crate::outln!("{variable}")?;
    }
    Ok(())
}
