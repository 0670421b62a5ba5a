//! `cargo xtask cache`: lists the contents of the cache, and removes what nobody needs.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::cache::{
    CacheFolders, CollectionRule, FolderState, Inventory, SizeLimit, collect, collected_text,
    folder_state, listing, listing_json,
};
use crate::failure::Failure;
use crate::pipeline;
use crate::session::Session;

/// Options of `cache`.
#[derive(Debug, Clone, clap::Args)]
pub struct CacheOptions {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum CacheCommand {
    /// List what the cache has, with sizes and times of the last use
    List(ListOptions),
    /// Remove what neither this clone nor a recent run uses
    ///
    /// Kernel sources, kernels, compilers and modules stay if this clone's files lead to them, and
    /// so does each entry that is in use or was used recently. Files that kmodlab has not made stay
    /// as well.
    Gc(GcOptions),
}

#[derive(Debug, Clone, clap::Args)]
struct ListOptions {
    /// List each entry of a large group
    #[arg(long)]
    all: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct GcOptions {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Keep entries that were used within this number of days
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    unused_for: u16,
}

/// Runs a command on the cache.
///
/// # Errors
///
/// Fails if the cache folder is not a cache or cannot be read, and if a result cannot be removed.
pub fn run(options: &CacheOptions) -> Result<ExitCode> {
    match &options.command {
        CacheCommand::List(options) => list(options)?,
        CacheCommand::Gc(options) => gc(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(options: &ListOptions) -> Result<()> {
    let limit = SizeLimit::from_env()?;
    let CacheFolders { own, shared } = CacheFolders::from_env()?;
    let mut caches = Vec::new();
    for (root, read_only) in [(Some(own), false), (shared, true)] {
        if let Some(root) = root
            && is_used(&root)?
        {
            caches.push((Inventory::of(&std::path::absolute(root)?)?, read_only));
        }
    }
    if options.json {
        crate::outln!("{}", listing_json(&caches, limit)?)?;
        return Ok(());
    }
    for (inventory, read_only) in &caches {
        let limit = if *read_only { SizeLimit::None } else { limit };
        crate::outln!(
            "{}",
            listing(inventory, limit, options.all, SystemTime::now())
        )?;
    }
    Ok(())
}

fn gc(options: &GcOptions) -> Result<()> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let CacheFolders { own, shared } = CacheFolders::from_env()?;
    if let Some(shared) = shared {
        crate::errln!("{} is only read and stays as it is", shared.display());
    }
    if !is_used(&own)? {
        return Ok(());
    }
    let session = Session::new(false, false, None)?;
    let used = pipeline::used_by_clone(&session).context("cannot find what this clone uses")?;
    if let Some(error) = &used.without_tools {
        return Err(Failure::host(format!(
            "nothing was removed, because without the tools it is not known which kernels this \
             clone uses: {error:#}"
        ))
        .into());
    }
    let rule = CollectionRule {
        keep: used.paths,
        recent: u32::from(options.unused_for) * DAY,
        dry_run: options.dry_run,
    };
    let collected = collect(session.cache.root(), &rule)?;
    let verb = match options.dry_run {
        true => "would remove",
        false => "removed",
    };
    let text = collected_text(&collected, verb, SystemTime::now());
    crate::outln!("{}", text.trim_end())?;
    match collected.errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::host(collected.errors.join("\n")).into()),
    }
}

/// Returns whether a folder is a cache; prints so if it is not used yet.
fn is_used(root: &Path) -> Result<bool> {
    let is_used = folder_state(root)? == FolderState::Cache;
    if !is_used {
        crate::errln!("there is no cache yet: {}", root.display());
    }
    Ok(is_used)
}
