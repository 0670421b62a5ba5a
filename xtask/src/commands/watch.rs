//! `watch`: runs `test` again when a file of a module changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::test::TestOptions;
use crate::failure::Failure;
use crate::key::{Inputs, Key};
use crate::project::{Project, ProjectFiles, is_path, is_text};
use crate::workspace::Workspace;

/// The time without a further event after which a change is over: editors write a file in several
/// steps.
const QUIET: Duration = Duration::from_millis(50);

/// Options of `watch`.
#[derive(Debug, Clone, clap::Args)]
pub struct WatchOptions {
    #[command(flatten)]
    test: TestOptions,
}

/// Runs `test` with the same options, and again after each change, until a signal ends it.
///
/// # Errors
///
/// Fails if a folder cannot be watched, and with a usage error if there is no folder to watch.
pub fn run(options: &WatchOptions) -> Result<ExitCode> {
    let folders = folders(&options.test.arguments())?;
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(move |event| {
        // The receiver is gone only when the program ends.
        let _ = sender.send(event);
    })
    .context("cannot watch files on this host")?;
    let mut watched = BTreeSet::new();
    let program = std::env::current_exe().context("cannot find this program")?;
    loop {
        // Before the run, so that no change during the run is missed.
        watch(&mut watcher, &mut watched, &folders)?;
        let before = digest(&folders)?;
        // Another branch of git's may lack a folder for a while.
        let missing = missing(&folders);
        if missing.is_empty() {
            test(&program, &folders)?;
            let names = names(&folders);
            crate::errln!("watching {names}; Ctrl-C ends");
            wait_for_change(&events, &mut watcher, &mut watched, &folders, &before)?;
            crate::errln!("\n{names} changed");
        } else {
            let names = names(&missing);
            crate::errln!("{names} does not exist now; waiting until it does, Ctrl-C ends");
            wait_for_change(&events, &mut watcher, &mut watched, &folders, &before)?;
        }
    }
}

/// Runs `test` with the options of `watch`.
fn test(program: &Path, folders: &[WatchedFolder]) -> Result<()> {
    let status = Command::new(program)
        .arg("test")
        .args(std::env::args_os().skip(2))
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let refused = status.code() == Some(i32::from(crate::failure::Fault::Usage.status()));
    // A folder that is gone meanwhile has been reported.
    if refused && missing(folders).is_empty() {
        bail!(Failure::usage("`test` refused the options"));
    }
    Ok(())
}

/// Returns those of the folders that do not exist now.
fn missing(folders: &[WatchedFolder]) -> Vec<WatchedFolder> {
    let missing = folders.iter().filter(|folder| !folder.folder.is_dir());
    missing.cloned().collect()
}

fn names(folders: &[WatchedFolder]) -> String {
    let names = folders.iter().map(|folder| folder.shown.display());
    names
        .map(|name| name.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A folder whose files are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchedFolder {
    folder: PathBuf,
    shown: PathBuf,
}

/// Returns the folders of these arguments of `test`: paths, and names of lessons.
fn folders(arguments: &[String]) -> Result<Vec<WatchedFolder>> {
    let mut folders = Vec::new();
    for argument in arguments {
        let shown = match is_path(argument) {
            true => PathBuf::from(argument),
            false => Workspace::find()?.folder_of(argument),
        };
        let shown = match is_text(&shown) {
            true => Project::open_text(&shown)?.shown.clone(),
            false => shown,
        };
        let folder = shown.canonicalize().map_err(|error| {
            Failure::usage(format!("{} cannot be watched: {error}", shown.display()))
        })?;
        if !folder.is_dir() {
            bail!(Failure::usage(format!(
                "{} is a file; give the folder with the module's sources",
                shown.display()
            )));
        }
        folders.push(WatchedFolder { folder, shown });
    }
    if folders.is_empty() {
        bail!(Failure::usage(
            "give a folder or a lesson to watch, such as `watch .`"
        ));
    }
    Ok(folders)
}

/// Watches each folder that has a file of a module, and the folders around them: another branch of git's may not
/// have the module for a while.
fn watch(
    watcher: &mut RecommendedWatcher,
    watched: &mut BTreeSet<PathBuf>,
    folders: &[WatchedFolder],
) -> Result<()> {
    for WatchedFolder { folder, shown } in folders {
        let around = folder.parent().map(Path::to_owned);
        let mut own = Vec::new();
        match ProjectFiles::of(folder, shown) {
            Ok(files) => {
                let files = files.files.iter();
                let parents =
                    files.filter_map(|file| Some(folder.join(&file.name).parent()?.to_owned()));
                own.extend(parents);
                own.push(folder.clone());
            }
            Err(error) if folder.is_dir() => return Err(error),
            Err(_) => watched.retain(|known| !known.starts_with(folder)),
        }
        for parent in own.into_iter().chain(around) {
            // A folder that was removed and made again needs a new watch; one that has a watch
            // keeps it.
            if watched.insert(parent.clone()) {
                watcher
                    .watch(&parent, RecursiveMode::NonRecursive)
                    .with_context(|| format!("cannot watch {}", parent.display()))?;
            }
        }
    }
    Ok(())
}

/// Returns a hash of the files of all folders.
fn digest(folders: &[WatchedFolder]) -> Result<Key> {
    let mut inputs = Inputs::new("watch 1");
    for WatchedFolder { folder, shown } in folders {
        inputs.text("folder", folder.to_string_lossy());
        let files = match ProjectFiles::of(folder, shown) {
            Err(_) if !folder.is_dir() => continue,
            files => files?.files,
        };
        for file in files {
            // An editor may be replacing it at this moment.
            let contents = std::fs::read(&file.path).unwrap_or_default();
            inputs.bytes(&file.name.to_string_lossy(), &contents);
        }
    }
    Ok(inputs.key())
}

/// Returns when the contents of a file differ from `before`.
fn wait_for_change(
    events: &Receiver<notify::Result<notify::Event>>,
    watcher: &mut RecommendedWatcher,
    watched: &mut BTreeSet<PathBuf>,
    folders: &[WatchedFolder],
    before: &Key,
) -> Result<()> {
    loop {
        // A change during the run, whose events may have come already.
        if digest(folders)? != *before {
            return Ok(());
        }
        let event = events.recv().context("the watch ended")?;
        event.context("the watch failed")?;
        while let Ok(more) = events.recv_timeout(QUIET) {
            more.context("the watch failed")?;
        }
        watch(watcher, watched, folders)?;
    }
}
