//! The context that every stage needs: the clone, the cache, the terminal, and the user's options.

use anyhow::Result;

use crate::cache::Cache;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// One run of xtask.
#[derive(Debug)]
pub struct Session {
    /// The clone whose files are used.
    pub workspace: Workspace,
    /// The cache for results.
    pub cache: Cache,
    /// The terminal.
    pub ui: Ui,
    /// True if missing system packages may be installed; `--no-install` forbids it.
    pub may_install: bool,
    /// Number of jobs that run at once: jobs of `make`, and guests.
    pub jobs: usize,
}

impl Session {
    /// Creates a session with the clone and the cache that the environment names. Without `jobs`,
    /// as many jobs as the host has cores run at once.
    ///
    /// # Errors
    ///
    /// Fails if there is no clone, or if the cache folder cannot be made.
    pub fn new(verbose: bool, may_install: bool, jobs: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workspace = Workspace::find()?;
        let cache = Cache::from_env()?;
        Ok(Self {
            workspace,
            ui: Ui::with_notes(verbose, cache.notes().clone()),
            cache,
            may_install,
            jobs: jobs.unwrap_or(cores),
        })
    }
}
