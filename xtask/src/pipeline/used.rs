//! The results in the cache that this clone uses.
//!
//! The stages themselves answer: they run for all kernels, profiles and modules of the clone on a
//! cache in which they find results and cannot make any.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Error, Result};

use crate::initramfs::Initramfs;
use crate::kernel::spec::Kernels;
use crate::kernel::{Configuration, KernelImage, OptionSet, Profile, source};
use crate::modules::{self, DocPages};
use crate::session::Session;
use crate::toolchain::{self, Toolchain};
use crate::ui::Ui;

/// The results in the cache that a clone uses.
#[derive(Debug)]
pub struct CloneResults {
    /// The paths of the results.
    pub paths: BTreeSet<PathBuf>,
    /// The reason for which the tools are not known, and so neither the keys of kernels and
    /// modules.
    pub without_tools: Option<Error>,
}

/// Finds the results in the cache that this clone uses: the sources of all its kernels, and what
/// was built from them with any profile. Snapshots are not among them, as they are quickly taken.
///
/// # Errors
///
/// Fails if a file of the clone cannot be read.
pub fn used_by_clone(session: &Session) -> Result<CloneResults> {
    let lookup = Session {
        workspace: session.workspace.clone(),
        cache: session.cache.lookup(),
        ui: Ui::new(false),
        may_install: false,
        jobs: session.jobs,
    };
    let toolchain = toolchain::provision(&lookup);
    for spec in Kernels::load(&lookup.workspace)?.iter() {
        let Some(source) = source::in_cache(&lookup, spec)? else {
            continue;
        };
        let Ok(toolchain) = &toolchain else {
            continue;
        };
        let mut parts = Configuration::default();
        parts.add_sets([OptionSet::Parts]);
        let profiles = Profile::ALL.map(Configuration::from);
        for configuration in profiles.iter().chain([&parts]) {
            if KernelImage::is_cached(&lookup, toolchain, &source, configuration)? {
                let image = KernelImage::build(&lookup, toolchain, &source, configuration)?;
                find_results(&lookup, toolchain, &image)?;
            }
        }
    }
    Ok(CloneResults {
        paths: lookup.cache.found(),
        without_tools: toolchain.err(),
    })
}

/// Finds the results that this clone uses with a kernel.
fn find_results(lookup: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<()> {
    modules::find_all(lookup, toolchain, image)?;
    // Either is an error if the cache does not have it.
    let _ = DocPages::build(lookup, toolchain, image);
    let _ = Initramfs::pack(lookup, &toolchain.busybox, &[]);
    Ok(())
}
