//! Results of builds that the cache has, or lacks.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::builder::ModuleBuilder;
use super::{Language, ModuleRequest, entry_name, tested_options};
use crate::cache::Parts;
use crate::kernel::KernelImage;
use crate::session::Session;
use crate::toolchain::Toolchain;

/// Returns true if the cache does not have one of the modules of `requested` for `image`.
///
/// # Errors
///
/// Fails if a damaged module cannot be removed.
pub fn are_missing(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    requested: &[ModuleRequest<'_>],
) -> Result<bool> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    for request in requested {
        let key = match *request {
            ModuleRequest::Own(name, language) => builder.lesson_key(name, language),
            ModuleRequest::Project(project, language) => builder.project_key(project, language),
        };
        // An unreadable source is for `build` to report.
        let Ok(key) = key else {
            continue;
        };
        let (name, language) = request.of();
        let entry = entry_name(name, language);
        let found = session.cache.find("modules", &entry, &key, Parts::All)?;
        if found.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes what every build of modules for `image` needs, unless the cache has it: the modules themselves may be
/// in the cache without it.
///
/// # Errors
///
/// Fails if `kernel_ext` does not compile, or if kbuild fails.
pub fn prepare_builds(session: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<()> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    builder.tested_options()?;
    let stage = session.ui.stage("modules");
    builder.kernel_ext(&stage).map(drop)
}

/// Finds all results in the cache that the lessons, races and tools of this clone use for `image`.
///
/// # Errors
///
/// Fails if a folder of modules cannot be listed.
pub fn find_all(session: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<()> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    let name = format!("kernel_ext-{}", image.label());
    let key = builder.kernel_ext_key()?;
    session.cache.find("modules", &name, &key, Parts::None)?;
    let name = tested_options::entry_name(&image.label());
    let key = builder.tested_options_key();
    session.cache.find("modules", &name, &key, Parts::None)?;
    let clone = &session.workspace;
    for folder in [
        clone.lessons(),
        clone.races(),
        clone.modules().join("tools"),
    ] {
        for name in folder_names(&folder)? {
            for language in [Language::Rust, Language::C] {
                // A folder without a module in this language has no key.
                if let Ok(key) = builder.lesson_key(&name, language) {
                    let entry = entry_name(&name, language);
                    session.cache.find("modules", &entry, &key, Parts::None)?;
                }
            }
        }
    }
    Ok(())
}

/// Returns the names of the folders in `folder`; none if it does not exist.
fn folder_names(folder: &Path) -> Result<Vec<String>> {
    let list = || format!("cannot list {}", folder.display());
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).with_context(list)? {
            let entry = entry.with_context(list)?;
            if entry.path().is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}
