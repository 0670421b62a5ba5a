//! The crates of a kernel as an editor's language server sees them: those of the kernel, by its own
//! script, and `kernel_ext` with its generated bindings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::builder::{ModuleBuilder, copy, copy_tree, write};
use super::compiled::{COMPILED, CompiledSource};
use super::{Language, entry_name};
use crate::cache::Parts;
use crate::failure::Failure;
use crate::kernel::{self, KernelImage};
use crate::key::Inputs;
use crate::process::which;
use crate::project::Project;
use crate::session::Session;
use crate::toolchain::Toolchain;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "editor 1";

/// Name of the crate in the kernel's list that stands for any module.
pub const EXAMPLE: &str = "example";

/// The files that a language server needs for one kernel, in the cache.
#[derive(Debug, Clone)]
pub struct EditorCrates {
    /// The kernel's crates, as the kernel's script `generate_rust_analyzer.py` writes them; the
    /// last one is named [`EXAMPLE`] and is a module.
    pub kernel: PathBuf,
    /// `lib.rs` of `kernel_ext`, beside its generated bindings.
    pub kernel_ext: PathBuf,
    /// A folder that stands for the compiler's, with its rustc and its server of macros.
    pub sysroot: PathBuf,
}

impl EditorCrates {
    /// Makes the files for `image`, unless the cache has them.
    ///
    /// # Errors
    ///
    /// Fails if python3 is missing, which runs the kernel's script, or if make fails.
    pub fn build(session: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<Self> {
        let builder = ModuleBuilder::new(session, toolchain, image);
        let stage = session.ui.stage("editor");
        let compiler = toolchain.sysroot()?;
        let key = Inputs::new(KIND)
            .text("compiler", compiler.display().to_string())
            .text("kernel_ext", builder.kernel_ext_key()?.as_str())
            .key();
        let entry = session
            .cache
            .entry("editor", &image.version, &key, |staging| {
                stage.begin("listing the kernel's crates", 0);
                if which("python3").is_none() {
                    return Err(Failure::host(
                        "python3 is missing, which runs the kernel's scripts/generate_rust_analyzer.py; \
                         install it and run the command again",
                    )
                    .into());
                };
                let folder = session.cache.work_folder("editor")?;
                list_crates(&builder, folder.path())?;
                copy(
                    &folder.path().join("rust-project.json"),
                    &staging.join("rust-project.json"),
                )?;
                let folder =
                    builder.make_kernel_ext(&stage, &[], "kernel_ext does not compile")?;
                let bindings = folder.path().join("kernel_ext/bindings.rs");
                let own = staging.join("kernel_ext");
                copy_tree(&builder.sources.join("kernel_ext"), &own)?;
                copy(&bindings, &own.join("bindings.rs"))?;
                for program in ["bin/rustc", "libexec/rust-analyzer-proc-macro-srv"] {
                    write_wrapper(&compiler, program, &staging.join("sysroot").join(program))?;
                }
                Ok(())
            })?;
        stage.done(entry.cached, format!("for Linux {}", image.version));
        Ok(Self {
            kernel: entry.path.join("rust-project.json"),
            kernel_ext: entry.path.join("kernel_ext/lib.rs"),
            sysroot: entry.path.join("sysroot"),
        })
    }
}

/// Writes a script that runs a program of the compiler's: one that was unpacked into the cache
/// finds its libraries only by `LD_LIBRARY_PATH`.
fn write_wrapper(compiler: &Path, program: &str, wrapper: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let libraries = compiler.join("lib");
    let of_debian = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let libraries = format!("{}:{}", of_debian.display(), libraries.display());
    let quoted = |text: &str| shlex::try_quote(text).map(std::borrow::Cow::into_owned);
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
        quoted(&libraries)?,
        quoted(&compiler.join(program).display().to_string())?
    );
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(wrapper.parent().unwrap_or(wrapper))?;
        std::fs::write(wrapper, text)?;
        std::fs::set_permissions(wrapper, std::fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", wrapper.display()))
}

/// Lets the kernel's own target `rust-analyzer` write `rust-project.json` in `work`, for a module
/// of one empty source.
fn list_crates(builder: &ModuleBuilder<'_>, work: &Path) -> Result<()> {
    write(&work.join("Kbuild"), &format!("obj-m := {EXAMPLE}.o\n"))?;
    write(&work.join(format!("{EXAMPLE}.rs")), "")?;
    let KernelImage { tree, objects, .. } = builder.image;
    let log = builder.log("editor")?;
    let make = kernel::make(builder.toolchain, tree, objects, 1)
        .arg(format!("M={}", work.display()))
        // Without it, 6.12 looks for rust/Makefile among the objects if M= is given.
        .arg(format!("VPATH={}", tree.canonicalize()?.display()))
        .arg("rust-analyzer");
    make.run_logged("listing the kernel's crates", &log, |_| ())
}

/// Returns how the sources of a project were compiled for `image`; none if its modules are not in
/// the cache.
///
/// # Errors
///
/// Fails if the cache cannot be used.
pub fn compiled_sources_of(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    project: &Project,
    language: Language,
) -> Result<Vec<CompiledSource>> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    let key = builder.project_key(project, language)?;
    let name = entry_name(&project.name, language);
    let Some(folder) = session.cache.find("modules", &name, &key, Parts::All)? else {
        return Ok(Vec::new());
    };
    let path = folder.join(COMPILED);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
