//! The sandbox in which a lesson's sources are compiled.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::ModuleBuilder;
use crate::process::{Sandbox, Tool, has_landlock, which};
use crate::toolchain::Toolchain;

/// Explanation of a compiler's message about a file that it cannot read.
const EXPLANATION: &str = "note: a module can include only files of its own folder and the kernel's headers; \
                           links out of the folder and large files are left out";

/// Parts of the messages of rustc and clang about a file that they cannot read.
const UNREADABLE: [&str; 5] = [
    "Permission denied",
    "couldn't read",
    "file not found",
    "Could not find incbin file",
    "Could not find include file",
];

/// Folder in which make keeps the output of a target until the target is finished: make 4.3 calls
/// tmpfile(3), which ignores TMPDIR. The compilers are in a sandbox of their own, without this
/// folder (see `modules/Kbuild`).
const SYNC_FOLDER: &str = "/tmp";

/// Note for a host on which the compilers are not in a sandbox.
const NO_LANDLOCK: &str = "this host's kernel has no Landlock (Linux 5.13 and later have it): the \
                           text of the modules is checked, but the compilers are not in a sandbox";

/// Returns the sandbox for kbuild, which writes in `work` and reads the kernel's trees, the
/// toolchain and `readable`; notes once if this host has none.
///
/// # Errors
///
/// Fails if rustc cannot be run, or if the compiler's options cannot be tested.
pub(super) fn of(
    builder: &ModuleBuilder<'_>,
    work: &Path,
    mut readable: Vec<PathBuf>,
) -> Result<Option<Sandbox>> {
    let ui = &builder.session.ui;
    if !has_landlock() {
        if !ui.notes().iter().any(|note| note == NO_LANDLOCK) {
            ui.note(NO_LANDLOCK);
        }
        return Ok(None);
    }
    let Toolchain {
        rustc, llvm_bin, ..
    } = builder.toolchain;
    let sysroot = Tool::new(rustc)
        .clean_env()
        .args(["--print", "sysroot"])
        .output()?;
    let llvm_bin = llvm_bin.canonicalize().unwrap_or_else(|_| llvm_bin.clone());
    readable.extend([
        builder.image.tree.clone(),
        builder.image.objects.clone(),
        builder.tested_options()?,
        PathBuf::from(sysroot.trim_end()),
        // In the cache, a script beside the folder.
        rustc.clone(),
        // clang's own headers and libraries are beside its folder of programs.
        llvm_bin.join("../lib"),
        llvm_bin.join("../lib64"),
        llvm_bin,
    ]);
    readable.extend(which("make"));
    Ok(Some(Sandbox {
        writable: vec![work.to_owned(), PathBuf::from(SYNC_FOLDER)],
        readable,
    }))
}

/// Returns a note for the messages of a compiler if one is about a file that it cannot read.
pub(super) fn explanation(messages: &[String]) -> Option<&'static str> {
    let is_unreadable = |message: &String| UNREADABLE.iter().any(|part| message.contains(part));
    messages.iter().any(is_unreadable).then_some(EXPLANATION)
}
