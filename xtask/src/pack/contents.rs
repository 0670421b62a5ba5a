//! The contents of a pack: the cache entries, and the files of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::{EntryName, Parts};
use crate::failure::Failure;
use crate::initramfs::Initramfs;
use crate::kernel::Configuration;
use crate::kernel::source::SourceRequest;
use crate::lesson::{self, LessonText};
use crate::modules::{self, Language};
use crate::pipeline::Built;
use crate::run::plan::plan;
use crate::run::{GuestKind, GuestSettings, Prepared, SuiteNeeds};
use crate::session::Session;
use crate::ui::Ui;

/// Parts of a kernel's source that builds read: those of modules and of programs for guests.
const SOURCE_PARTS: [&str; 9] = [
    "COPYING",
    "Kbuild",
    "Kconfig",
    "Makefile",
    "arch/x86",
    "include",
    "rust",
    "scripts",
    "tools/include",
];

/// Ends of the names of files among a kernel's objects that nobody reads once the kernel is linked:
/// objects, archives of them, records of kbuild, and lists of symbols for the linker.
const UNREAD: [&str; 9] = [
    ".S", ".a", ".cmd", ".d", ".nm-sort", ".o", ".old", ".s", ".syms",
];

/// The entries of a pack.
#[derive(Debug)]
pub struct PackContents {
    /// The kernel and modules that were built for the guests.
    pub built: Built,
    /// The entries with their paths.
    pub entries: BTreeMap<EntryName, PathBuf>,
}

impl PackContents {
    /// Builds everything for a kernel with this configuration that all lessons and races need,
    /// with schedules and without, takes the snapshots, and finds the entries.
    ///
    /// # Errors
    ///
    /// Fails if a stage fails, if a module cannot be built, and if an entry is damaged.
    pub fn make(
        session: &Session,
        source: &SourceRequest,
        configuration: &Configuration,
    ) -> Result<Self> {
        let mut lessons: Vec<LessonText> = lesson::select(&session.workspace, &[])?;
        lessons.extend(lesson::select_races(&session.workspace, &[])?);
        let cases = &plan(&lessons, &[Language::Rust, Language::C], None)[..];
        let settings = &GuestSettings::default();
        let prepare = |schedules, source: &SourceRequest| {
            Prepared::new(
                session,
                SuiteNeeds {
                    source,
                    configuration,
                    settings,
                    cases,
                    schedules,
                    guests: GuestKind::Resumed,
                },
            )
        };
        let plain = prepare(false, source)?;
        // The same kernel, by its name: a note about it is printed once.
        let same = SourceRequest {
            kernel: Some(plain.built.source.kernel.clone()),
            source: None,
        };
        let prepared = [plain, prepare(true, &same)?];
        let mut paths = Vec::new();
        for Prepared { built, start, .. } in &prepared {
            built.all_modules()?;
            paths.extend([
                built.toolchain.rustc.clone(),
                built.toolchain.bindgen.clone(),
                built.source.tree.clone(),
                built.kernel.objects.clone(),
                built.initramfs.path.clone(),
                start.initramfs().path.clone(),
            ]);
            paths.extend(start.snapshot().map(|snapshot| snapshot.memory()));
            paths.extend(built.modules.iter().map(|module| module.path.clone()));
        }
        let [_, Prepared { built, .. }] = prepared;
        modules::prepare_builds(session, &built.toolchain, &built.kernel)?;
        paths.extend(found(session, &built)?);
        let mut entries = BTreeMap::new();
        for path in paths {
            // A tool of the host's own is in no cache.
            let Some((name, path)) = session.cache.entry_of(&path) else {
                continue;
            };
            if !session.cache.is_whole(&path, Parts::All)? {
                return Err(Failure::host(format!(
                    "{} was damaged and is removed; run the command again",
                    path.display()
                ))
                .into());
            }
            entries.insert(name, path);
        }
        Ok(Self { built, entries })
    }
}

/// Returns the paths of `kernel_ext`, the agent, and the modules of the clone.
fn found(session: &Session, built: &Built) -> Result<Vec<PathBuf>> {
    let lookup = Session {
        workspace: session.workspace.clone(),
        cache: session.cache.lookup(),
        ui: Ui::new(false),
        may_install: false,
        jobs: session.jobs,
    };
    modules::find_all(&lookup, &built.toolchain, &built.kernel)?;
    Initramfs::pack(&lookup, &built.toolchain.busybox, &[])?;
    Ok(lookup.cache.found().into_iter().collect())
}

/// Returns true if a pack has the file at this path in an entry of this kind.
pub fn packed_file(kind: &str, path: &Path) -> bool {
    match kind {
        "kernels" => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_unread = UNREAD.iter().any(|end| name.ends_with(end));
            let is_stage_of_link = name.starts_with(".tmp_vmlinux") || name == "vmlinux.unstripped";
            !is_unread && !is_stage_of_link
        }
        "sources" => SOURCE_PARTS.iter().any(|part| path.starts_with(part)),
        _ => true,
    }
}

/// Returns the files of an entry that a pack has, sorted, as paths in the entry.
pub(super) fn files(name: &EntryName, entry: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in crate::key::files_below(entry)? {
        let inner = path.strip_prefix(entry).context("a file of the entry")?;
        if packed_file(name.kind(), inner) {
            files.push(inner.to_owned());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_keeps_what_builds_and_guests_read() {
        let is_packed = |path: &str| packed_file("kernels", Path::new(path));
        for path in [
            "vmlinux",
            ".config",
            "Module.symvers",
            "System.map",
            "rust/libcore.rmeta",
            "rust/libmacros.so",
            "include/generated/autoconf.h",
            "scripts/mod/modpost",
            "scripts/module.lds",
            "tools/objtool/objtool",
        ] {
            assert!(is_packed(path), "{path}");
        }
        for path in [
            "vmlinux.o",
            "kernel/kthread.o",
            "kernel/.kthread.o.cmd",
            ".tmp_vmlinux1",
            ".tmp_vmlinux2.kallsyms.S",
            "built-in.a",
        ] {
            assert!(!is_packed(path), "{path}");
        }
    }

    #[test]
    fn a_source_keeps_headers_and_scripts() {
        let is_packed = |path: &str| packed_file("sources", Path::new(path));
        assert!(is_packed("include/linux/module.h") && is_packed("Makefile"));
        assert!(!is_packed("kernel/kthread.c") && !is_packed("Makefile.x"));
    }
}
