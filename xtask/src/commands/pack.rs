//! `pack` and `unpack`: one file with all that another host needs.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::common::{Common, ConfigurationOptions};
use crate::failure::Failure;
use crate::host::Host;
use crate::initramfs::agent;
use crate::kernel::source::apt::SourcePackage;
use crate::kernel::spec::{Kernels, SourceOrigin};
use crate::pack::{
    PackContents, PackFile, PackOrigin, PackedKernel, PackedTools, recipe, unpack, write,
};
use crate::project::KernelChoice;
use crate::session::Session;
use crate::{embedded, program, toolchain, ui};

/// Options of `pack`.
#[derive(Debug, Clone, clap::Args)]
pub struct PackOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The pack to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Options of `unpack`.
#[derive(Debug, Clone, clap::Args)]
pub struct UnpackOptions {
    /// The pack to read
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Number of entries that are unpacked at once [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Never install system packages; print the command that would
    #[arg(long)]
    no_install: bool,
}

/// Builds what the cache does not have, and writes the pack.
///
/// # Errors
///
/// Fails if a stage fails, if a lesson's module cannot be built, and if the pack cannot be written.
pub fn run(options: &PackOptions) -> Result<()> {
    if options.common.kernel_source.is_some() {
        return Err(Failure::usage(
            "a pack cannot have a kernel of --kernel-source, because another host would look for \
             its files; name a kernel of kernel-config/kernels.toml with --kernel",
        )
        .into());
    }
    let session = options.common.session()?;
    let configuration = options
        .configuration
        .configuration(&KernelChoice::default())?;
    let contents = PackContents::make(&session, &options.common.source_request(), &configuration)?;
    let origin = origin(&session, options, &contents)?;
    let program = match embedded::has_files() {
        true => Some(std::env::current_exe().context("cannot find the program")?),
        false => {
            session.ui.note(
                "the pack has no program, because this one has no files of the clone with it: \
                 `cargo install --path xtask` makes one that has, and `kmodlab pack` packs it",
            );
            None
        }
    };
    let size = write(
        &session,
        &contents,
        program.as_deref(),
        origin,
        &options.file,
    )?;
    crate::outln!(
        "{}: {}, {} entries, Linux {}",
        options.file.display(),
        ui::size(size),
        contents.entries.len(),
        contents.built.kernel.label()
    )?;
    Ok(())
}

/// Returns the origin of a pack that this host makes.
fn origin(session: &Session, options: &PackOptions, contents: &PackContents) -> Result<PackOrigin> {
    let kernels = Kernels::load(&session.workspace)?;
    let kernel = &contents.built.kernel;
    let default = kernels.default();
    let is_instead = options.common.kernel.is_none() && kernel.kernel != default.name;
    let mut arguments = Vec::new();
    if !is_instead && kernel.kernel != default.name {
        arguments.extend(["--kernel".to_owned(), kernel.kernel.clone()]);
    }
    arguments.extend(options.configuration.args());
    let origins = kernels.get(&kernel.kernel)?.sources.iter();
    let package = origins
        .filter_map(|origin| match origin {
            SourceOrigin::DebianPackage(package) => {
                SourcePackage::remembered(session, &package.name)
            }
            SourceOrigin::Tarball(_) => None,
        })
        .next();
    Ok(PackOrigin {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: recipe(&session.workspace)?.as_str().to_owned(),
        tools: PackedTools {
            release: Host::from_env().release(),
            system: toolchain::system_identity(session)?,
            identity: contents.built.toolchain.identity.clone(),
        },
        kernel: PackedKernel {
            name: kernel.kernel.clone(),
            label: kernel.label(),
            instead_of: is_instead.then(|| default.name.clone()),
            arguments,
            package,
        },
        agent: agent::compiler(session)?,
    })
}

/// Puts the entries of a pack into the cache.
///
/// # Errors
///
/// Fails if the pack is cut, altered, of another format or made by another version of kmodlab, if this
/// host has other tools, and if the cache cannot be written.
pub fn run_unpack(options: &UnpackOptions) -> Result<()> {
    let session = Session::new(false, !options.no_install, options.jobs.map(usize::from))?;
    let pack = PackFile::open(&options.file)?;
    let unpacked = unpack(&session, &pack)?;
    let there = match unpacked.present {
        0 => String::new(),
        count => format!(", {count} were there"),
    };
    crate::outln!(
        "{} entries are new in {}{there}",
        unpacked.new,
        session.cache.root().display()
    )?;
    let kernel = &pack.header().origin.kernel;
    let words = ["test", "hello"].map(str::to_owned);
    let words: Vec<String> = words.into_iter().chain(kernel.arguments.clone()).collect();
    crate::outln!(
        "Linux {}; to begin: {} {}",
        kernel.label,
        program::name(),
        words.join(" ")
    )?;
    Ok(())
}
