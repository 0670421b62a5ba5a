//! The `make` of a kernel tree, with the pinned tools.

use std::path::Path;

use crate::process::Tool;
use crate::toolchain::Toolchain;

/// Fixed values for everything in a kernel that would differ between builds
/// (Documentation/kbuild/reproducible-builds.rst).
const REPRODUCIBLE: [&str; 4] = [
    "KBUILD_BUILD_TIMESTAMP=@0",
    "KBUILD_BUILD_USER=kmodlab",
    "KBUILD_BUILD_HOST=kmodlab",
    "KBUILD_BUILD_VERSION=1",
];

/// Returns the command line `make -C tree O=objects …`, without a target. The objects that it
/// builds contain no path of the host.
///
/// They have line tables, but no other debug information: line tables are enough to find the
/// source location of every address in an oops, and take the compiler a few seconds.
/// `CONFIG_DEBUG_INFO` would describe every type in every file.
pub fn make(toolchain: &Toolchain, tree: &Path, objects: &Path, jobs: usize) -> Tool {
    make_with(
        toolchain,
        (tree, objects),
        jobs,
        DebugInformation::Lines,
        &[],
    )
}

/// Returns the command line `make -C tree O=objects M=work …` for modules of kmodlab's own Kbuild. The
/// modules describe their types and variables for gdb; a guest gets them without that. They name the files
/// below `work` relative to it, those that kbuild writes (`NAME.mod.c`) too.
pub fn make_modules(
    toolchain: &Toolchain,
    trees: (&Path, &Path),
    jobs: usize,
    work: &Path,
) -> Tool {
    let make = make_with(toolchain, trees, jobs, DebugInformation::Types, &[work]);
    make.arg(format!("M={}", work.display()))
}

/// Returns the command line `make -C tree O=objects M=work …` for modules whose Kbuild knows
/// nothing of kmodlab. The modules name the files below `sources` relative to it, and have the debug
/// information of [`make_modules`].
pub fn make_module(
    toolchain: &Toolchain,
    trees: (&Path, &Path),
    jobs: usize,
    work: &Path,
    sources: &Path,
) -> Tool {
    // Linux 7.3 names files from the folder in which it works. Of the prefixes that fit, compilers take the
    // last one.
    let relative = sources.strip_prefix(work).unwrap_or(Path::new(""));
    let folders = [work, sources, relative];
    let folders: Vec<&Path> = folders
        .into_iter()
        .filter(|folder| *folder != Path::new(""))
        .collect();
    let make = make_with(toolchain, trees, jobs, DebugInformation::Types, &folders);
    make.arg(format!("M={}", work.display()))
}

/// Section of a module with the addresses behind each `barrier()` of its C code. `llvm-strip --strip-debug`
/// removes it for the guest.
pub const ORDER_SECTION: &str = ".debug_kmodlab_order";

/// Returns the flag by which each `barrier()` in C leaves its address in [`ORDER_SECTION`].
///
/// On x86 `smp_wmb()` and `smp_store_release()` contain `barrier()`, which binds the compiler and leaves no
/// instruction (arch/x86/include/asm/barrier.h). include/linux/compiler.h keeps a definition that it finds.
/// The label is one that no inline assembly of the kernel has.
fn marked_barriers() -> String {
    format!(
        r#"'-Dbarrier()=__asm__ __volatile__("424242:.pushsection {ORDER_SECTION};.quad 424242b;.popsection":::"memory")'"#
    )
}

/// Returns the variables with which a user's own make builds modules against the kernel in
/// `objects`: KDIR, the folder for `make -C`, and the tools.
pub fn own_make_variables(toolchain: &Toolchain, objects: &Path) -> Vec<String> {
    let variables = [("KDIR", objects.display().to_string())];
    variables
        .into_iter()
        .chain(tools(toolchain))
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Returns the make variables of the pinned tools.
fn tools(toolchain: &Toolchain) -> [(&'static str, String); 6] {
    let Toolchain {
        rustc,
        rust_lib_src,
        bindgen,
        llvm_bin,
        libclang,
        ..
    } = toolchain;
    [
        ("LLVM", format!("{}/", llvm_bin.display())),
        ("RUSTC", rustc.display().to_string()),
        ("HOSTRUSTC", rustc.display().to_string()),
        ("RUST_LIB_SRC", rust_lib_src.display().to_string()),
        ("BINDGEN", bindgen.display().to_string()),
        ("LIBCLANG_PATH", libclang.display().to_string()),
    ]
}

/// The debug information of objects.
#[derive(Debug, Clone, Copy)]
enum DebugInformation {
    /// Line tables.
    Lines,
    /// Everything that gdb understands.
    Types,
}

impl DebugInformation {
    /// Returns the flags of rustc and clang.
    fn flags(self) -> (&'static str, &'static str) {
        match self {
            Self::Lines => ("-Cdebuginfo=line-tables-only", "-gline-tables-only"),
            Self::Types => ("-Cdebuginfo=full", "-g"),
        }
    }
}

fn make_with(
    toolchain: &Toolchain,
    (tree, objects): (&Path, &Path),
    jobs: usize,
    debug: DebugInformation,
    sources: &[&Path],
) -> Tool {
    let Toolchain {
        rust_lib_src,
        libclang,
        ..
    } = toolchain;
    // The compilers see the path of their folder without symbolic links.
    let real = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let [tree, objects] = [&*real(tree), &*real(objects)];
    // A panic in `core` names a file below the folder of rustc's library.
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let (rust_debug, c_debug) = debug.flags();
    let rust_flags = [
        remap(tree, "."),
        remap(objects, "."),
        remap(rust_lib_src, "library"),
        rust_debug.to_owned(),
    ];
    let own = sources
        .iter()
        .map(|folder| format!("--remap-path-prefix={}/=", folder.display()));
    let rust_flags = rust_flags.into_iter().chain(own).collect::<Vec<_>>();
    let rust_flags = rust_flags.join(" ");
    let c_flags = [tree, objects]
        .into_iter()
        .chain(sources.iter().copied())
        .map(|folder| format!("-ffile-prefix-map={}/=", folder.display()))
        .collect::<Vec<_>>()
        .join(" ");
    // clang 19 warns about 6.7's headers in nearly every C file.
    let barriers = match debug {
        DebugInformation::Lines => String::new(),
        DebugInformation::Types => format!(" {}", marked_barriers()),
    };
    let c_flags = format!(
        "{c_flags} -Wno-enum-enum-conversion {c_debug} -fdebug-compilation-dir=.{barriers}"
    );
    Tool::new("make")
        .clean_env()
        .arg("-C")
        .arg(tree)
        .arg(format!("O={}", objects.display()))
        .arg(format!("-j{jobs}"))
        .args(tools(toolchain).map(|(name, value)| format!("{name}={value}")))
        .env("LIBCLANG_PATH", libclang)
        .args(REPRODUCIBLE)
        .arg(format!("KRUSTFLAGS={rust_flags}"))
        .arg(format!("KCFLAGS={c_flags}"))
}
