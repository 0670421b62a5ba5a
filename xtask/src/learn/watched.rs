//! The files whose change starts a check.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use anyhow::{Context as _, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::app::AppEvent;
use crate::whole_file;

/// A watch on the folders of some files. Dropping it ends the watch.
#[derive(Debug)]
pub struct WatchedFiles {
    files: Vec<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl WatchedFiles {
    /// Watches the folders of these files. An event may be about another file.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be watched.
    pub fn new(files: Vec<PathBuf>, events: &Sender<AppEvent>) -> Result<Self> {
        let sender = events.clone();
        let mut watcher = notify::recommended_watcher(move |_| {
            // The receiver is gone only when the program ends.
            let _ = sender.send(AppEvent::FileEvent);
        })
        .context("cannot watch files on this host")?;
        for folder in files.iter().filter_map(|file| file.parent()) {
            // Editors replace files, so the folder is watched.
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(Self {
            files,
            _watcher: watcher,
        })
    }

    /// Returns the contents of the files; `None` while an editor replaces one.
    pub fn contents(&self) -> Option<Vec<String>> {
        let contents = self.files.iter();
        contents
            .map(|path| whole_file::read_text(path).ok())
            .collect()
    }
}
