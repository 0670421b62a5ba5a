//! The `make` of a kernel tree, with the pinned tools and nothing else's.

use std::path::Path;

use anyhow::Result;

use crate::process::Tool;
use crate::toolchain::Toolchain;

/// Everything in a kernel that would differ from build to build, fixed
/// (Documentation/kbuild/reproducible-builds.rst).
const REPRODUCIBLE: [&str; 4] = [
    "KBUILD_BUILD_TIMESTAMP=@0",
    "KBUILD_BUILD_USER=kmodlab",
    "KBUILD_BUILD_HOST=kmodlab",
    "KBUILD_BUILD_VERSION=1",
];

/// `make -C tree O=objects …`, ready for targets. No path of this machine
/// gets into what it builds.
///
/// Line tables and no more debug information: enough to tell file and line of
/// every address in an oops, for a few seconds of the compiler's time, where
/// `CONFIG_DEBUG_INFO` would describe every type in every file.
pub fn make(toolchain: &Toolchain, tree: &Path, objects: &Path, jobs: usize) -> Result<Tool> {
    let Toolchain {
        rustc,
        rust_lib_src,
        bindgen,
        llvm_bin,
        libclang,
        ..
    } = toolchain;
    // The compilers see where they are without the links that led there.
    let real = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let [tree, objects] = [&*real(tree), &*real(objects)];
    // rust-src stands at LIBRARY/; a panic in `core` names a file below it.
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let rust_flags = [
        remap(tree, "."),
        remap(objects, "."),
        remap(rust_lib_src, "library"),
        "-Cdebuginfo=line-tables-only".to_owned(),
    ]
    .join(" ");
    let c_flags = [tree, objects]
        .map(|folder| format!("-ffile-prefix-map={}/=", folder.display()))
        .join(" ");
    // Of 6.7's headers, clang 19 warns in nearly every file of C.
    let c_flags =
        c_flags + " -Wno-enum-enum-conversion -gline-tables-only -fdebug-compilation-dir=.";
    Ok(Tool::new("make")
        .clean_env()
        .arg("-C")
        .arg(tree)
        .arg(format!("O={}", objects.display()))
        .arg(format!("-j{jobs}"))
        .arg(format!("LLVM={}/", llvm_bin.display()))
        .arg(format!("RUSTC={}", rustc.display()))
        .arg(format!("HOSTRUSTC={}", rustc.display()))
        .arg(format!("RUST_LIB_SRC={}", rust_lib_src.display()))
        .arg(format!("BINDGEN={}", bindgen.display()))
        .arg(format!("LIBCLANG_PATH={}", libclang.display()))
        .env("LIBCLANG_PATH", libclang)
        .args(REPRODUCIBLE)
        .arg(format!("KRUSTFLAGS={rust_flags}"))
        .arg(format!("KCFLAGS={c_flags}")))
}
