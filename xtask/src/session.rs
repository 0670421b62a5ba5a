//! What every stage needs and none of them makes: the clone, the cache, the
//! terminal, and what the user allows.

use anyhow::Result;

use crate::cache::Cache;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// One run of xtask.
#[derive(Debug)]
pub struct Session {
    /// The clone whose files are used.
    pub workspace: Workspace,
    /// Where results are kept.
    pub cache: Cache,
    /// The terminal.
    pub ui: Ui,
    /// May missing system packages be installed? `--no-install` forbids it.
    pub may_install: bool,
    /// How many jobs run at once: `make`'s, and guests side by side.
    pub jobs: usize,
}

impl Session {
    /// A session on the clone and the cache that the environment names.
    pub fn new(verbose: bool, may_install: bool, jobs: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            workspace: Workspace::find()?,
            cache: Cache::from_env()?,
            ui: Ui::new(verbose),
            may_install,
            jobs: jobs.unwrap_or(cores),
        })
    }
}
